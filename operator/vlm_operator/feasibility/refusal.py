"""A reason other than memory for which vLLM would refuse a command, with figures, flag, remedy and source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from vlm_operator.engine.described import Described
from vlm_operator.engine.startup_reasons import StartupReason


class InfeasibleReason(Described):
    """Names of the checks, as they stand in ``reason`` of a plan and of the condition ``Planned``."""

    ARCHITECTURE_NOT_IN_RELEASE = StartupReason.ARCHITECTURE_UNSUPPORTED.as_("ArchitectureNotInRelease")
    KERNEL_UNSUPPORTED = StartupReason.KERNEL_UNSUPPORTED.entry
    COMPUTE_CAPABILITY_TOO_LOW = (
        "ComputeCapabilityTooLow",
        "The vLLM release, the quantisation or a flag needs a GPU of a newer generation.",
        "Use a newer GPU, an older release if the message names one, or another checkpoint.",
    )
    DTYPE_UNSUPPORTED = (
        "DtypeUnsupported",
        "The model, the GPU or the quantisation does not support the element type.",
        "Set --dtype to the type that the hint names, or use a newer GPU.",
    )
    TENSOR_PARALLEL_NOT_DIVISIBLE = StartupReason.TENSOR_PARALLEL_NOT_DIVISIBLE.entry
    VISION_HEADS_NOT_DIVISIBLE = (
        "VisionHeadsNotDivisible",
        "--tensor-parallel-size does not divide the attention heads of the vision encoder.",
        "Set --mm-encoder-tp-mode to data if the release has it, or use a number of GPUs that the hint names.",
    )
    MIG_SLICES_NOT_CONNECTED = (
        "MIGSlicesNotConnected",
        "The command divides the model over several MIG slices, which NCCL does not connect.",
        "Use one slice, a larger slice, or whole GPUs.",
    )
    FLAGS_CONTRADICT = (
        "FlagsContradict",
        "Two flags exclude each other for this model.",
        "Change the flag that the hint names.",
    )


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
