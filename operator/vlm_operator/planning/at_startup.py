"""Which start-up reasons a plan's reason predicts: the names are fixed by two contracts, the causes are the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vlm_operator.engine.startup_reasons import StartupReason
from vlm_operator.feasibility import InfeasibleReason
from vlm_operator.planning.verdict import Reason

AT_STARTUP: Final[Mapping[Reason | InfeasibleReason, tuple[StartupReason, ...]]] = {
    Reason.FITS: (),
    Reason.FITS_TIGHT: (StartupReason.KV_CACHE_TOO_SMALL,),
    Reason.KV_CACHE_TOO_SMALL: (StartupReason.KV_CACHE_TOO_SMALL,),
    Reason.NO_KV_CACHE_MEMORY: (StartupReason.NO_KV_CACHE_MEMORY,),
    Reason.OUT_OF_MEMORY: (StartupReason.OUT_OF_MEMORY,),
    Reason.FREE_MEMORY_TOO_LOW: (StartupReason.FREE_MEMORY_TOO_LOW,),
    Reason.FREE_MEMORY_UNCERTAIN: (StartupReason.FREE_MEMORY_TOO_LOW,),
    Reason.UNCOUNTED_FLAGS: (StartupReason.KV_CACHE_TOO_SMALL, StartupReason.OUT_OF_MEMORY),
    Reason.MODEL_DERIVED: (StartupReason.KV_CACHE_TOO_SMALL, StartupReason.OUT_OF_MEMORY),
    Reason.CONTEXT_ABOVE_MODEL: (StartupReason.CONTEXT_ABOVE_MODEL_MAXIMUM,),
    Reason.WORKLOAD_EXCEEDS_CONTEXT: (StartupReason.PROMPT_TOO_LONG,),
    Reason.ITEM_REJECTED: (StartupReason.ITEM_ABOVE_ENCODER_CACHE,),
    Reason.STATE_BLOCKS_TOO_FEW: (StartupReason.TOO_FEW_MAMBA_BLOCKS,),
    Reason.ALREADY_FAILED: (),
    Reason.LAYOUT_UNKNOWN: (),
    InfeasibleReason.ARCHITECTURE_NOT_IN_RELEASE: (StartupReason.ARCHITECTURE_UNSUPPORTED,),
    InfeasibleReason.KERNEL_UNSUPPORTED: (
        StartupReason.KERNEL_UNSUPPORTED,
        StartupReason.ATTENTION_BACKEND_UNSUPPORTED,
        StartupReason.QUANTIZATION_UNSUPPORTED_BY_GPU,
        StartupReason.QUANTIZATION_CONFIG_INVALID,
    ),
    InfeasibleReason.COMPUTE_CAPABILITY_TOO_LOW: (
        StartupReason.GPU_UNSUPPORTED_BY_IMAGE,
        StartupReason.QUANTIZATION_UNSUPPORTED_BY_GPU,
    ),
    InfeasibleReason.DTYPE_UNSUPPORTED: (
        StartupReason.DTYPE_UNSUPPORTED_BY_GPU,
        StartupReason.QUANTIZATION_DTYPE_UNSUPPORTED,
        StartupReason.CONFIGURATION_REJECTED,
    ),
    InfeasibleReason.TENSOR_PARALLEL_NOT_DIVISIBLE: (StartupReason.TENSOR_PARALLEL_NOT_DIVISIBLE,),
    InfeasibleReason.VISION_HEADS_NOT_DIVISIBLE: (StartupReason.TENSOR_PARALLEL_NOT_DIVISIBLE,),
    InfeasibleReason.MIG_SLICES_NOT_CONNECTED: (StartupReason.TOO_FEW_GPUS,),
    InfeasibleReason.FLAGS_CONTRADICT: (
        StartupReason.BATCHED_TOKENS_BELOW_CONTEXT,
        StartupReason.ITEM_ABOVE_BATCHED_TOKENS,
        StartupReason.CONFIGURATION_REJECTED,
    ),
}
"""What ``vlmctl diagnose`` would report where vLLM is started in spite of the plan's reason; empty where nothing."""
