"""Corrections that replace estimated figures with those measured at real start-ups.

Only what a log printed counts. A measured KV cache corrects the estimate for the same flags to within a rounding, and
for other flags of the same model on the same GPU by the same difference, with half the original margin left. An
out-of-memory error bounds the peak that may be tried again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from vlm_operator.capacity.startup import Budget
from vlm_operator.engine.flag import Memory
from vlm_operator.engine.flags import DEFAULTS
from vlm_operator.engine.log_wordings.compile_cache import CompileCache
from vlm_operator.engine.settings import FLAGS, EngineSettings
from vlm_operator.gpu.facts import GPUFacts, Platform
from vlm_operator.gpu.platform import on_platform, seems_without_reserve
from vlm_operator.units import MIB

ROUNDING_BYTES: Final = 16 * MIB
"""Logs print GiB with two decimals, and a second start of the same command differs by a few MiB."""


@dataclass(frozen=True, slots=True)
class MeasuredContainer:
    """The KV cache that a start-up with ``settings`` really found, bytes per GPU.

    Attributes:
        compile_cache: whether torch.compile found its cache filled: ``cold``, ``warm``, None where the log did not say.
    """

    settings: EngineSettings
    kv_cache_bytes: int
    compile_cache: CompileCache | None = None

    def differs_by(self, predicted: Budget) -> int:
        """Measured less predicted, bytes, for the same state of the compile cache.

        Where the state is not known it is taken for filled: a start-up that was cold then makes plans careful, and one
        that was warm never makes a first start seem to have more.
        """
        expected = predicted.kv_cache_bytes if self.compile_cache == "cold" else predicted.kv_cache_warm_bytes
        return self.kv_cache_bytes - expected


@dataclass(frozen=True, slots=True)
class MemoryShortage:
    """An out-of-memory error during the start-up with ``settings``.

    Attributes:
        missing_bytes: what was tried to allocate less what was free; at least 1.
        outside_budget: True where it came after the KV cache was sized (graph capture, warm-up): less utilisation
            helps. False while weights were loaded or memory was profiled: only a smaller peak helps.
        in_service: True where it came after a clean start, while requests were served.
    """

    settings: EngineSettings
    missing_bytes: int
    outside_budget: bool
    in_service: bool = False


@dataclass(frozen=True, slots=True)
class SimulatedStart:
    """What vLLM itself took in a dry run with ``settings``, bytes per GPU.

    Attributes:
        peak_bytes: of the profiling run above the weights, small buffers included.
    """

    settings: EngineSettings
    weights_bytes: int
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything measured that bears on a plan for one model, GPU product and vLLM release.

    Attributes:
        containers: measured KV caches, oldest first.
        shortages: out-of-memory errors.
        total_bytes: CUDA's total as printed, None where no log said.
        free_at_start_bytes: lowest free memory at start that a log printed.
        failed: flags whose start-up failed: never chosen again.
        sources: where the figures come from, in words, for the explanation.
        simulated: dry runs; a measured start-up of the same flags says more.
    """

    containers: tuple[MeasuredContainer, ...] = ()
    shortages: tuple[MemoryShortage, ...] = ()
    total_bytes: int | None = None
    free_at_start_bytes: int | None = None
    failed: frozenset[EngineSettings] = field(default_factory=frozenset)
    sources: tuple[str, ...] = ()
    simulated: tuple[SimulatedStart, ...] = ()

    def gpu(self, gpu: GPUFacts) -> GPUFacts:
        """``gpu`` with measured memory in the place of the catalogue's."""
        if self.total_bytes is not None:
            if seems_without_reserve(gpu, self.total_bytes):
                gpu = on_platform(gpu, Platform.WSL2)
            gpu = replace(gpu, total_bytes=self.total_bytes, total_uncertainty_bytes=0)
        if self.free_at_start_bytes is not None:
            gpu = replace(gpu, free_at_start_bytes=self.free_at_start_bytes)
        return gpu

    @property
    def outside_bytes(self) -> int:
        """Bytes that a start-up lacked after the KV cache was sized: kept free below the ceiling of utilisation."""
        return max(
            (each.missing_bytes for each in self.shortages if each.outside_budget and not each.in_service), default=0
        )

    def serving_ceiling(self, total_bytes: int) -> float | None:
        """The highest utilisation, in hundredths, that leaves what was missing in service outside it; None for none.

        All that a server leaves outside its budget was in use when an allocation failed. So the budget must be smaller
        by what was missing, and by a hundredth of the GPU at least.
        """
        found = [
            min(math.floor(100 * (share - each.missing_bytes / total_bytes) + 1e-9), round(100 * share) - 1) / 100
            for each in self.shortages
            if each.in_service and (share := each.settings.gpu_memory_utilization) is not None
        ]
        return max(min(found), 0.01) if found else None


NOTHING: Final = Evidence()
"""No start-up was measured."""


def memory_flags(settings: EngineSettings) -> EngineSettings:
    """``settings`` without what changes only the size of the request, not what is taken from it."""
    return settings.with_(**_NOT_TAKEN)


_NOT_TAKEN: Final = {name: DEFAULTS[name] for name, flag in FLAGS.items() if flag.memory is not Memory.TAKEN}


def corrected(budget: Budget, settings: EngineSettings, measured: Sequence[tuple[EngineSettings, int]]) -> Budget:
    """``budget`` moved by what measured containers differ from their own prediction.

    Measured figures that contradict each other are all kept: the best estimate lies in their middle, the bounds reach
    to the farthest.

    Args:
        settings: the flags that ``budget`` is for, resolved.
        measured: (flags, measured minus predicted KV cache in bytes) of each measured start-up.
    """
    if not measured:
        return budget
    flags = memory_flags(settings)
    same = [error for others, error in measured if memory_flags(others) == flags]
    errors = same or [error for _, error in measured]
    low_error, high_error = min(errors), max(errors)
    below, above = budget.kv_cache_bytes - budget.kv_cache_low_bytes, budget.kv_cache_high_bytes - budget.kv_cache_bytes
    above -= budget.compile_bytes
    if same:
        below = above = ROUNDING_BYTES
    else:
        below, above = below // 2, above // 2
    return replace(
        budget,
        kv_cache_bytes=budget.kv_cache_bytes + (low_error + high_error) // 2,
        kv_cache_low_bytes=budget.kv_cache_bytes + low_error - below,
        kv_cache_high_bytes=budget.kv_cache_warm_bytes + high_error + above,
        regime=None,
    )


@dataclass(frozen=True, slots=True)
class Experience:
    """Evidence made ready for one model on one GPU: errors of the predictions, and peaks that may not be reached again.

    Attributes:
        measured: (flags, measured minus predicted KV cache in bytes).
        peak_bounds: (flags, bytes): weights and peak of those flags ran out of memory; they must be lower by as much
            as was missing, which the figure already counts.
        failed: flags that failed and are not tried again.
        simulated: what dry runs took, by the flags that move memory.
    """

    measured: tuple[tuple[EngineSettings, int], ...] = ()
    peak_bounds: tuple[int, ...] = ()
    failed: frozenset[EngineSettings] = field(default_factory=frozenset)
    simulated: tuple[tuple[EngineSettings, SimulatedStart], ...] = ()

    def adjust(self, budget: Budget, settings: EngineSettings) -> Budget:
        """The budget with measured figures in it; simulated ones for the very flags that were simulated."""
        if not self.measured:
            flags = memory_flags(settings)
            same = next((start for others, start in self.simulated if memory_flags(others) == flags), None)
            if same is not None and settings.kv_cache_memory_bytes is None:
                return with_simulated(budget, same)
        return corrected(budget, settings, self.measured)

    def peak_too_high(self, budget: Budget) -> bool:
        """True where weights and peak reach what has run out of memory before."""
        needed = budget.weights_bytes + budget.activation_peak_bytes
        return any(needed > bound for bound in self.peak_bounds)

    def rules_out(self, budget: Budget, least_bytes: int) -> bool:
        """True where no reading of what was measured leaves ``least_bytes`` of KV cache (``budget`` as estimated)."""
        if not self.measured and self.simulated:
            return self.peak_too_high(budget)  # some flags are known better than they are estimated
        if not self.measured:
            most = budget.kv_cache_low_bytes
        else:
            most = budget.kv_cache_bytes + max(error for _, error in self.measured)
        return most < least_bytes or self.peak_too_high(budget)


def with_simulated(budget: Budget, start: SimulatedStart) -> Budget:
    """``budget`` with weights and peak as vLLM itself took them; the bounds keep their width."""
    freed = budget.weights_bytes + budget.activation_peak_bytes - start.weights_bytes - start.peak_bytes
    return replace(
        budget,
        weights_bytes=start.weights_bytes,
        activation_peak_bytes=start.peak_bytes,
        kv_cache_bytes=budget.kv_cache_bytes + freed,
        kv_cache_low_bytes=budget.kv_cache_low_bytes + freed,
        kv_cache_high_bytes=budget.kv_cache_high_bytes + freed,
    )


def experience(
    evidence: Evidence,
    resolve: Callable[[EngineSettings], EngineSettings],
    predict: Callable[[EngineSettings], Budget],
) -> Experience:
    """Evidence compared with what ``predict`` says of the same flags, after ``resolve`` has filled in the defaults."""
    measured: list[tuple[EngineSettings, int]] = []
    for container in evidence.containers:
        settings = resolve(container.settings)
        measured.append((settings, container.differs_by(predict(settings))))
    bounds: list[int] = []
    for shortage in evidence.shortages:
        if not shortage.outside_budget:
            budget = predict(resolve(shortage.settings))
            bounds.append(budget.weights_bytes + budget.activation_peak_bytes - shortage.missing_bytes)
    failed = frozenset(resolve(settings) for settings in evidence.failed)
    simulated = tuple((resolve(start.settings), start) for start in evidence.simulated)
    return Experience(tuple(measured), tuple(bounds), failed, simulated)
