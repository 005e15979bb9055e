"""Convert a diagnosed log to evidence for a plan; only printed figures become evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vlm_operator.diagnosis import Diagnosis
from vlm_operator.diagnosis.failure import FreeMemoryTooLow, KVCacheTooSmall, OutOfMemory
from vlm_operator.engine.kv_cache_rules import NULL_BLOCK_SINCE
from vlm_operator.engine.log_wordings.compile_cache import CompileCache
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.planning.evidence import Evidence, MeasuredContainer, MemoryShortage
from vlm_operator.units import MIB

LEAST_SHORTAGE_BYTES: Final = 256 * MIB
"""Assumed missing where an out-of-memory error prints no figures: one step of PyTorch's large allocations and more."""

SERVING: Final = "serving"
"""Stage of a failure after a clean start."""

AFTER_SIZING: Final = frozenset({"kv_alloc", "graph", "sampler", SERVING})
"""Stages after the KV cache was sized: less utilisation leaves them more."""


@dataclass(frozen=True, slots=True)
class MeasuredStartup:
    """Figures of one start-up that bear on memory, bytes per GPU; None where the log held none.

    Attributes:
        kv_cache_bytes: what vLLM found for KV cache; negative where nothing was left.
        missing_bytes: what an out-of-memory error lacked.
        outside_budget: whether that was after the KV cache was sized.
        in_service: whether that was after a clean start.
        serving_peak_bytes: what the process held then, and what it tried to allocate.
        compile_cache: whether torch.compile found its cache filled, None where the log did not say.
    """

    kv_cache_bytes: int | None = None
    kv_tokens: int | None = None
    weights_bytes: int | None = None
    activation_peak_bytes: int | None = None
    non_torch_bytes: int | None = None
    cuda_graph_bytes: int | None = None
    total_bytes: int | None = None
    free_bytes: int | None = None
    missing_bytes: int | None = None
    outside_budget: bool = False
    in_service: bool = False
    serving_peak_bytes: int | None = None
    compile_cache: CompileCache | None = None

    @property
    def serving_shortage_bytes(self) -> int | None:
        """What was missing in service, None where nothing was."""
        return self.missing_bytes if self.in_service else None


def measured_startup(diagnosis: Diagnosis, bytes_per_block: int, version: EngineVersion) -> MeasuredStartup:
    """The figures of a log.

    Args:
        bytes_per_block: one KV block of the model on one rank: the null block that newer messages leave out.
    """
    seen, failure = diagnosis.observation, diagnosis.failure
    kv = seen.bytes_of("kv")
    total, free = seen.bytes_of("total"), seen.bytes_of("free")
    missing, outside, serves, peak = None, False, False, None
    if isinstance(failure, KVCacheTooSmall) and kv is None and failure.available_bytes is not None:
        kv = failure.available_bytes + (bytes_per_block if version >= NULL_BLOCK_SINCE else 0)
    elif isinstance(failure, FreeMemoryTooLow):
        total, free = failure.total_bytes or total, failure.free_bytes if failure.free_bytes is not None else free
    elif isinstance(failure, OutOfMemory):
        lacked = (failure.tried_alloc_bytes or 0) - (failure.free_bytes or 0)
        missing = max(lacked, LEAST_SHORTAGE_BYTES)
        outside, serves = failure.stage in AFTER_SIZING, failure.stage == SERVING
        if serves and failure.process_in_use_bytes is not None:
            peak = failure.process_in_use_bytes + (failure.tried_alloc_bytes or 0)
        total = failure.total_bytes or total
    return MeasuredStartup(
        kv_cache_bytes=kv,
        kv_tokens=seen.kv_tokens,
        weights_bytes=seen.bytes_of("weights"),
        activation_peak_bytes=seen.bytes_of("activation"),
        non_torch_bytes=seen.bytes_of("non_torch"),
        cuda_graph_bytes=seen.bytes_of("graph"),
        total_bytes=total,
        free_bytes=free,
        missing_bytes=missing,
        outside_budget=outside,
        in_service=serves,
        serving_peak_bytes=peak,
        compile_cache="cold" if seen.compile_cache == "cold" else "warm" if seen.compile_cache == "warm" else None,
    )


def as_evidence(startup: MeasuredStartup, settings: EngineSettings, *, failed: bool, source: str) -> Evidence:
    """One start-up with ``settings`` (resolved) as evidence."""
    containers = (
        ()
        if startup.kv_cache_bytes is None
        else (MeasuredContainer(settings, startup.kv_cache_bytes, startup.compile_cache),)
    )
    shortages = (
        ()
        if startup.missing_bytes is None
        else (MemoryShortage(settings, startup.missing_bytes, startup.outside_budget, startup.in_service),)
    )
    return Evidence(
        containers=containers,
        shortages=shortages,
        total_bytes=startup.total_bytes,
        free_at_start_bytes=startup.free_bytes,
        failed=frozenset({settings}) if failed else frozenset(),
        sources=(source,),
    )


def together(parts: tuple[Evidence, ...]) -> Evidence:
    """All evidence at once: the newest total, the lowest free memory, everything else side by side."""
    totals = [part.total_bytes for part in parts if part.total_bytes is not None]
    frees = [part.free_at_start_bytes for part in parts if part.free_at_start_bytes is not None]
    return Evidence(
        containers=tuple(container for part in parts for container in part.containers),
        shortages=tuple(shortage for part in parts for shortage in part.shortages),
        total_bytes=totals[-1] if totals else None,
        free_at_start_bytes=min(frees) if frees else None,
        failed=frozenset(settings for part in parts for settings in part.failed),
        sources=tuple(source for part in parts for source in part.sources),
        simulated=tuple(start for part in parts for start in part.simulated),
    )
