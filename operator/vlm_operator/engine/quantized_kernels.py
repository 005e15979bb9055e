"""Shapes that vLLM's kernels for quantised weights accept, by release: tiles, and when padding lifted them."""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.version import EngineVersion

MARLIN_ROWS: Final = 64
"""Outputs on a rank are a multiple of this (``quantization/utils/marlin_utils.py: GPTQ_MARLIN_MIN_THREAD_N``)."""
MARLIN_COLUMNS: Final = 128
"""Inputs on a rank are a multiple of this (``GPTQ_MARLIN_MIN_THREAD_K``)."""
MARLIN_EXPERT_COLUMNS: Final = 64
"""Inputs of an expert's second matrix (``check_moe_marlin_supports_layer``)."""
MACHETE_COLUMNS: Final = 64
"""Machete on Hopper takes inputs in multiples of this (``machete_utils.py: check_machete_supports_shape``)."""
MACHETE_ROWS: Final = 128

SMALLEST_REFINED_BLOCK: Final = 32
"""``fused_moe/oracle/fp8.py: refine_fp8_moe_block_shape``."""

_MARLIN_PADS_SINCE: Final = EngineVersion(0, 24)
"""``marlin_utils.py: marlin_padded_nk``, read in 0.24.0; not in 0.23.0."""

_MERGED_BLOCKS_MAY_MISMATCH_SINCE: Final = EngineVersion(0, 14)
"""``layers/linear.py: MergedColumnParallelLinear._maybe_allow_fp8_block_shape_mismatch`` (0.14.1; not in 0.13.0)."""

_EXPERT_BLOCKS_REFINED_SINCE: Final = EngineVersion(0, 29)
"""``refine_fp8_moe_block_shape``, read in 0.29.0; not in 0.28.0. Triton's kernel alone takes smaller blocks."""

NATIVE_FP8: Final = (8, 9)
"""Below, FP8 weights run on Marlin's kernels, which take blocks of 128 only (``cutlass_fp8_supported``,
``TritonExperts._supports_quant_scheme``, ``MarlinExperts._supports_quant_scheme``)."""

NATIVE_FP4: Final = (10, 0)
"""Below, NVFP4 weights run on Marlin's kernels."""


def marlin_pads(version: EngineVersion) -> bool:
    """Whether Marlin pads shapes that are no multiple of its tiles; before, such a model does not start."""
    return version >= _MARLIN_PADS_SINCE


def merged_blocks_may_mismatch(version: EngineVersion) -> bool:
    """Whether merged projections (gate and up) may cut through a block of FP8 scales."""
    return version >= _MERGED_BLOCKS_MAY_MISMATCH_SINCE


def expert_blocks_are_refined(version: EngineVersion, capability: tuple[int, int] | None) -> bool:
    """Whether smaller blocks of scales are made for experts whose widths on a rank cut through one."""
    return version >= _EXPERT_BLOCKS_REFINED_SINCE and (capability is None or capability >= NATIVE_FP8)
