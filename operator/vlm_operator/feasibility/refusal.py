"""A reason other than memory for which vLLM would refuse a command, with figures, flag, remedy and source."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class InfeasibleReason(StrEnum):
    """Names of the checks, as they stand in ``reason`` of a plan and of the condition ``Planned``."""

    ARCHITECTURE_NOT_IN_RELEASE = "ArchitectureNotInRelease"
    """The release's registry does not hold the model's class."""
    KERNEL_UNSUPPORTED = "KernelUnsupported"
    """No kernel of the release runs on this GPU with these dimensions."""
    COMPUTE_CAPABILITY_TOO_LOW = "ComputeCapabilityTooLow"
    """The quantisation or a flag needs a newer GPU."""
    DTYPE_UNSUPPORTED = "DtypeUnsupported"
    """The model or the GPU does not support the element type."""
    TENSOR_PARALLEL_NOT_DIVISIBLE = "TensorParallelNotDivisible"
    """Tensor parallelism does not divide heads, or cuts through a quantisation block."""
    VISION_HEADS_NOT_DIVISIBLE = "VisionHeadsNotDivisible"
    """Tensor parallelism does not divide the vision tower's heads."""
    FLAGS_CONTRADICT = "FlagsContradict"
    """Two flags exclude each other for this model."""


@dataclass(frozen=True, slots=True)
class Infeasible:
    """Why a command does not start, memory aside.

    Attributes:
        reason: the check.
        message: what is the case, with figures.
        flag: the setting in the way, vLLM's name with underscores; empty where it is the model, GPU or release.
        remedy: the next step, in words.
        source: file and function in vLLM, and the releases where they were read.
        change: settings with which this check passes; empty where none is known.
    """

    reason: InfeasibleReason
    message: str
    flag: str
    remedy: str
    source: str
    change: tuple[tuple[str, Any], ...] = ()
