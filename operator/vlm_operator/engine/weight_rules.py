"""Parameters a vLLM release builds and quantisations it loads: what changed, by version."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from vlm_operator.engine.version import EngineVersion

VOCABULARY_PADDING: Final = 64
"""Rows of an embedding are padded to a multiple of this (0.32: ``layers/vocab_parallel_embedding.py``,
``DEFAULT_VOCAB_PADDING_SIZE``)."""

_TOWERS_SKIPPED_SINCE: Final = EngineVersion(0, 15)
"""Since 0.15 every encoder is left out where the limits of its modalities are 0 (``models/interfaces.py``,
``_mark_tower_model``)."""

_MXFP8_TAG_SINCE: Final = EngineVersion(0, 24)
"""First release that reads a checkpoint whose ``quant_method`` is ``mxfp8``: before, the name was only that of
quantising while loading (``layers/quantization/__init__.py: get_quantization_config``; read in 0.23.0 and 0.24.0)."""
_WITHOUT_BITSANDBYTES_SINCE: Final = EngineVersion(0, 28)
"""0.28 removed ``quantization/bitsandbytes.py``."""


_SMALLER_TENSORRT_LLM_TILES_SINCE: Final = EngineVersion(0, 27)
"""From 0.27 TensorRT-LLM's intermediate sizes are rounded to 128 instead of 256 (0.26.0 and 0.27.1 read)."""
_TRITON_KERNELS_INCLUDED_SINCE: Final = EngineVersion(0, 12)
"""From 0.12 vLLM brings ``triton_kernels`` (``vllm/third_party``, vLLM #28788). Before, its image has them (gpt-oss on
an H100 with 0.11.0 takes their layout), an installation from a package index does not, and takes Marlin's."""
_HOPPER, _DATACENTER_BLACKWELL = 9, 10


class Tiles(NamedTuple):
    """Elements to which the sides of an MXFP4 expert are rounded up."""

    intermediate: int
    hidden: int


class Mxfp4Kernel(Enum):
    """Whose layout MXFP4 experts of gpt-oss are kept in (0.11 to 0.18: ``quantization/mxfp4.py``, from 0.19:
    ``fused_moe/oracle/mxfp4.py``, ``mxfp4_round_up_hidden_size_and_intermediate_size``)."""

    NONE = Tiles(1, 1)
    """As a checkpoint stores them."""
    MARLIN = Tiles(128, 256)
    """TensorRT-LLM's takes as much since 0.27."""
    TENSORRT_LLM = Tiles(256, 256)
    TRITON = Tiles(64, 1)


def mxfp4_kernel(version: EngineVersion, compute_capability: tuple[int, int] | None) -> Mxfp4Kernel:
    """The kernel that vLLM's own image takes by default on this GPU; Marlin's where no GPU is known.

    Triton's on Hopper, TensorRT-LLM's (FlashInfer) on data-centre Blackwell, Marlin's on everything else.
    """
    major = compute_capability[0] if compute_capability is not None else 0
    if major == _HOPPER:
        return Mxfp4Kernel.TRITON
    if major == _DATACENTER_BLACKWELL and version < _SMALLER_TENSORRT_LLM_TILES_SINCE:
        return Mxfp4Kernel.TENSORRT_LLM
    return Mxfp4Kernel.MARLIN


def mxfp4_kernel_elsewhere(version: EngineVersion, compute_capability: tuple[int, int] | None) -> Mxfp4Kernel | None:
    """The kernel that an image without ``triton_kernels`` takes, None where every image takes the same."""
    if compute_capability is not None and compute_capability[0] == _HOPPER and version < _TRITON_KERNELS_INCLUDED_SINCE:
        return Mxfp4Kernel.MARLIN
    return None


def skips_disabled_towers(version: EngineVersion, *, reads_limits_early: bool) -> bool:
    """Whether an encoder whose modalities all have the limit 0 is left out.

    Args:
        version: the release.
        reads_limits_early: the model's class asked ``get_limit_per_prompt`` itself in 0.11 to 0.14.
    """
    return version >= _TOWERS_SKIPPED_SINCE or reads_limits_early


def loads_quantization(version: EngineVersion, method: str) -> bool:
    """Whether the release loads checkpoints of this quantisation method."""
    if method == "mxfp8":
        return version >= _MXFP8_TAG_SINCE
    return method != "bitsandbytes" or version < _WITHOUT_BITSANDBYTES_SINCE


def first_minor_that_loads(method: str) -> int | None:
    """The first minor release of 0.x that loads the method; None where all known ones from the first on do."""
    return _MXFP8_TAG_SINCE.minor if method == "mxfp8" else None


def last_minor_that_loads(method: str) -> int | None:
    """The last minor release of 0.x that loads the method; None where the newest does, or none is known."""
    return _WITHOUT_BITSANDBYTES_SINCE.minor - 1 if method == "bitsandbytes" else None
