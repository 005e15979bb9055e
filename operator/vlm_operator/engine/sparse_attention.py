"""Sparse latent attention (DeepSeek V3.2, GLM-5): cache formats, blocks and work space by release and GPU.

An indexer in a layer scores all earlier tokens and attention reads the best of them. The latent vectors and the
indexer's keys are two caches with blocks of 64 tokens.

Sources (vLLM 0.11.2 to 0.33.0): ``v1/attention/backends/mla/flashmla_sparse.py``, ``flashinfer_mla_sparse.py``,
``flashattn_mla_sparse.py`` (from 0.25), ``indexer.py``; ``platforms/cuda.py: _get_backend_priorities``;
``model_executor/models/config.py: DeepseekV32ForCausalLM, GlmMoeDsaForCausalLM``;
``model_executor/layers/attention/mla_attention.py: _canonicalize_sparse_mla_kv_cache_dtype``;
``model_executor/layers/sparse_attn_indexer.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.kv_cache_rules import CPU_CAPABILITY
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, UnknownFact

BLOCK_SIZE: Final = 64
"""Tokens of a block, the indexer's only size (``indexer.py: get_supported_kernel_block_sizes``)."""

LATENT_SIZE: Final = 576
"""Elements of a latent vector, 512 compressed and 64 rotated: what the kernels take."""

INDEX_HEAD: Final = 128
"""Elements of an indexer's key: one scale each (``deepseek_v2.py: Indexer.quant_block_size``)."""

SELECTED: Final = frozenset({512, 1024, 2048})
"""Numbers of selected tokens (``index_topk``) of published checkpoints, which the kernels take."""

INDEX_KEY_BYTES: Final = INDEX_HEAD + 4
"""Bytes of an indexer's key: FP8 and a float32 scale."""

MAJORS: Final = (9, 10)
"""Generations with kernels since 0.11: Hopper and data-centre Blackwell."""
_BLACKWELL: Final = 10
CONSUMER_MAJOR: Final = 12
"""Consumer Blackwell has a kernel from 0.24 on (``FLASHINFER_MLA_SPARSE_SM120``) that depends on FlashInfer's build."""

_PACKED_BYTES: Final = 656
"""Bytes of a vector in ``fp8_ds_mla``: 512 in FP8, four float32 scales, 64 rotated elements in 16 bit."""

_FORMAT_BY_KERNEL_SINCE: Final = EngineVersion(0, 19)
"""First release in which the kernel decides about the format of an FP8 cache; before, the model's class."""

_FP8_OF_GLM_SINCE: Final = EngineVersion(0, 32)
"""First release that takes an FP8 cache for GLM-5 on data-centre Blackwell where nothing is asked for."""

_SHARED_SELECTION_SINCE: Final = EngineVersion(0, 24)
"""First release that builds no indexer in layers that reuse another layer's selection (``deepseek_v2.py``)."""

_LARGE_WORKSPACE_SINCE: Final = EngineVersion(0, 13)
_LOGITS_RESERVED_SINCE: Final = EngineVersion(0, 20)
_LOGITS_BYTES: Final = 512 * 2**20
"""``VLLM_SPARSE_INDEXER_MAX_LOGITS_MB``, allocated for a moment in the profiling run."""


def latent_token_bytes(
    kv_cache_dtype: str, version: EngineVersion, capability: tuple[int, int] | None, *, fp8_on_blackwell: bool
) -> int:
    """Bytes of one token's latent vector in a sparse layer.

    Args:
        kv_cache_dtype: as requested; ``auto`` where nothing is.
        capability: of the GPU; the larger of the formats where it is not known.
        fp8_on_blackwell: the class takes FP8 there where nothing is asked for (``GlmMoeDsaForCausalLM``).

    Raises:
        UnknownFact: no kernel of that generation is known to take the format.
    """
    major = capability[0] if capability is not None else None
    if kv_cache_dtype == "auto" and fp8_on_blackwell and major == _BLACKWELL and version >= _FP8_OF_GLM_SINCE:
        return LATENT_SIZE
    if kv_cache_dtype in ("auto", "bfloat16"):
        return 2 * LATENT_SIZE
    if kv_cache_dtype == "fp8" or (kv_cache_dtype == "fp8_e4m3" and major == _BLACKWELL):
        if version < _FORMAT_BY_KERNEL_SINCE:
            raise UnknownFact(
                f"kv-cache-dtype: how vLLM {version} stores {kv_cache_dtype} for sparse attention is not known",
                field="kv-cache-dtype",
                hint="leave it at auto, or plan for vLLM 0.19 or later",
            )
        return LATENT_SIZE if major == _BLACKWELL else _PACKED_BYTES
    raise UnknownFact(
        f"kv-cache-dtype: whether a kernel for sparse attention takes {kv_cache_dtype} on this GPU is not known",
        field="kv-cache-dtype",
        hint="use auto or fp8",
    )


def require_known_kernel(capability: tuple[int, int] | None) -> None:
    """Raise where it is not known whether the generation has a kernel.

    Raises:
        UnknownFact: consumer Blackwell, or vLLM's CPU backend.
    """
    if capability == CPU_CAPABILITY:
        raise UnknownFact("gpu: sparse attention on vLLM's CPU backend is not known", field="gpu")
    if capability is not None and capability[0] not in MAJORS:
        raise UnknownFact(
            f"gpu: whether vLLM has a kernel for sparse attention on compute capability "
            f"{capability[0]}.{capability[1]} depends on its build of FlashInfer",
            field="gpu",
            hint="use a GPU of compute capability 9.0 or 10.0, or ask vLLM itself (vlmctl dry-run)",
        )


_BLOCK_OF_ALL_BACKENDS_SINCE: Final = EngineVersion(0, 31)
"""First release that takes a block size which every layer's backend accepts; before, the first layer's own."""


def require_own_block_size(version: EngineVersion, block_size: int) -> None:
    """Raise where the release would take the first layer's block size, which the index does not take (MiniMax M3).

    Raises:
        UnknownFact: before 0.31.
    """
    if version < _BLOCK_OF_ALL_BACKENDS_SINCE:
        raise UnknownFact(
            f"block-size: vLLM {version} takes the first layer's size, and sparse layers need {block_size} tokens",
            field="block-size",
            hint=f"set --block-size {block_size}, or plan for vLLM 0.31 or later",
        )


def require_block_size(block_size: int | None, own: int = BLOCK_SIZE) -> None:
    """Raise where the size asked for is not the kernels' own.

    Raises:
        InputError: not a multiple of it.
        UnknownFact: a larger multiple: not every release divides blocks.
    """
    if block_size is None or block_size == own:
        return
    message = f"block-size: {block_size} where the kernels of sparse attention read blocks of {own} tokens"
    hint = f"leave it unset, or use {own}"
    if block_size % own:
        raise InputError(message, field="block-size", hint=hint)
    raise UnknownFact(f"{message} is not known", field="block-size", hint=hint)


def require_shared_selection(version: EngineVersion) -> None:
    """Raise where the release is not known to share selections between layers.

    Raises:
        UnknownFact: before 0.24.
    """
    if version < _SHARED_SELECTION_SINCE:
        raise UnknownFact(
            f"index_topk_freq: what layers that share their selected tokens cache in vLLM {version} is not known",
            field="index_topk_freq",
            hint="plan for vLLM 0.24 or later",
        )


def workspace_bytes(version: EngineVersion, max_model_len: int) -> int:
    """Bytes in which prefill gathers the indexer's keys, kept once they were asked for.

    ``indexer.py: get_max_prefill_buffer_size``: 40 keys for each token of the context, 2 before 0.13.
    """
    return (40 if version >= _LARGE_WORKSPACE_SINCE else 2) * max_model_len * INDEX_KEY_BYTES


def unpacked_bytes(max_model_len: int, capability: tuple[int, int] | None) -> int:
    """Bytes in which prefill takes vectors out of FP8: 5 contexts in 16 bit; nothing on data-centre Blackwell.

    ``flashmla_sparse.py: get_prefill_workspace_size``.
    """
    if capability is not None and capability[0] == _BLACKWELL:
        return 0
    return 5 * max_model_len * 2 * LATENT_SIZE


def logits_bytes(version: EngineVersion) -> int:
    """Bytes that the profiling run reserves for the indexer's scores."""
    return _LOGITS_BYTES if version >= _LOGITS_RESERVED_SINCE else 0


def selection_bytes(selected: int, max_num_batched_tokens: int) -> int:
    """Bytes of the buffer of selected tokens, which all layers share and which stays (``topk_indices_buffer``)."""
    return 4 * selected * max_num_batched_tokens
