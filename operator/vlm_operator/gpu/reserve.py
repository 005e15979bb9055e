"""Memory of a GPU that is not for vLLM: a desktop, another process, another server."""

from __future__ import annotations

from vlm_operator.errors import InputError
from vlm_operator.gpu.facts import GPUFacts, context_bytes
from vlm_operator.units import format_gib


def with_reserve(gpu: GPUFacts, reserve_bytes: int) -> GPUFacts:
    """``gpu`` as vLLM finds it when others hold ``reserve_bytes`` of it: what they do not hold yet stays free for them.

    Beside the reserve lies vLLM's own CUDA context, which exists before vLLM looks at what is free. Where a desktop
    holds more than the reserve anyway, nothing changes.

    Raises:
        InputError: the reserve leaves nothing.
    """
    if reserve_bytes == 0:
        return gpu
    left = gpu.total_bytes - reserve_bytes - context_bytes(gpu.total_bytes)
    if left <= 0:
        raise InputError(
            f"reserve: {format_gib(reserve_bytes)} and a CUDA context leave nothing of the "
            f"{format_gib(gpu.total_bytes)} of {gpu.label}",
            field="reserve",
            hint="keep less, or use a GPU with more memory",
        )
    return gpu.with_(free_at_start_bytes=min(gpu.free_estimate_bytes, left))


def with_share(gpu: GPUFacts, share_bytes: int) -> GPUFacts:
    """``gpu`` for a server that may take ``share_bytes`` of it in all: the rest is others'.

    Raises:
        InputError: the share holds no more than a CUDA context.
    """
    return with_reserve(gpu, max(gpu.total_bytes - share_bytes, 0))


def held_by_others_bytes(gpu: GPUFacts) -> int:
    """What others hold of a GPU before the first server starts: a desktop, or the host on unified memory."""
    return max(gpu.total_bytes - gpu.free_estimate_bytes - context_bytes(gpu.total_bytes), 0)
