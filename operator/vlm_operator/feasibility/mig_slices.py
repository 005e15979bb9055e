"""Check: a server runs on one MIG slice, because CUDA shows a process one slice and NCCL connects none."""

from __future__ import annotations

from typing import Final

from vlm_operator.feasibility.command import Command
from vlm_operator.feasibility.refusal import Infeasible, InfeasibleReason

SOURCE: Final = (
    "NVIDIA MIG user guide, 'CUDA device enumeration' (a process enumerates one MIG device, no peer-to-peer between "
    "slices); config/parallel.py and v1/worker/gpu_worker.py: init_device (0.11.2 to 0.33.0)"
)


def mig_slices(command: Command) -> Infeasible | None:
    """Refuse tensor and pipeline parallelism over MIG slices."""
    settings, gpu = command.settings, command.gpu
    ranks = settings.tensor_parallel_size * settings.pipeline_parallel_size
    if gpu.mig_profile is None or ranks == 1:
        return None
    flag = "tensor_parallel_size" if settings.tensor_parallel_size > 1 else "pipeline_parallel_size"
    change = (("tensor_parallel_size", 1), ("pipeline_parallel_size", 1))
    return Infeasible(
        InfeasibleReason.MIG_SLICES_NOT_CONNECTED,
        f"{flag.replace('_', '-')}: {ranks} ranks need {ranks} GPUs that a process sees together, and of "
        f"{gpu.label} it sees one slice: NCCL does not connect slices",
        flag,
        "use one slice (--tensor-parallel-size 1), a larger slice, or whole GPUs",
        SOURCE,
        tuple(each for each in change if getattr(settings, each[0]) != each[1]),
    )
