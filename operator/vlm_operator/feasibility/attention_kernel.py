"""Checks: an attention kernel of the release takes the model's heads and the cache's type on this GPU."""

from __future__ import annotations

from typing import Final

from vlm_operator.engine import attention_kernels as kernels
from vlm_operator.feasibility.command import Command
from vlm_operator.feasibility.element_type import as_served
from vlm_operator.feasibility.refusal import Infeasible, InfeasibleReason
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import AttentionCache, DType, LatentCache, ModelFacts

HEADS: Final = (
    "v1/attention/backends/triton_attn.py: the only backend for this head size on Turing needs more than its 64 KiB of "
    "shared memory (0.19.1 to 0.33.0)"
)
CACHE: Final = (
    "v1/attention/backends/triton_attn.py, mla/triton_mla.py: FP8 (fp8e4nv) needs compute capability 8.9; "
    "flashinfer.py: supports_head_size, supports_compute_capability (0.11.2 to 0.33.0)"
)

CACHE_SCALES: Final = (
    "model_executor/layers/attention/attention.py (attention/layer.py to 0.16): a checkpoint with a BaseKVCacheMethod "
    "(0.11.2 to 0.33.0)"
)


def attention_kernel(command: Command) -> Infeasible | None:
    """Refuse heads that are too wide for Turing, and an FP8 cache where only Triton's kernels are left."""
    capability = command.capability
    if capability is None:
        return None
    heads, latent = _heads(command.model)
    widest, dtype = max(heads, default=0), as_served(command.model, command.settings, command.gpu).dtype
    element = 4 if dtype is DType.FLOAT32 else 2
    if capability[0] == kernels.TURING_MAJOR and widest * element > kernels.WIDEST_HEAD_OF_TURING:
        return Infeasible(
            InfeasibleReason.KERNEL_UNSUPPORTED,
            f"attention heads of {widest} elements in {dtype} do not fit the shared memory of {command.gpu_words}",
            "",
            "use a GPU of compute capability 8.0 or newer",
            HEADS,
        )
    if command.settings.kv_cache_dtype not in kernels.E4M3 or capability >= kernels.NATIVE_FP8:
        return None
    if not latent and _flashinfer_serves(command, heads):
        return None
    return Infeasible(
        InfeasibleReason.KERNEL_UNSUPPORTED,
        f"kv-cache-dtype: {command.settings.kv_cache_dtype} needs compute capability 8.9 for this model's attention; "
        f"this is {command.gpu_words}",
        "kv_cache_dtype",
        "set --kv-cache-dtype auto, or use a GPU of compute capability 8.9 or newer",
        CACHE,
        (("kv_cache_dtype", "auto"),),
    )


def _flashinfer_serves(command: Command, heads: frozenset[int]) -> bool:
    prefix = command.model.traits.prefix_attention
    return kernels.flashinfer_takes(heads, command.version, command.capability, prefix=prefix)


@cached_by_identity()
def _heads(model: ModelFacts) -> tuple[frozenset[int], bool]:
    """(head sizes of layers that cache keys, whether some layers have latent attention)."""
    caches = [cache for run in model.cache_layers for cache in (run.cache, *run.also)]
    heads = frozenset(cache.head_size for cache in caches if isinstance(cache, AttentionCache))
    return heads, any(isinstance(cache, LatentCache) for cache in caches)


def cache_scales(command: Command) -> Infeasible | None:
    """Refuse an E5M2 cache of checkpoints whose quantisation brings scales for the cache, which are E4M3's."""
    quantization = command.model.quantization
    if command.settings.kv_cache_dtype != "fp8_e5m2" or quantization is None or command.quantized_at_load:
        return None
    if not kernels.excludes_e5m2(quantization.method, command.version):
        return None
    return Infeasible(
        InfeasibleReason.FLAGS_CONTRADICT,
        f"kv-cache-dtype: fp8_e5m2 is not supported with {quantization.method} checkpoints",
        "kv_cache_dtype",
        "set --kv-cache-dtype fp8 or auto",
        CACHE_SCALES,
        (("kv_cache_dtype", "auto"),),
    )
