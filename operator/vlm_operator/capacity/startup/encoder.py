"""How much does the multimodal encoder of the profiling run allocate, and what of it stays?

vLLM encodes as many dummy items of the largest kind as its encoder budget holds, in one call, keeps inputs and outputs
until the text pass and the sampler are done, then clears them (``v1/worker/gpu_model_runner.py: profile_run``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vlm_operator.model.facts import VisionTower

_ATTENTION_WIDTHS: Final = (4, 18)
"""Bytes for each element of the tower's width in its attention: on every rank (residual, normed input) and divided over
ranks (query, key and value 6, their rotated copies 8, output and projection 4). vLLM ``models/qwen2_5_vl.py``."""

_MLP_WIDTHS: Final = 6
"""Bytes for each element of the tower's width in its MLP: input of the block, residual, normed input."""

_MLP_INTERMEDIATE: Final = 4
"""Bytes for each element of the tower's MLP width: before and after the activation."""


@dataclass(frozen=True, slots=True)
class EncoderRun:
    """What the profiling run encodes.

    Attributes:
        modality: ``image``, ``video`` or ``audio``.
        items: dummy items in the one call.
        tokens_per_item: output tokens vLLM reckons for each.
        budget_tokens: the encoder budget ("Encoder cache will be initialized with a budget of … tokens").
        encoded_tokens_per_item: output tokens the dummy really has; less than reckoned where the family's formula
            adds timestamps (Qwen3-VL before 0.13 reckons 12.5 for one).
    """

    modality: str
    items: int
    tokens_per_item: int
    budget_tokens: int
    encoded_tokens_per_item: int


@dataclass(frozen=True, slots=True)
class EncoderMemory:
    """Bytes per rank.

    Attributes:
        transient_bytes: peak inside the tower, inputs included.
        kept_bytes: inputs and outputs that stay through text pass and sampler.
    """

    transient_bytes: int
    kept_bytes: int


NOTHING: Final = EncoderMemory(0, 0)


def encoder_memory(
    tower: VisionTower,
    run: EncoderRun,
    *,
    hidden_size: int,
    tensor_parallel_size: int,
    replicated: bool,
    pads_outputs: bool,
    element_bytes: int = 2,
) -> EncoderMemory:
    """Bytes of encoding ``run`` on one rank.

    Args:
        hidden_size: width of the language model, used where the tower does not say its output's width.
        replicated: ``--mm-encoder-tp-mode data``: every rank holds the whole tower and encodes its share of items.
        pads_outputs: outputs are copied into buffers of the whole budget, one for each item (before 0.13).
    """
    shards = 1 if replicated else tensor_parallel_size
    items_here = -(-run.items // tensor_parallel_size) if replicated else run.items
    merge = max(tower.merge_size, 1) ** 2
    patches = items_here * run.encoded_tokens_per_item * merge
    whole, divided = _ATTENTION_WIDTHS
    attention = tower.hidden_size * whole + tower.hidden_size * divided // shards
    mlp = tower.hidden_size * _MLP_WIDTHS + tower.intermediate_size * _MLP_INTERMEDIATE // shards
    pixels = 3 * tower.patch_size**2 * (2 if merge > 1 else 1) * element_bytes
    inputs = run.items * run.encoded_tokens_per_item * merge * pixels
    width = (tower.output_size or hidden_size) * (1 + tower.deepstack_levels) * element_bytes
    outputs = run.items * run.encoded_tokens_per_item * width
    if pads_outputs and run.encoded_tokens_per_item < run.budget_tokens:
        # Each item gets a buffer of the whole budget; of the true outputs only the last is still referred to.
        outputs = (run.items * run.budget_tokens + run.encoded_tokens_per_item) * width
    return EncoderMemory(
        transient_bytes=patches * max(attention, mlp) + inputs,
        kept_bytes=inputs + outputs,
    )
