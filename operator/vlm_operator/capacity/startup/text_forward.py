"""Memory one forward pass of the language model allocates for a batch of dummy tokens.

Attention is skipped in the profiling run, so the widest layer decides: what a gated MLP, an expert layer or a linear
attention layer keeps at once, for ``max_num_batched_tokens`` tokens. Compiled graphs reuse buffers between layers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import ModelFacts, StateCache, TextFacts

_STATE_CHUNK_TOKENS: Final = 64
"""Tokens of a chunk in the kernels of gated delta nets (flash-linear-attention); each leaves a float32 state."""

_STATE_COPIES_BYTES: Final = 9
"""Bytes for each projected channel of a gated delta net: projections, convolved, split and normalised copies.

Counted as 8 to 10 in ``models/qwen3_next.py`` and its kernels; 9 meets published peaks at 8,192 and 65,536 tokens."""


@dataclass(frozen=True, slots=True)
class TextForward:
    """Bytes of one pass, per rank.

    Attributes:
        transient_bytes: widest moment outside expert layers, freed after the pass.
        experts_bytes: beside the workspace while an expert layer runs, freed after the pass.
        workspace_bytes: workspace of expert layers, kept allocated by releases that share it between layers.
        hidden_bytes: hidden states that stay until the sampler has run.
    """

    transient_bytes: int
    experts_bytes: int
    workspace_bytes: int
    hidden_bytes: int


def text_forward(
    model: ModelFacts, *, tokens: int, tensor_parallel_size: int, expert_parallel: bool, chunk_tokens: int | None
) -> TextForward:
    """Bytes that one pass over ``tokens`` dummy tokens needs on one rank.

    Dense: residual, normed input, output, gate and up projection, their product, and the attention's result where the
    MLP stands beside it. Linear attention: projections,
    convolved copies and per-chunk states. Experts: two workspaces of ``tokens x experts per token`` rows, as vLLM's
    Triton experts ask for (``fused_moe/fused_moe.py: TritonExperts.workspace_shapes``).
    """
    text, element = model.text, model.dtype.size_bytes
    row = text.hidden_size * element
    widest = (4 if text.parallel_blocks else 3) * row + 3 * _share(
        text.intermediate_size, tensor_parallel_size
    ) * element
    if model.quantization is not None and model.quantization.weight_bits == 8:
        widest += _share(text.intermediate_size, tensor_parallel_size)
    if text.experts is not None and not _has_dense_layers(text):
        widest = 0
    attention = 2 * row + 2 * element * _share(
        (text.attention_heads + 2 * text.kv_heads) * text.head_size, tensor_parallel_size
    )
    transient = tokens * max(widest, attention, _linear_attention(model, row, tensor_parallel_size))
    workspace = beside = 0
    if text.experts is not None:
        experts = text.experts
        batch = min(tokens, chunk_tokens) if chunk_tokens else tokens
        width = experts.intermediate_size
        if not expert_parallel:
            width = _share(width, tensor_parallel_size)
        pairs = batch * experts.experts_per_token
        workspace = pairs * element * (max(width, text.hidden_size) + max(2 * width, text.hidden_size))
        shared = 3 * _share(experts.shared_intermediate_size, tensor_parallel_size) * element
        beside = tokens * (2 * row + shared)
    return TextForward(transient, beside, workspace, tokens * row)


def _share(size: int, parts: int) -> int:
    return -(-size // parts)


def _has_dense_layers(text: TextFacts) -> bool:
    experts = text.experts
    return experts is not None and 0 < experts.layers < text.layers


@cached_by_identity()
def _linear_attention(model: ModelFacts, row: int, tensor_parallel_size: int) -> int:
    """Bytes for each token of the widest layer with a recurrent state."""
    widest = 0
    for run in model.cache_layers:
        if isinstance(run.cache, StateCache):
            state = run.cache
            keys = state.groups * state.state_size
            projected = 2 * (keys + state.intermediate_size)
            per_chunk = state.heads * state.head_size * state.state_size * 4
            widest = max(
                widest,
                2 * row
                + _share(projected, tensor_parallel_size) * _STATE_COPIES_BYTES
                + _share(per_chunk, tensor_parallel_size * _STATE_CHUNK_TOKENS),
            )
    return widest
