"""Size of a recurrent layer's state on one rank, and its effect on the model's block size.

vLLM lets attention blocks grow until one of them is at least as large as a state, then pads the state to it, so that
all layers share one pool.

Sources (vLLM): ``MambaStateShapeCalculator`` and ``MambaStateDtypeCalculator`` of
``model_executor/layers/mamba/mamba_utils.py``; ``HybridAttentionMambaModelConfig.verify_and_update_config`` of
``model_executor/models/config.py`` (to 0.19) and ``Platform._align_hybrid_block_size`` of ``platforms/interface.py``
(from 0.20); ``MambaModelConfig`` for the cache mode; ``MambaSpec.max_memory_usage_bytes`` and
``MambaMixer2.get_kv_cache_spec`` for the pages of one request.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from vlm_operator.engine.kv_cache_rules import (
    GDN_CHECKPOINT_ALIGNMENT,
    KERNEL_BLOCK_SIZE,
    KVCacheRules,
    StateMode,
    gdn_exports_checkpoints,
)
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.facts import DType, StateCache, StateDType, StateKind

DEFAULT_CHUNK_SIZE = 2048
"""Tokens of the scan's chunk where the config names none (``ModelConfig.get_mamba_chunk_size``)."""


def element_bytes(dtype: DType) -> int:
    """Bytes of one element."""
    return dtype.size_bytes


def _divide(total: int, ranks: int, what: str) -> int:
    if total % ranks:
        raise InputError(
            f"tensor-parallel-size: {total} {what} cannot be divided over {ranks} ranks",
            field="tensor-parallel-size",
            hint="use a size that divides them",
        )
    return total // ranks


def state_elements(cache: StateCache, ranks: int, drafted_tokens: int = 0) -> tuple[int, int]:
    """Elements of one layer's convolution state and recurrent state on one of ``ranks`` ranks.

    The convolution keeps the drafted tokens of speculative decoding as well (``num_spec``).

    Raises:
        InputError: channels or heads cannot be divided over the ranks.
    """
    kept = cache.conv_kernel - 1 + drafted_tokens
    match cache.kind:
        case StateKind.MAMBA1:
            channels = _divide(cache.intermediate_size, ranks, "state channels")
            return channels * kept, channels * cache.state_size
        case StateKind.MAMBA2:
            groups = cache.groups
            if groups == 1:
                groups = ranks  # one group is copied to every rank
            elif groups:
                _divide(groups, ranks, "state groups")
            channels = _divide(cache.intermediate_size + 2 * groups * cache.state_size, ranks, "convolution channels")
            heads = _divide(cache.heads, ranks, "state heads")
            return channels * kept, heads * cache.head_size * cache.state_size
        case StateKind.GATED_DELTA_NET:
            channels = cache.intermediate_size + 2 * cache.groups * cache.state_size
            heads = _divide(cache.heads, ranks, "value heads")
            return _divide(channels, ranks, "convolution channels") * kept, heads * cache.head_size * cache.state_size
        case StateKind.KIMI_DELTA_ATTENTION:
            heads = _divide(cache.heads, ranks, "state heads")
            channels = cache.intermediate_size + 2 * cache.groups * cache.state_size
            return _divide(channels, ranks, "convolution channels") * kept, heads * cache.head_size * cache.head_size
        case StateKind.LINEAR_ATTENTION:
            return 0, _divide(cache.heads, ranks, "heads") * cache.head_size * cache.head_size
        case StateKind.SHORT_CONV:
            return _divide(cache.intermediate_size, ranks, "convolution channels") * kept, 0


def _state_dtype(cache: StateCache, model: DType, rules: KVCacheRules) -> DType:
    match cache.dtype_source:
        case StateDType.FLOAT32:
            return DType.FLOAT32
        case StateDType.CONFIG if rules.config_state_dtype:
            return cache.state_dtype or DType.FLOAT32
        case StateDType.NEMOTRON_H if rules.nemotron_reads_config:
            return cache.state_dtype or DType(rules.nemotron_state_dtype or model)
        case _:
            return model


def state_mode(caches: tuple[StateCache, ...], prefix_caching: bool, rules: KVCacheRules) -> StateMode:
    """``mamba_cache_mode`` that a release takes where the user names none."""
    if not prefix_caching:
        return StateMode.NONE
    if rules.state_mode_all and all(cache.caches_every_block for cache in caches):
        return StateMode.ALL
    return StateMode.ALIGN if rules.state_mode_align else StateMode.NONE


@dataclass(frozen=True, slots=True)
class StateBlocks:
    """Block size and padding of recurrent layers on one rank.

    Attributes:
        rules: those of the vLLM release.
        mode: which states are kept.
        tensor_parallel_size: ranks that share the state.
        model_dtype: the model's element type.
        block_size: tokens of a recurrent layer's block.
        padded_page_bytes: page that states are padded to, 0 for a model without attention.
        attention_block_size: tokens of an attention layer's block.
        compute_capability: of the GPU; None where it is not known.
        drafted_tokens: of speculative decoding: each has a state of its own (``num_speculative_blocks``).
    """

    rules: KVCacheRules
    mode: StateMode
    tensor_parallel_size: int
    model_dtype: DType
    block_size: int = 0
    padded_page_bytes: int = 0
    attention_block_size: int = 0
    compute_capability: tuple[int, int] | None = None
    drafted_tokens: int = 0

    def page_size_bytes(self, cache: StateCache) -> int:
        """Bytes of one layer's state on one rank, before padding."""
        convolution, recurrent = state_elements(cache, self.tensor_parallel_size, self.drafted_tokens)
        state = element_bytes(_state_dtype(cache, self.model_dtype, self.rules))
        return convolution * element_bytes(self.model_dtype) + recurrent * state

    def pages(self, cache: StateCache) -> int:
        """States that one request holds in a layer, unless it holds one per block."""
        if self.mode is StateMode.NONE:
            return 1 + self.drafted_tokens
        if _exports_checkpoints(cache, self.rules, self.compute_capability):
            return 3 + self.drafted_tokens
        kept = self.rules.checkpoint_pages and cache.kind is StateKind.MAMBA2
        if cache.kind is StateKind.KIMI_DELTA_ATTENTION and cache.exports_checkpoints:
            kept = self.rules.delta_checkpoints
        return (3 if kept else 2) + self.drafted_tokens


def _exports_checkpoints(cache: StateCache, rules: KVCacheRules, compute_capability: tuple[int, int] | None) -> bool:
    """Whether a gated-delta-net layer keeps a checkpoint beside the states at block boundaries."""
    return (
        rules.gpu_dependent_checkpoints
        and cache.kind is StateKind.GATED_DELTA_NET
        and cache.exports_checkpoints
        and gdn_exports_checkpoints(cache.state_size, compute_capability)
    )


def state_blocks(
    caches: tuple[StateCache, ...],
    attention_token_bytes: int,
    *,
    latent: bool,
    rules: KVCacheRules,
    mode: StateMode,
    tensor_parallel_size: int,
    model_dtype: DType,
    block_size: int,
    max_model_len: int,
    compute_capability: tuple[int, int] | None = None,
    drafted_tokens: int = 0,
) -> StateBlocks:
    """Block sizes of a model with recurrent layers, re-aligned as vLLM does.

    Args:
        caches: the distinct recurrent layers.
        attention_token_bytes: bytes that one token takes in one attention layer; 0 for a model without attention.
        latent: True where attention is MLA.
        block_size: tokens of a block, before alignment.
        compute_capability: of the GPU; None where it is not known: the larger count holds.
        max_model_len: context served; the block of a state where none but the last is kept.

    Raises:
        UnknownFact: alignment depends on the GPU in that release.
        InputError: states cannot be divided over the ranks.
    """
    blocks = StateBlocks(
        rules,
        mode,
        tensor_parallel_size,
        model_dtype,
        compute_capability=compute_capability,
        drafted_tokens=drafted_tokens,
    )
    state_bytes = max(blocks.page_size_bytes(cache) for cache in caches)
    own_block = max_model_len if mode is StateMode.NONE else block_size
    if attention_token_bytes == 0:
        return replace(blocks, block_size=own_block, attention_block_size=block_size)
    alignment = max(KERNEL_BLOCK_SIZE, block_size) if rules.state_block_follows else KERNEL_BLOCK_SIZE
    if latent:
        alignment = max(alignment, _latent_alignment(rules))
    if mode is StateMode.ALIGN and all(_exports_checkpoints(cache, rules, compute_capability) for cache in caches):
        alignment = math.lcm(alignment, GDN_CHECKPOINT_ALIGNMENT)
    if mode is StateMode.ALL:
        chunk = math.lcm(caches[0].chunk_size or DEFAULT_CHUNK_SIZE, alignment)
        tokens = -(-state_bytes // attention_token_bytes)
        own_block = chunk * -(-tokens // chunk)
        attention_block = max(block_size, own_block)
    else:
        attention_block = max(block_size, alignment * -(-state_bytes // (alignment * attention_token_bytes)))
        if mode is StateMode.ALIGN:
            own_block = attention_block
    padded = attention_block * attention_token_bytes
    return replace(blocks, block_size=own_block, padded_page_bytes=padded, attention_block_size=attention_block)


def _latent_alignment(rules: KVCacheRules) -> int:
    if rules.state_block_follows and rules.latent_block_alignment < 128:
        raise UnknownFact(
            "block-size: how blocks of a model with MLA and recurrent layers are aligned depends on the GPU's "
            "attention backend in vLLM 0.20 to 0.26",
            field="block-size",
            hint="plan for vLLM 0.27 or later",
        )
    return rules.latent_block_alignment
