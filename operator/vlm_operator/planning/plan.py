"""A plan: chosen flags, the evaluation behind them, the verdict, and the reasons.

Words, and the ladder's gains, are worked out when somebody reads them: a search through thousands of plans pays for
what decides between them only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vlm_operator.capacity.startup import Budget
from vlm_operator.engine.environment import command_environment
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.feasibility import Infeasible, InfeasibleReason
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.alternatives import Alternative
from vlm_operator.planning.evaluation import Container, Cup, Evaluation
from vlm_operator.planning.explanation import explain, summarize
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.vendor_free import VendorFree
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.planning.workload import WantedContext, WorkloadTokens


@dataclass(frozen=True, slots=True)
class Move:
    """One change to flags the user left free.

    Attributes:
        change: flag name -> (from, to).
        gain_bytes: how much more of the container is left over the cup, per GPU.
        cost: its price, in words.
        applied: True where the plan's flags contain it.
        mild: True where it takes away nothing that the user described.
    """

    change: tuple[tuple[str, Any, Any], ...]
    gain_bytes: int
    cost: str
    applied: bool = False
    mild: bool = False


@dataclass(frozen=True, slots=True)
class Remedy:
    """A change with which the plan would fit, judged to work.

    Attributes:
        change: (flag, value) pairs to set together.
        text: what to do and its price, in words.
        pinned: True where it touches a flag the user pinned.
    """

    change: tuple[tuple[str, Any], ...]
    text: str
    pinned: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no flags are given, in place of the evaluation's own words."""

    message: str
    hint: str | None = None


def no_hint() -> str | None:
    """No next step: the plan fits, or says it in its refusal."""
    return None


def _no_others(plan: Plan) -> tuple[Alternative, ...]:
    return ()


@dataclass(frozen=True, slots=True)
class Plan:
    """Flags for one model on one GPU shape, with the reasons.

    Attributes:
        gpu: None on the CPU backend.
        gpu_count: GPUs of one replica, on all its nodes together.
        nodes: nodes that a replica stands on, each with as many of its GPUs.
        settings: the flags the command sets: pinned or chosen.
        infeasible: what vLLM would refuse of the command for a reason other than memory.
        evaluation: the same resolved, with budget, cup and container; None where nothing could be computed.
        context: how long the context should be and must be; None where nothing could be computed.
        limit_sentences: why the limits are as they are.
        sources: where measured figures come from.
        vendor_free: the known terms on a GPU whose start-up memory is not known (AMD), in place of an evaluation.
        refusal: words in the place of the evaluation's.
        hint: the next step, None where there is none to take.
        moves: works out the ladder.
        find_remedies: works out what would make it fit, where it does not.
        find_hint: works out the next step of the same, None where there is none.
        others: works out what other numbers of GPUs would give.
    """

    model: ModelFacts
    gpu: GPUFacts | None
    gpu_count: int
    version: EngineVersion
    intent: Intent
    settings: EngineSettings
    verdict: Verdict
    reason: Reason | InfeasibleReason
    nodes: int = 1
    infeasible: tuple[Infeasible, ...] = ()
    evaluation: Evaluation | None = None
    context: WantedContext | None = None
    limit_sentences: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    refusal: Refusal | None = None
    vendor_free: VendorFree | None = None
    moves: Callable[[], tuple[Move, ...]] = field(default=tuple, compare=False, repr=False)
    find_remedies: Callable[[], tuple[Remedy, ...]] = field(default=tuple, compare=False, repr=False)
    find_hint: Callable[[], str | None] = field(default=no_hint, compare=False, repr=False)
    others: Callable[[Plan], tuple[Alternative, ...]] = field(default=_no_others, compare=False, repr=False)

    @property
    def fits(self) -> bool:
        """True for ``Fits`` and ``FitsTight``."""
        return self.verdict in {Verdict.FITS, Verdict.FITS_TIGHT}

    @property
    def gpus_per_node(self) -> int:
        """GPUs of a replica on each of its nodes."""
        return self.gpu_count // self.nodes

    @property
    def message(self) -> str:
        """The verdict in one sentence, with its numbers."""
        if self.refusal is not None:
            return self.refusal.message
        return self.evaluation.message() if self.evaluation else str(self.reason)

    @property
    def hint(self) -> str | None:
        """The next step, None where there is none to take."""
        return self.refusal.hint if self.refusal is not None else self.find_hint()

    @property
    def remedies(self) -> tuple[Remedy, ...]:
        """Changes with which it would fit, each judged to work; none where it fits."""
        return self.find_remedies()

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that the command needs on this GPU."""
        return command_environment(self.settings, self.version, self.gpu.compute_capability if self.gpu else None)

    @property
    def budget(self) -> Budget | None:
        """Memory of one GPU, the tightest rank; None where it could not be computed."""
        return self.evaluation.budget if self.evaluation else None

    @property
    def cup(self) -> Cup | None:
        """One request of the context length."""
        known = self.evaluation or self.vendor_free
        return known.cup if known else None

    @property
    def container(self) -> Container | None:
        """What the best estimate of the KV cache holds."""
        return self.evaluation.container(self.context.model_maximum) if self.evaluation and self.context else None

    @property
    def ladder(self) -> tuple[Move, ...]:
        """Moves considered, those applied marked; none where nothing had to give way."""
        return self.moves()

    @property
    def alternatives(self) -> tuple[Alternative, ...]:
        """What one card would give where the plan takes more, and what more would give where levers were pulled."""
        return self.others(self)

    @property
    def workload(self) -> WorkloadTokens:
        """Tokens of one request as described; all zero where nobody described one."""
        request = self.context.request if self.context else None
        return request.tokens if request else WorkloadTokens()

    @property
    def explanation(self) -> tuple[str, ...]:
        """True sentences for people, in reading order."""
        if self.evaluation is None or self.context is None:
            return ()
        notes = (*self.limit_sentences, *self.sources)
        return explain(self.evaluation, self.context, self.intent, model=self.model, gpu=self.gpu, notes=notes)

    @property
    def summary(self) -> tuple[str, ...]:
        """The sentences of the explanation that matter most."""
        if self.evaluation is None or self.context is None:
            return ()
        return summarize(self.evaluation, self.context, self.intent, gpu=self.gpu)
