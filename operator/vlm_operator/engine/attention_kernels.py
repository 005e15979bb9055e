"""Heads and cache types that attention kernels take, by GPU generation and release."""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.version import EngineVersion

TURING_MAJOR: Final = 7
WIDEST_HEAD_OF_TURING: Final = 512
"""Bytes: 256 elements of float16. Heads of 512, or of 256 in float32, do not fit its 64 KiB of shared memory
(``v1/attention/backends/triton_attn.py``, the only backend for such heads; 0.19.1 to 0.33.0)."""

NATIVE_FP8: Final = (8, 9)
"""Triton's kernels take FP8 (``fp8e4nv``) from this compute capability on."""
E4M3: Final = frozenset({"fp8", "fp8_e4m3"})
"""Names of the cache type that needs it."""

_FLASHINFER_HEADS: Final = frozenset({64, 128, 256})
"""``v1/attention/backends/flashinfer.py: get_supported_head_sizes`` (0.11.2)."""
_FLASHINFER_512_SINCE: Final = EngineVersion(0, 22)
"""First release whose FlashInfer takes heads of 512 as well."""
_FLASHINFER_NOT_ON_TURING_SINCE: Final = EngineVersion(0, 24)
"""First release that keeps FlashInfer off Turing (``supports_compute_capability``)."""
_FLASHINFER_PREFIX_SINCE: Final = EngineVersion(0, 32)
"""First release whose FlashInfer serves models whose images attend both ways (``supports_mm_prefix``)."""

_WEIGHT_ONLY_KEEPS_E5M2_SINCE: Final = EngineVersion(0, 24)
"""First release in which checkpoints of compressed-tensors refuse ``fp8_e5m2`` only if they hold scales of the cache
(``layers/attention/attention.py: _init_kv_cache_quant``; read in 0.24.0, not in 0.23.0)."""
_SCALES_OF_CACHE: Final = frozenset({"fp8", "modelopt", "mxfp8", "quark"})
"""Methods whose ``get_quant_method`` gives every attention layer a ``BaseKVCacheMethod`` (0.11.2 to 0.33.0)."""


def flashinfer_takes(
    heads: frozenset[int], version: EngineVersion, capability: tuple[int, int] | None, *, prefix: bool
) -> bool:
    """Whether FlashInfer serves all of these head sizes.

    Args:
        prefix: True where items of the model attend both ways.
    """
    if capability is not None and capability[0] == TURING_MAJOR and version >= _FLASHINFER_NOT_ON_TURING_SINCE:
        return False
    if prefix and version < _FLASHINFER_PREFIX_SINCE:
        return False
    return heads <= _FLASHINFER_HEADS | ({512} if version >= _FLASHINFER_512_SINCE else frozenset())


def excludes_e5m2(method: str, version: EngineVersion) -> bool:
    """Whether a checkpoint of this quantisation refuses ``--kv-cache-dtype fp8_e5m2``."""
    if method == "compressed-tensors":
        return version < _WEIGHT_ONLY_KEEPS_E5M2_SINCE
    return method in _SCALES_OF_CACHE
