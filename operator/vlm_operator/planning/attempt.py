"""One number of GPUs: the wanted flags, what has to give way, and the evaluation that comes of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

from vlm_operator.capacity.startup import startup_budget
from vlm_operator.capacity.startup.first_check import free_at_start_bytes
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.errors import UnknownFact
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.evaluation import Evaluation, at_utilization, evaluate
from vlm_operator.planning.evidence import NOTHING, Evidence, experience
from vlm_operator.planning.intent import Goal, Intent
from vlm_operator.planning.item_rejection import rejected_item
from vlm_operator.planning.ladder import Bounds, Choice, apply_choice, cheapest, levers
from vlm_operator.planning.lever import Lever
from vlm_operator.planning.limits import choose_limits
from vlm_operator.planning.plan import Move
from vlm_operator.planning.resolution import resolved
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.planning.workload import WantedContext, round_context, wanted_context

HIGHEST_UTILIZATION: Final = 0.95
"""Never chosen above this: kernels and warm-up take memory that no term of the budget holds (llm-d issue 787)."""

SINGLE_USER_SEQUENCES: Final = 4
"""``max_num_seqs`` for one person: a request, its retry, and a tool's call or two."""

THROUGHPUT_CONCURRENCY: Final = 4
"""Without a described workload a context is grown only while this many requests of that length are held at once."""

ITEM_FLAGS: Final = ("mm_processor_kwargs", "media_io_kwargs")
"""Flags that make described items smaller."""

FOLLOWING: Final = ("max_model_len", "max_num_batched_tokens")
"""Flags that follow the size of the described items."""


class Attempt:
    """The search for flags on ``tensor_parallel_size`` GPUs (times pipeline stages and replicas).

    Attributes:
        context: what the context should be.
        limit_sentences: why the limits are as they are.
        wanted: the flags before anything gave way, judged.
        chosen: the flags as chosen so far, judged.
        ceiling: highest utilisation that vLLM's first check lets pass, in hundredths.
    """

    def __init__(
        self, model: ModelFacts, gpu: GPUFacts, intent: Intent, tensor_parallel_size: int, evidence: Evidence = NOTHING
    ) -> None:
        self.model, self.gpu, self.intent, self.evidence = model, evidence.gpu(gpu), intent, evidence
        self.experience = (
            None
            if evidence is NOTHING
            else experience(
                evidence,
                lambda settings: resolved(settings, model, self.gpu, intent.version),
                lambda settings: startup_budget(model, self.gpu, settings, intent.version),
            )
        )
        settings = intent.settings.with_(tensor_parallel_size=tensor_parallel_size)
        self.limit_sentences: tuple[str, ...] = ()
        if "limit_mm_per_prompt" not in intent.pinned:
            limits, self.limit_sentences = choose_limits(model, intent.workload)
            if limits is not None:
                settings = settings.with_(limit_mm_per_prompt=limits)
        self.context = wanted_context(model, intent, settings)
        self._contexts = {(settings.mm_processor_kwargs, settings.media_io_kwargs): self.context}
        if settings.max_model_len is None or settings.max_num_seqs is None:
            settings = settings.with_(
                max_model_len=settings.max_model_len or self.context.wanted,
                max_num_seqs=settings.max_num_seqs or self._sequences(),
            )
        self.ceiling = self._ceiling(tensor_parallel_size)
        self.wanted = self.judge(settings)
        default = self.wanted.settings.gpu_memory_utilization or 0.0
        if not self.is_pinned("gpu_memory_utilization") and default > self.ceiling:
            self.wanted = self.judge_at(self.wanted, self.ceiling)
        self._usual_batch = self.wanted.settings.max_num_batched_tokens or 0
        if self.wanted.rejected is not None and not self.is_pinned("max_num_batched_tokens"):
            raised = self.wanted.rejected.batch_that_holds_it
            self.wanted = self.judge(self.wanted.requested.with_(max_num_batched_tokens=raised))
        self.chosen = self.wanted
        self.found: tuple[Lever, ...] = ()
        self.choice: Choice = ()

    def is_pinned(self, flag: str) -> bool:
        """True where the user set the flag."""
        return flag in self.intent.pinned

    def _sequences(self) -> int | None:
        workload = self.intent.workload
        wanted = workload.concurrent_requests if workload else None
        if self.intent.goal is Goal.SINGLE_USER:
            return max(wanted or 0, SINGLE_USER_SEQUENCES)
        return wanted

    def _ceiling(self, tensor_parallel_size: int) -> float:
        free = free_at_start_bytes(self.gpu, self.intent.version, tensor_parallel_size)
        free -= self.gpu.total_uncertainty_bytes + self.evidence.outside_bytes
        return min(HIGHEST_UTILIZATION, max(math.floor(100 * free / self.gpu.total_bytes) / 100, 0.01))

    def judge(self, requested: EngineSettings) -> Evaluation:
        """Evaluate flags on this GPU, for the described items."""
        return self._with_items(evaluate(self.model, self.gpu, requested, self.intent.version, self.experience))

    def judge_at(self, evaluation: Evaluation, utilization: float) -> Evaluation:
        """The same flags at another utilisation."""
        return self._with_items(
            at_utilization(
                evaluation,
                self.model,
                self.gpu,
                self.intent.version,
                utilization=utilization,
                experience=self.experience,
            )
        )

    def _with_items(self, found: Evaluation) -> Evaluation:
        """The evaluation, with the first described item that the server would refuse."""
        request = self.context.request
        if request is None or not request.largest_encoder_tokens:
            return found
        request = self.context_of(found.requested).request or request
        if request.largest_encoder_tokens <= (found.settings.max_num_batched_tokens or 0):
            return found
        rejected = rejected_item(self.model, request, found.settings, self.intent.version)
        if rejected is None:
            return found
        if found.verdict is Verdict.DOES_NOT_FIT:
            return replace(found, rejected=rejected)
        return replace(found, verdict=Verdict.DOES_NOT_FIT, reason=Reason.ITEM_REJECTED, rejected=rejected)

    def context_of(self, settings: EngineSettings) -> WantedContext:
        """What the context should be for flags whose caps may make the described items smaller."""
        if self.intent.workload is None:
            return self.context
        key = (settings.mm_processor_kwargs, settings.media_io_kwargs)
        known = self._contexts.get(key)
        if known is None:
            known = self._contexts[key] = wanted_context(self.model, self.intent, settings)
        return known

    def refit(self, settings: EngineSettings) -> EngineSettings:
        """``settings`` with context and batch as short as the items need under their caps; pins stay."""
        context = self.context_of(settings)
        if not self.is_pinned("max_model_len"):
            settings = settings.with_(max_model_len=min(settings.max_model_len or context.wanted, context.wanted))
        given, usual = settings.max_num_batched_tokens, self._usual_batch
        if self.is_pinned("max_num_batched_tokens") or context.request is None or (given is not None and given < usual):
            return settings
        settings = settings.with_(max_num_batched_tokens=usual)
        rejected = rejected_item(self.model, context.request, settings, self.intent.version)
        return settings if rejected is None else settings.with_(max_num_batched_tokens=rejected.batch_that_holds_it)

    def fits(self, requested: EngineSettings) -> bool:
        """True where these flags fit for certain."""
        try:
            return self.judge(requested).verdict is Verdict.FITS
        except UnknownFact:
            return False

    def fits_as_wanted(self) -> bool:
        """True where nothing has to be given up but memory that others could use."""
        if self.wanted.verdict is Verdict.FITS:
            return True
        if self.is_pinned("gpu_memory_utilization") or self.intent.is_prediction:
            return False
        if self.judge_at(self.wanted, self.ceiling).verdict is not Verdict.FITS:
            return False
        self.chosen = self.at_lowest_utilization(self.wanted)
        return True

    def levers(self) -> tuple[Lever, ...]:
        """What the user left free to change."""
        return self.levers_from(self.wanted, self.intent.pinned)

    def levers_from(self, start: Evaluation, pinned: frozenset[str]) -> tuple[Lever, ...]:
        """What could be changed of ``start`` if only ``pinned`` were fixed."""
        return levers(
            self.model,
            self.gpu,
            self.intent,
            start.settings,
            Bounds(
                self.ceiling,
                lambda settings: self.context_of(settings).least,
                self.refit,
                self.context_of(start.settings).request,
            ),
            pinned=pinned,
        )

    def pull(self, *, mild: bool) -> bool:
        """Choose the cheapest combination of levers that fits; False where there is none."""
        found = self.levers()
        if mild:
            found = tuple(part for part in (lever.mild_part() for lever in found) if part.levels)
        base = self.wanted.requested
        choice = cheapest(found, lambda levels: self.fits(apply_choice(base, found, levels)))
        if choice is None:
            return False
        self.found, self.choice = found, choice
        self.chosen = self.judge(apply_choice(base, found, choice))
        self.context = self.context_of(self.chosen.requested)
        return True

    def at_lowest_utilization(self, evaluation: Evaluation) -> Evaluation:
        """The same flags at the lowest utilisation, in hundredths, whose low bound holds the cup."""
        highest = self.judge_at(evaluation, self.ceiling)
        if highest.verdict is not Verdict.FITS:
            return evaluation
        needed = highest.budget.requested_bytes - highest.headroom_bytes
        lowest = max(math.ceil(100 * needed / highest.budget.total_bytes), 1)
        for hundredths in range(lowest, round(100 * self.ceiling)):
            lower = self.judge_at(evaluation, hundredths / 100)
            if lower.verdict is Verdict.FITS:
                return lower
        return highest

    def settle(self) -> Evaluation:
        """The final flags: utilisation as the goal asks, and the context grown where that costs nothing."""
        if self.chosen.verdict is Verdict.FITS and not self.intent.is_prediction:
            if self.intent.goal is Goal.SINGLE_USER and not self.is_pinned("gpu_memory_utilization"):
                self.chosen = self.at_lowest_utilization(self.chosen)
            if not (self.is_pinned("max_model_len") or self._pulled("max_model_len") or self.evidence.failed):
                self.chosen = self._grown()
        return self.chosen

    def _pulled(self, flag: str) -> bool:
        return any(level and lever.flag == flag for lever, level in zip(self.found, self.choice, strict=True))

    def _grown(self) -> Evaluation:
        chosen, cap = self.chosen, self.context.cap
        length = chosen.settings.max_model_len or 0
        low, layout = chosen.budget.kv_cache_low_bytes, chosen.layout
        candidate = length
        if self.intent.goal is Goal.SINGLE_USER:
            longest = layout.longest_context(low, cap)
            candidate = longest if longest == cap else longest // 256 * 256
        elif self.intent.workload is None:
            following = round_context(length + 1)
            while following <= cap and layout.concurrency(low, following) >= THROUGHPUT_CONCURRENCY:
                candidate, following = following, round_context(following + 1)
        if candidate <= length:
            return chosen
        grown = self.judge(chosen.requested.with_(max_model_len=candidate))
        return grown if grown.verdict is Verdict.FITS else chosen

    def moves(self) -> Iterator[Move]:
        """Every lever considered, with what it gains on the wanted flags and its price; applied ones marked."""
        if self.wanted.verdict is Verdict.FITS or (self.chosen.verdict is Verdict.FITS and not any(self.choice)):
            return
        applied = [(lever, level) for lever, level in zip(self.found, self.choice, strict=True) if level]
        for lever in self.levers():
            level = next((level for other, level in applied if lever.same_as(other)), 0)
            shown = lever.levels[level - 1] if level else lever.levels[0]
            try:
                after = self.judge(shown.apply(self.wanted.requested))
            except UnknownFact:
                continue
            gain = after.headroom_bytes - self.wanted.headroom_bytes
            if gain > 0 or level:
                yield Move(self._changes(after.settings, lever.flag), gain, shown.cost, bool(level))

    def _changes(self, after: EngineSettings, flag: str) -> tuple[tuple[str, Any, Any], ...]:
        """What a lever on ``flag`` changes of the wanted flags; caps take context and batch with them."""
        before = self.wanted.settings
        names = (flag, *(name for name in FOLLOWING if name != flag and flag in ITEM_FLAGS))
        changes = tuple((name, getattr(before, name), getattr(after, name)) for name in names)
        return tuple(change for change in changes if change[0] == flag or change[1] != change[2])

    def cap_sentences(self) -> Iterator[str]:
        """What was chosen for the described items: the price of each cap, and of a raised batch."""
        for lever, level in zip(self.found, self.choice, strict=True):
            if level and lever.flag in ITEM_FLAGS:
                yield f"{lever.levels[level - 1].cost} (--{lever.flag.replace('_', '-')})"
        batch, request = self.chosen.settings.max_num_batched_tokens or 0, self.context.request
        if batch > self._usual_batch and request is not None:
            usual = self.chosen.settings.with_(max_num_batched_tokens=self._usual_batch)
            rejected = rejected_item(self.model, request, usual, self.intent.version)
            if rejected is not None:
                yield rejected.why_raised(batch)
