"""Blocks that towers over patches share.

Sources: vLLM 0.32, ``model_executor/models/lfm2_siglip2.py``, ``siglip.py``.
"""

from __future__ import annotations

from vlm_operator.model.weights.modules import Block


def siglip_blocks(blocks: Block, width: int, heads: int, inner: int) -> None:
    """SigLIP's blocks, biases everywhere."""
    blocks.norm("layer_norm1", width, bias=True)
    blocks.norm("layer_norm2", width, bias=True)
    blocks.qkv("self_attn", heads, heads, width // heads, width, bias=True)
    blocks.row("self_attn.out_proj", width, width, bias=True)
    blocks.mlp("mlp", width, inner, ("fc1", "fc2"))
