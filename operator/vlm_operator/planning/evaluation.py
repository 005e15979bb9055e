"""Evaluate one set of flags for one model on one GPU: budget, cup and verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from vlm_operator.capacity.kv import KVLayout
from vlm_operator.capacity.startup import Budget
from vlm_operator.capacity.startup.stage import PipelineStage
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.feasibility import Infeasible, InfeasibleReason
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.candidate import Candidate, Rank, candidate
from vlm_operator.planning.evidence import Experience
from vlm_operator.planning.item_rejection import RejectedItem
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.units import format_gib


@dataclass(frozen=True, slots=True)
class Cup:
    """Bytes one request of the maximum length needs, per GPU."""

    max_model_len: int
    needed_bytes: int


@dataclass(frozen=True, slots=True)
class Container:
    """What the predicted KV cache holds, per GPU (best estimate).

    Attributes:
        max_model_len: longest context that passes vLLM's check, tokens.
        concurrency: requests of the maximum length held at once.
    """

    num_blocks: int
    capacity_tokens: int
    max_model_len: int
    concurrency: float


@dataclass(frozen=True, slots=True)
class StageBudget:
    """One GPU of a pipeline stage: its budget, and what it must hold.

    Attributes:
        least_bytes: as of ``Evaluation``.
    """

    stage: PipelineStage
    budget: Budget
    layout: KVLayout
    least_bytes: int

    @property
    def headroom_bytes(self) -> int:
        """Low bound of the KV cache less what the cup takes."""
        return self.budget.kv_cache_low_bytes - self.least_bytes

    @property
    def num_blocks(self) -> int:
        """Blocks of the best estimate; every rank uses as many as the rank that has fewest."""
        return self.layout.num_blocks(max(self.budget.kv_cache_bytes, 0))

    def holds(self, model: ModelFacts) -> tuple[str, ...]:
        """What the stage holds or runs beside its layers, in words."""
        parts = ["embedding"] if self.stage.is_first else []
        if model.encodes and self.budget.profiled_modality is not None:
            parts.append("encoder, profiled")
        elif model.encodes:
            parts.append("encoder, idle")
        if self.stage.is_last:
            parts += ["head", "sampler"]
        return tuple(parts)

    @property
    def name(self) -> str:
        """For people: which stage, with its layers."""
        return (
            f"stage {self.stage.index + 1} of {self.stage.stages} "
            f"(layers {self.stage.first_layer} to {self.stage.end_layer - 1})"
        )


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What would happen with ``requested``; sizes are per GPU, those of the tightest pipeline stage.

    Attributes:
        requested: the flags as given; None where vLLM is left to decide.
        settings: the same, resolved as vLLM would on that GPU.
        least_bytes: smallest KV cache with which vLLM starts: its capacity check passes (needed bytes and the null
            block), and a hybrid has a block of state for every sequence.
        rejected: an item of the workload that the server would refuse, None where there is none.
        infeasible: what vLLM would refuse of the flags for a reason other than memory.
        stages: every stage of a pipeline, the first first; empty where there is none.
        tightest: number of the stage that ``budget`` and ``layout`` are of.
        held_by: who holds memory of the GPU, in words; empty where nobody is known to.
    """

    requested: EngineSettings
    settings: EngineSettings
    budget: Budget
    layout: KVLayout
    least_bytes: int
    verdict: Verdict
    reason: Reason | InfeasibleReason
    rejected: RejectedItem | None = None
    infeasible: tuple[Infeasible, ...] = ()
    stages: tuple[StageBudget, ...] = ()
    tightest: int = 0
    held_by: str = ""

    @property
    def headroom_bytes(self) -> int:
        """Low bound of the KV cache less what the cup takes: negative where it does not fit for certain."""
        return self.budget.kv_cache_low_bytes - self.least_bytes

    @property
    def cup(self) -> Cup:
        """One request of the maximum length."""
        length = self.settings.context_tokens
        return Cup(length, self.layout.needed_bytes(length))

    def container(self, derived_max_model_len: int) -> Container:
        """What the best estimate holds; every stage uses as many blocks as the stage that has fewest."""
        held = [_container(self.layout, self.budget, self.settings, derived_max_model_len)]
        if self.stages:
            held = [_container(each.layout, each.budget, self.settings, derived_max_model_len) for each in self.stages]
        fewest = min(held, key=lambda each: each.num_blocks)
        return replace(fewest, max_model_len=min(each.max_model_len for each in held))

    def _wanted(self) -> str:
        """What takes ``least_bytes``: the context, or the states of a hybrid's sequences where they take more."""
        length = self.settings.context_tokens
        if self.least_bytes > self.layout.least_bytes_that_start(length):
            return f"{length:,} tokens and the recurrent states of {self.settings.sequences:,} sequences"
        return f"{length:,} tokens"

    def _pinned_cache(self, pinned: int) -> str:
        """What a KV cache of a pinned size needs beside it, and what is free."""
        return (
            f"weights ({format_gib(self.budget.weights_bytes)}), the start-up peak and a pinned KV cache of "
            f"{format_gib(pinned)} need {format_gib(self.budget.in_use_bytes(pinned))}, and about "
            f"{format_gib(self.budget.free_at_start_bytes)} is free at start"
        )

    def message(self) -> str:
        """The verdict in one sentence with its numbers."""
        if self.infeasible:
            return self.infeasible[0].message
        words = self._words()
        if self.stages and self.reason is not Reason.ITEM_REJECTED:
            words = f"{self.stages[self.tightest].name} is the tightest: {words}"
        if self.held_by and self.verdict is not Verdict.FITS and self.reason is not Reason.ITEM_REJECTED:
            words = f"{words}; {self.held_by}"
        return words

    def _words(self) -> str:
        if self.rejected is not None and self.reason is Reason.ITEM_REJECTED:
            return self.rejected.message()
        pinned = self.settings.kv_cache_memory_bytes
        if pinned is not None and self.reason in {Reason.OUT_OF_MEMORY, Reason.FREE_MEMORY_UNCERTAIN}:
            return self._pinned_cache(pinned)
        budget, length = self.budget, self.settings.context_tokens
        needed = format_gib(self.least_bytes)
        best, low = (format_gib(max(size, 0)) for size in (budget.kv_cache_bytes, budget.kv_cache_low_bytes))
        match self.reason:
            case Reason.FITS:
                return f"{self._wanted()} need {needed} of KV cache; vLLM will find about {best} (at least {low})"
            case Reason.FITS_TIGHT:
                return (
                    f"{self._wanted()} need {needed} of KV cache; vLLM will find about {best}, "
                    f"but only {low} is certain"
                )
            case Reason.FREE_MEMORY_UNCERTAIN:
                return (
                    f"{length:,} tokens need {needed} of KV cache and would find {best}, but utilisation "
                    f"{self.settings.gpu_memory_utilization} asks for {format_gib(budget.requested_bytes)} while about "
                    f"{format_gib(budget.free_at_start_bytes)} is free at start"
                )
            case Reason.STATE_BLOCKS_TOO_FEW:
                blocks = self.layout.num_blocks(max(budget.kv_cache_bytes, 0))
                return (
                    f"{self.settings.sequences:,} sequences need as many blocks of recurrent state "
                    f"({needed}), but vLLM will find only about {best}: {blocks:,} blocks"
                )
            case Reason.KV_CACHE_TOO_SMALL:
                return f"{length:,} tokens need {needed} of KV cache, but vLLM will find only about {best}"
            case Reason.FREE_MEMORY_TOO_LOW:
                return (
                    f"utilisation {self.settings.gpu_memory_utilization} asks for "
                    f"{format_gib(budget.requested_bytes)}, but only about {format_gib(budget.free_at_start_bytes)} "
                    "is free at start"
                )
            case Reason.ALREADY_FAILED:
                return f"the same flags failed before, although {needed} should fit the {best} expected"
            case _:
                fixed = budget.weights_bytes + budget.activation_peak_bytes + budget.non_torch_bytes
                needs = f"weights ({format_gib(budget.weights_bytes)}) and the start-up peak need {format_gib(fixed)}"
                if self.reason is Reason.OUT_OF_MEMORY:
                    return f"{needs}, more than the {format_gib(budget.free_at_start_bytes)} that is free at start"
                return f"{needs} of the {format_gib(budget.requested_bytes)} requested: nothing is left for KV cache"


def evaluate(
    model: ModelFacts,
    gpu: GPUFacts,
    requested: EngineSettings,
    version: EngineVersion,
    experience: Experience | None = None,
) -> Evaluation:
    """Judge one set of flags: physical failures first, then vLLM's capacity check.

    Raises:
        UnknownFact: weights, layout or a term of the budget is not known for certain.
    """
    found = candidate(model, gpu, requested, version)
    settings = found.at(requested.gpu_memory_utilization)
    judged = [_on_rank(found, rank, settings, experience) for rank in found.ranks]
    tightest = 0
    if len(judged) > 1:
        tightest = min(range(len(judged)), key=lambda index: (-_GRAVITY[judged[index].verdict], judged[index].headroom))
    worst, rank = judged[tightest], found.ranks[tightest]
    return Evaluation(
        requested,
        settings,
        worst.budget,
        rank.layout,
        rank.least_bytes,
        worst.verdict,
        worst.reason,
        stages=_stages(found, judged),
        tightest=tightest,
        held_by=gpu.held_by,
    )


_GRAVITY: Final = {Verdict.FITS: 0, Verdict.FITS_TIGHT: 1, Verdict.DOES_NOT_FIT: 2}


class _Judged(NamedTuple):
    """One rank's budget and what comes of it."""

    budget: Budget
    verdict: Verdict
    reason: Reason
    headroom: int


def _stages(found: Candidate, judged: list[_Judged]) -> tuple[StageBudget, ...]:
    if len(judged) == 1:
        return ()
    return tuple(
        StageBudget(rank.terms.stage, each.budget, rank.layout, rank.least_bytes)
        for rank, each in zip(found.ranks, judged, strict=True)
    )


def _container(layout: KVLayout, budget: Budget, settings: EngineSettings, derived_max_model_len: int) -> Container:
    kv_bytes, length = max(budget.kv_cache_bytes, 0), settings.context_tokens
    return Container(
        num_blocks=layout.num_blocks(kv_bytes),
        capacity_tokens=layout.capacity_tokens(kv_bytes, length),
        max_model_len=layout.longest_context(kv_bytes, derived_max_model_len),
        concurrency=round(layout.concurrency(kv_bytes, length), 2),
    )


def _on_rank(found: Candidate, rank: Rank, settings: EngineSettings, experience: Experience | None) -> _Judged:
    budget = found.budget(settings.gpu_memory_utilization, rank)
    if experience is not None:
        budget = experience.adjust(budget, settings)
    verdict, reason = _verdict(budget, rank.least_bytes, settings.kv_cache_memory_bytes)
    if reason is Reason.KV_CACHE_TOO_SMALL and rank.cup_bytes <= budget.kv_cache_bytes:
        reason = Reason.STATE_BLOCKS_TOO_FEW
    if experience is not None:
        if experience.peak_too_high(budget):
            verdict, reason = Verdict.DOES_NOT_FIT, Reason.OUT_OF_MEMORY
        elif settings in experience.failed and verdict is not Verdict.DOES_NOT_FIT:
            verdict, reason = Verdict.DOES_NOT_FIT, Reason.ALREADY_FAILED
    if budget.requested_bytes > budget.free_at_start_bytes and reason is not Reason.OUT_OF_MEMORY:
        if budget.requested_bytes > budget.free_at_start_high_bytes:
            verdict, reason = Verdict.DOES_NOT_FIT, Reason.FREE_MEMORY_TOO_LOW
        elif verdict is Verdict.FITS:
            verdict, reason = Verdict.FITS_TIGHT, Reason.FREE_MEMORY_UNCERTAIN
    return _Judged(budget, verdict, reason, budget.kv_cache_low_bytes - rank.least_bytes)


def _verdict(budget: Budget, least: int, pinned_kv: int | None) -> tuple[Verdict, Reason]:
    """Physical failures first, then vLLM's capacity check."""
    in_use = budget.in_use_bytes(pinned_kv)
    if in_use > budget.free_at_start_high_bytes:
        return Verdict.DOES_NOT_FIT, Reason.OUT_OF_MEMORY
    if pinned_kv is not None and in_use > budget.free_at_start_bytes and least <= budget.kv_cache_bytes:
        return Verdict.FITS_TIGHT, Reason.FREE_MEMORY_UNCERTAIN
    if budget.kv_cache_bytes <= 0:
        return Verdict.DOES_NOT_FIT, Reason.NO_KV_CACHE_MEMORY
    if least <= budget.kv_cache_low_bytes:
        return Verdict.FITS, Reason.FITS
    if least <= budget.kv_cache_bytes:
        return Verdict.FITS_TIGHT, Reason.FITS_TIGHT
    return Verdict.DOES_NOT_FIT, Reason.KV_CACHE_TOO_SMALL
