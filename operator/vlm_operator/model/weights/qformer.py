"""The Q-Former of BLIP-2: blocks whose learned queries attend to one another and to what the tower saw.

Source: vLLM 0.32 and 0.33, ``model_executor/models/blip2.py`` (``Blip2QFormerModel``).
"""

from __future__ import annotations

from vlm_operator.model.facts import Component
from vlm_operator.model.weights.modules import Block
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper


def qformer(wrapper: Wrapper, prefix: str, *, width: int, inner: int, blocks: int, step: int, source: int) -> None:
    """Its blocks and the norm before them, whole on every rank, never quantised.

    Args:
        wrapper: the model being read.
        prefix: vLLM's name of it.
        width: elements of a query.
        inner: width of a block's MLP.
        blocks: how many there are.
        step: every so many blocks one attends to the tower's outputs.
        source: elements of such an output.
    """
    wrapper.projector(prefix, sharded=False).norm("layernorm", width, bias=True)
    every = _blocks(wrapper, prefix, blocks)
    _attention(every, "attention", width, width)
    every.linear("intermediate_query.dense", inner, width, bias=True, quantizable=False)
    every.linear("output_query.dense", width, inner, bias=True, quantizable=False)
    every.norm("output_query.LayerNorm", width, bias=True)
    _attention(_blocks(wrapper, prefix, -(-blocks // step)), "crossattention", width, source)


def _blocks(wrapper: Wrapper, prefix: str, blocks: int) -> Block:
    return wrapper.collection.tower(
        f"{prefix}.encoder.layer.{{}}", blocks, component=Component.PROJECTOR, modalities=IMAGE, sharded=False
    )


def _attention(blocks: Block, module: str, width: int, source: int) -> None:
    for name, columns in (("query", width), ("key", source), ("value", source)):
        blocks.linear(f"{module}.attention.{name}", width, columns, bias=True, quantizable=False)
    blocks.linear(f"{module}.output.dense", width, width, bias=True, quantizable=False)
    blocks.norm(f"{module}.output.LayerNorm", width, bias=True)
