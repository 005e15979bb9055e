"""The moments of vLLM's profiling run, each with its peak above the loaded weights."""

from __future__ import annotations

import gc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from .caching_allocator import CachingAllocator
    from .device import SimulatedDevice
    from .engine import Engine

_ENCODERS = ("embed_multimodal", "get_multimodal_embeddings")
"""The vision encoder's entry; the first one that the model has (0.12 and later, before)."""

_LARGEST = 8


@dataclass
class Moment:
    """One moment.

    Attributes:
        peak_bytes, end_bytes: most and last bytes in use, above the weights.
        largest: what takes most of the peak: source line and tensor, bytes.
    """

    name: str
    peak_bytes: int
    end_bytes: int
    largest: list[tuple[str, int]]


@dataclass
class Profile:
    """A profiling run.

    Attributes:
        peak_bytes: peak of the whole run above the weights.
        kept_bytes: what stays allocated after it.
        kept_reserved_bytes: segments that stay after the cache is emptied, above those of the weights.
    """

    moments: list[Moment] = field(default_factory=list)
    peak_bytes: int = 0
    kept_bytes: int = 0
    kept_reserved_bytes: int = 0

    def highest(self, name: str) -> int | None:
        """The highest peak of the moments of that name, None where there was none."""
        peaks = [moment.peak_bytes for moment in self.moments if moment.name == name]
        return max(peaks) if peaks else None


def gemm_workspace_bytes(capability: tuple[int, int]) -> int:
    """cuBLAS' workspace, taken from torch's allocator at the first matrix product.

    Source: torch ``aten/src/ATen/cuda/CublasHandlePool.cpp``, ``parseChosenWorkspaceSize``.
    """
    return 32 << 20 if capability[0] >= 9 else (4096 * 2 + 16 * 8) << 10


def profile(engine: Engine, device: SimulatedDevice) -> Profile:
    """Run ``profile_run`` and watch the allocator.

    Raises:
        Exception: what vLLM or the simulation raises; nothing of a run that did not end is reported.
    """
    allocator, runner = device.allocator, engine.runner
    gc.collect()
    allocator.empty_cache()
    allocator.reset_peak()
    allocator.relabel("")
    base, reserved = allocator.allocated, allocator.reserved
    found = Profile()
    for owner, method, name in _watched(runner):
        setattr(owner, method, _recorded(getattr(owner, method), name, allocator, base, found))
    with torch.inference_mode():
        runner.profile_run()
    gc.collect()
    found.peak_bytes, found.kept_bytes = allocator.peak - base, allocator.allocated - base
    allocator.empty_cache()
    found.kept_reserved_bytes = allocator.reserved - reserved
    return found


def _watched(runner: Any) -> list[tuple[Any, str, str]]:
    """(object, method, moment) of what is watched."""
    model = runner.model
    encoder = next((name for name in _ENCODERS if hasattr(model, name)), None)
    watched = [(model, encoder, "encoder")] if encoder is not None else []
    methods = {"_dummy_run": "text", "_dummy_sampler_run": "sampler", "_dummy_pooler_run": "pooler"}
    return watched + [(runner, method, name) for method, name in methods.items() if hasattr(runner, method)]


def _recorded(
    method: Callable[..., Any], name: str, allocator: CachingAllocator, base: int, found: Profile
) -> Callable[..., Any]:
    def watched(*args: Any, **kwargs: Any) -> Any:
        outer = allocator.peak, allocator.at_peak
        allocator.peak, allocator.at_peak = allocator.allocated, []
        result = method(*args, **kwargs)
        found.moments.append(
            Moment(name, allocator.peak - base, allocator.allocated - base, _sum_by_label(allocator.at_peak))
        )
        if outer[0] >= allocator.peak:
            allocator.peak, allocator.at_peak = outer
        return result

    return watched


def _sum_by_label(blocks: list[tuple[int, str]]) -> list[tuple[str, int]]:
    sums: dict[str, int] = {}
    for size, label in blocks:
        if label:
            sums[label] = sums.get(label, 0) + size
    return sorted(sums.items(), key=lambda each: -each[1])[:_LARGEST]
