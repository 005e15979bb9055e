"""One number of GPUs: the wanted flags, what has to give way, and the evaluation that comes of it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Any, Final

from vlm_operator.capacity.startup.first_check import free_at_start_bytes, requested_bytes
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.planning.combination import Choice, apply_choice, cheapest
from vlm_operator.planning.evaluation import Evaluation
from vlm_operator.planning.intent import Goal
from vlm_operator.planning.item_levers import CAPPING
from vlm_operator.planning.item_rejection import rejected_item
from vlm_operator.planning.judge import Judge
from vlm_operator.planning.ladder import levers, request_limit, sequences_level
from vlm_operator.planning.lever import Bounds, Lever
from vlm_operator.planning.partition import balanced
from vlm_operator.planning.plan import Move
from vlm_operator.planning.shapes import Shape
from vlm_operator.planning.verdict import Verdict
from vlm_operator.planning.workload import round_context

HIGHEST_UTILIZATION: Final = 0.95
"""Never chosen above this: kernels and warm-up take memory that no term of the budget holds (llm-d issue 787)."""

SINGLE_USER_SEQUENCES: Final = 4
"""``max_num_seqs`` for one person: a request, its retry, and a tool's call or two."""

THROUGHPUT_CONCURRENCY: Final = 4
"""Without a described workload a context is grown only while this many requests of that length are held at once."""

CHECKED: Final = frozenset({"kv_cache_dtype", "enforce_eager"})
"""Flags of levers that vLLM may refuse on some GPUs or for some models, memory aside."""

FOLLOWING: Final = ("max_model_len", "max_num_batched_tokens")
"""Flags that follow the size of the described items."""


def on_shape(settings: EngineSettings, shape: Shape) -> EngineSettings:
    """These flags on the GPUs of a shape."""
    return settings.with_(tensor_parallel_size=shape.tensor, pipeline_parallel_size=shape.stages)


class Attempt:
    """The search for flags on the GPUs of one shape (times replicas).

    Attributes:
        shape: how layers and stages are laid over GPUs and nodes.
        judge: judges flags for this plan.
        context: what the context should be.
        wanted: the flags before anything gave way, judged.
        chosen: the flags as chosen so far, judged.
        ceiling: highest utilisation that vLLM's first check lets pass for certain, at most ``HIGHEST_UTILIZATION``.
        found: levers the choice was made of, none where nothing had to give way.
        choice: the level of each that was chosen.
        is_exhausted: no combination of the levers that the user left free makes the wanted flags fit.
    """

    def __init__(self, judge: Judge, shape: Shape) -> None:
        self.judge, self.model, self.intent, self.context = judge, judge.model, judge.intent, judge.context
        self.shape = shape
        settings = judge.feasible(on_shape(judge.start, shape))
        if settings.max_model_len is None or settings.max_num_seqs is None:
            settings = settings.with_(
                max_model_len=settings.max_model_len or self.context.wanted,
                max_num_seqs=settings.max_num_seqs or self._sequences(),
            )
        self._free_at_start = free_at_start_bytes(judge.gpu, judge.intent.version, shape.tensor * shape.stages)
        self.ceiling = self._ceiling()
        self.wanted = judge.evaluate(settings)
        default = self.wanted.settings.gpu_memory_utilization or 0.0
        if not self.is_pinned("gpu_memory_utilization") and default > self.ceiling:
            self.wanted = judge.evaluate(settings.with_(gpu_memory_utilization=self.ceiling))
        self._usual_batch = self.wanted.settings.batch_tokens
        if self.wanted.rejected is not None and not self.is_pinned("max_num_batched_tokens"):
            raised = self.wanted.rejected.batch_that_holds_it
            self.wanted = judge.evaluate(self.wanted.requested.with_(max_num_batched_tokens=raised))
        if self.wanted.stages and self.wanted.verdict is not Verdict.FITS and not self.intent.is_prediction:
            self._balance()
        self.chosen = self.wanted
        self.found: tuple[Lever, ...] = ()
        self.choice: Choice = ()
        # All that levers take from the weights is a tower.
        is_too_small = self.wanted.verdict is Verdict.DOES_NOT_FIT and judge.weights_exceed_memory(
            self.wanted.requested
        )
        self.is_exhausted = is_too_small
        self._is_mild_exhausted = False

    def _balance(self) -> None:
        """Divide the layers over the stages otherwise than vLLM does, where that leaves the tightest more room."""
        moved = balanced(self.model, self.judge.gpu, self.wanted.requested, self.intent.version)
        if moved.pp_layer_partition is None or self.judge.infeasible(moved):
            return
        better = self.judge.evaluate(moved)
        if better.headroom_bytes > self.wanted.headroom_bytes:
            self.wanted = better

    def is_pinned(self, flag: str) -> bool:
        """True where the user set the flag."""
        return flag in self.intent.pinned

    def _sequences(self) -> int | None:
        workload = self.intent.workload
        wanted = workload.concurrent_requests if workload else None
        if self.intent.goal is Goal.SINGLE_USER:
            return max(wanted or 0, SINGLE_USER_SEQUENCES)
        return wanted

    def _ceiling(self) -> float:
        gpu = self.judge.gpu
        free = self._free_at_start - gpu.total_uncertainty_bytes - self.judge.evidence.outside_bytes
        served = self.judge.evidence.serving_ceiling(gpu.total_bytes) or HIGHEST_UTILIZATION
        return min(HIGHEST_UTILIZATION, served, max(math.floor(100 * free / gpu.total_bytes) / 100, 0.01))

    def _highest(self) -> float:
        """Highest utilisation with which vLLM's first check passes by the best estimate, in thousandths.

        The ceiling where start-ups were measured: what is free is known then.
        """
        if self.judge.is_measured:
            return self.ceiling
        free = math.floor(1000 * self._free_at_start / self.judge.gpu.total_bytes) / 1000
        return max(self.ceiling, min(free, HIGHEST_UTILIZATION))

    def refit(self, settings: EngineSettings) -> EngineSettings:
        """``settings`` with context and batch as short as the items need under their caps; pins stay."""
        context = self.judge.context_of(settings)
        if not self.is_pinned("max_model_len"):
            settings = settings.with_(max_model_len=min(settings.max_model_len or context.wanted, context.wanted))
        given, usual = settings.max_num_batched_tokens, self._usual_batch
        if self.is_pinned("max_num_batched_tokens") or context.request is None or (given is not None and given < usual):
            return settings
        settings = settings.with_(max_num_batched_tokens=usual)
        rejected = rejected_item(self.model, context.request, settings, self.intent.version)
        return settings if rejected is None else settings.with_(max_num_batched_tokens=rejected.batch_that_holds_it)

    def fits_as_wanted(self) -> bool:
        """True where nothing has to be given up but memory that others could use."""
        if self.wanted.verdict is Verdict.FITS:
            return True
        if self.is_pinned("gpu_memory_utilization") or self.intent.is_prediction:
            return False
        lowest = self.at_lowest_utilization(self.wanted)
        if lowest is None:
            return False
        self.chosen = lowest
        return True

    @cached_property
    def levers(self) -> tuple[Lever, ...]:
        """What the user left free to change."""
        return self.levers_but(self.intent.pinned)

    def levers_but(self, pinned: frozenset[str]) -> tuple[Lever, ...]:
        """What could be changed of the wanted flags if only ``pinned`` were fixed."""
        found = levers(self.model, self.judge.gpu, self.intent, self.wanted.settings, self.bounds, pinned=pinned)
        return tuple(lever for lever in found if lever.flag not in CHECKED or self._is_feasible(lever))

    def _is_feasible(self, lever: Lever) -> bool:
        """False where a check of vLLM refuses the lever, but not the wanted flags."""
        changed = lever.levels[0].apply(self.wanted.requested, self.bounds)
        return bool(self.wanted.infeasible) or not self.judge.infeasible(changed)

    @cached_property
    def bounds(self) -> Bounds:
        """What the levers may not go beyond."""
        return Bounds(
            self.ceiling,
            lambda settings: self.judge.context_of(settings).least,
            self.refit,
            self.judge.context_of(self.wanted.settings).request,
            self._highest(),
        )

    def pull(self, *, mild: bool) -> bool:
        """Choose the cheapest combination of levers that fits; False where there is none."""
        found, tried = self.levers, None
        if mild:
            found = tuple(lever.mild_part() for lever in found if lever.mild_levels())
        elif self._is_mild_exhausted:
            tried = tuple(lever.mild_levels() for lever in found)
        choice = self.cheapest_of(found, tried)
        if choice is None:
            self._is_mild_exhausted = True
            self.is_exhausted = self.is_exhausted or not mild
            return False
        self.found, self.choice = self._most_sequences(found, choice), choice
        self.chosen = self.judge.evaluate(apply_choice(self.wanted.requested, self.found, choice, self.bounds))
        self.context = self.judge.context_of(self.chosen.requested)
        return True

    def cheapest_of(self, found: tuple[Lever, ...], tried: Choice | None = None) -> Choice | None:
        """The cheapest combination of these levers with which the wanted flags fit; None where there is none.

        Args:
            tried: levels up to which every combination has been judged before, in vain.
        """
        if self.judge.is_measured:  # some flags are known to have failed, and of others like them more is certain
            found = tuple(replace(lever, only_helps=False) for lever in found)
        judge = self.judge
        return cheapest(found, self.wanted.requested, self.bounds, judge.fits, judge.lacks_memory, tried=tried)

    def _most_sequences(self, found: tuple[Lever, ...], choice: Choice) -> tuple[Lever, ...]:
        """The levers with the chosen level of ``max_num_seqs`` raised to the most that fit beside the other levels."""
        place = next((place for place, lever in enumerate(found) if lever.flag == "max_num_seqs"), None)
        if place is None or not choice[place]:
            return found
        settings, level = apply_choice(self.wanted.requested, found, choice, self.bounds), choice[place]
        levels = found[place].levels
        before = self.wanted.settings if level == 1 else levels[level - 2].apply(settings, self.bounds)
        most, too_many = settings.sequences, before.sequences
        while too_many - most > 1:
            middle = (most + too_many) // 2
            fits = self.judge.fits(settings.with_(max_num_seqs=middle))
            most, too_many = (middle, too_many) if fits else (most, middle)
        exact = sequences_level(most, levels[level - 1].weight, mild=levels[level - 1].mild)
        raised = replace(found[place], levels=(*levels[: level - 1], exact, *levels[level:]))
        return (*found[:place], raised, *found[place + 1 :])

    def at_lowest_utilization(self, evaluation: Evaluation) -> Evaluation | None:
        """The same flags at the lowest utilisation, in hundredths, whose low bound holds the cup; None if none does."""
        requested = evaluation.requested
        most = requested.with_(gpu_memory_utilization=self.ceiling)
        if not self.judge.fits(most):
            return None
        total, headroom = self.judge.gpu.total_bytes, self.judge.outlook(most)[1]
        needed = requested_bytes(total, self.ceiling, self.intent.version) - headroom
        lowest = max(math.ceil(100 * needed / total), 1)
        for hundredths in range(lowest, round(100 * self.ceiling)):
            lower = requested.with_(gpu_memory_utilization=hundredths / 100)
            if self.judge.fits(lower):
                return self.judge.evaluate(lower)
        return self.judge.evaluate(most)

    def settle(self) -> Evaluation:
        """The final flags: utilisation as the goal asks, and the context grown where that costs nothing."""
        if self.chosen.verdict is Verdict.FITS and not self.intent.is_prediction:
            if self.intent.goal is Goal.SINGLE_USER and not self.is_pinned("gpu_memory_utilization"):
                self.chosen = self.at_lowest_utilization(self.chosen) or self.chosen
            if not (self.is_pinned("max_model_len") or self._pulled("max_model_len") or self.judge.evidence.failed):
                self.chosen = self._grown()
        return self.chosen

    def _pulled(self, flag: str) -> bool:
        return any(level and lever.flag == flag for lever, level in zip(self.found, self.choice, strict=True))

    def _grown(self) -> Evaluation:
        chosen, cap = self.chosen, self.context.cap
        length = chosen.settings.context_tokens
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
        grown = self.judge.evaluate(chosen.requested.with_(max_model_len=candidate))
        return grown if grown.verdict is Verdict.FITS else chosen

    def moves(self) -> tuple[Move, ...]:
        """Every lever considered, with what it gains on the wanted flags and its price; applied ones marked."""
        if self.wanted.verdict is Verdict.FITS or (self.chosen.verdict is Verdict.FITS and not any(self.choice)):
            return ()
        return tuple(self._moves())

    def _moves(self) -> Iterator[Move]:
        applied = [(lever, level) for lever, level in zip(self.found, self.choice, strict=True) if level]
        for lever in self.levers:
            chosen = next((other.levels[level - 1] for other, level in applied if lever.same_as(other)), None)
            shown = chosen or lever.levels[0]
            try:
                after, headroom = self.judge.outlook(shown.apply(self.wanted.requested, self.bounds))
            except (InputError, UnknownFact):
                continue
            gain = headroom - self.wanted.headroom_bytes
            cost = shown.cost
            if chosen is not None and lever.flag == "max_model_len":  # a cap beside it shortened the request
                after = after.with_(max_model_len=self.chosen.settings.max_model_len)
                cost = request_limit(after.context_tokens)
            if gain > 0 or chosen:
                if chosen and getattr(after, lever.flag) == getattr(self.wanted.settings, lever.flag):
                    after = after.with_(**{lever.flag: getattr(self.chosen.settings, lever.flag)})  # with another lever
                yield Move(self._changes(after, lever.flag), gain, cost, chosen is not None, shown.mild)

    def _changes(self, after: EngineSettings, flag: str) -> tuple[tuple[str, Any, Any], ...]:
        """What a lever on ``flag`` changes of the wanted flags.

        Caps take context and batch with them, where no lever of their own was pulled: that one says what they became.
        """
        before = self.wanted.settings
        changed = (flag, getattr(before, flag), getattr(after, flag))
        if flag not in CAPPING:
            return (changed,)
        following = (
            (name, getattr(before, name), getattr(after, name)) for name in FOLLOWING if not self._pulled(name)
        )
        return (changed, *(change for change in following if change[1] != change[2]))

    def cap_sentences(self) -> Iterator[str]:
        """What was chosen for the described items: the price of each cap, and of a raised batch."""
        for lever, level in zip(self.found, self.choice, strict=True):
            if level and lever.flag in CAPPING:
                yield f"{lever.levels[level - 1].cost} (--{lever.flag.replace('_', '-')})"
        batch, request = self.chosen.settings.batch_tokens, self.context.request
        if batch > self._usual_batch and request is not None:
            usual = self.chosen.settings.with_(max_num_batched_tokens=self._usual_batch)
            rejected = rejected_item(self.model, request, usual, self.intent.version)
            if rejected is not None:
                yield rejected.why_raised(batch)
