"""The fit matrix: every wanted model on every group of nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import NamedTuple

from vlm_operator.audit.finding import FindingKind
from vlm_operator.audit.node_groups import NodeGroup
from vlm_operator.audit.placement import ANYWHERE, Placement
from vlm_operator.audit.planner import Planner
from vlm_operator.errors import InputError
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.intent import GPUS_PER_NODE, Intent
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.verdict import Verdict


class Outcome(StrEnum):
    """What a model is to a group of nodes."""

    AS_WANTED = "AsWanted"
    """It fits, and nothing had to give way but memory that others could use."""
    WITH_LEVERS = "WithLevers"
    """It fits with flags that cost something; they are named."""
    TIGHT = "Tight"
    """It fits by the best estimate only."""
    NEEDS_MORE = "NeedsMore"
    """It fits on more of these GPUs than a node of the group has."""
    REFUSED = "Refused"
    """It fits on no number of these GPUs up to eight, or vLLM would refuse it."""
    UNKNOWN = "Unknown"
    """A fact is not known for certain."""


@dataclass(frozen=True, slots=True)
class WantedModel:
    """A model to be placed.

    Attributes:
        intent: what is asked of it.
        placement: what its pods ask of a node; anything goes where no pod is known.
    """

    name: str
    facts: ModelFacts
    intent: Intent = field(default_factory=Intent)
    placement: Placement = ANYWHERE


@dataclass(frozen=True, slots=True)
class Fit:
    """One cell of the matrix.

    Attributes:
        gpus: GPUs of one server; 0 where it does not fit on any number.
        max_model_len: longest context that the predicted KV cache holds, tokens.
        levers: flags that had to give way, by vLLM's spelling.
        idle_share: share of the GPUs' memory that neither the model nor one request of the context needs.
        startable: servers that the free GPUs of the group hold now.
        plan: the plan behind the cell; None where there is none.
    """

    model: str
    group: NodeGroup
    outcome: Outcome
    verdict: Verdict
    reason: str
    message: str
    gpus: int
    max_model_len: int
    levers: tuple[str, ...] = ()
    idle_share: float = 0.0
    startable: int = 0
    plan: Plan | None = field(default=None, compare=False, repr=False)


def fit_matrix(
    models: Iterable[WantedModel],
    groups: Iterable[NodeGroup],
    planner: Planner,
    progress: Callable[[], None] = lambda: None,
) -> tuple[Fit, ...]:
    """Every model on every group, models outermost.

    Args:
        progress: called after each cell.
    """
    cells: list[Fit] = []
    chosen = tuple(groups)
    gpus = _interned(group.gpu for group in chosen)
    # What does not fit on nodes with many GPUs fits on none with fewer: those are asked about last.
    order = sorted(range(len(chosen)), key=lambda place: -chosen[place].count)
    for model in models:
        row, found = _Row(model, planner), {}
        for place in order:
            found[place] = row.fit(chosen[place], gpus[chosen[place].gpu])
            progress()
        cells += (found[place] for place in range(len(chosen)))
    return tuple(cells)


def _interned(gpus: Iterable[GPUFacts]) -> dict[GPUFacts, GPUFacts]:
    """One object for equal GPUs: the planning functions remember what they know of a GPU by its identity."""
    return {gpu: gpu for gpu in gpus}


class _Row:
    """The cells of one model."""

    def __init__(self, model: WantedModel, planner: Planner) -> None:
        self._model, self._planner = model, planner
        self._too_few: dict[GPUFacts, int] = {}
        self._figures: dict[int, _Figures] = {}
        self._intents: dict[int, Intent] = {}

    def fit(self, group: NodeGroup, gpu: GPUFacts) -> Fit:
        """The cell of a group, whose GPU is ``gpu``.

        The plan on up to eight GPUs holds on every node that has as many as it takes; on others it is made anew. That
        is so because numbers of GPUs are tried in ascending order, and what fits on none of eight fits on none of
        fewer. A server takes one MIG slice at most, because NCCL does not connect slices, and one share of a shared
        GPU, because two may be of the same GPU.
        """
        is_single = gpu.mig_profile is not None or gpu.shared
        try:
            made = self._plan(gpu, 1 if is_single else max(group.count, GPUS_PER_NODE))
        except InputError as error:
            return Fit(
                self._model.name, group, Outcome.REFUSED, Verdict.DOES_NOT_FIT, "InputError", error.message, 0, 0
            )  # fmt: skip
        if made.fits and group.count < made.gpus_per_node:
            made = self._on_fewer(gpu, group.count) or made
        return _cell(self._model, group, self._figures_of(made))

    def _figures_of(self, made: Plan) -> _Figures:
        """The figures of a plan, worked out once for all groups that it serves; the planner keeps the plan itself."""
        if id(made) not in self._figures:
            self._figures[id(made)] = _figures(made)
        return self._figures[id(made)]

    def _plan(self, gpu: GPUFacts, gpus_per_node: int) -> Plan:
        intent = self._intents.get(gpus_per_node)
        if intent is None:
            intent = self._intents[gpus_per_node] = replace(self._model.intent, gpus_available=gpus_per_node)
        return self._planner.plan(self._model.facts, gpu, intent)

    def _on_fewer(self, gpu: GPUFacts, gpus_per_node: int) -> Plan | None:
        """The plan that fits on nodes with so few GPUs; None where none does, as on nodes with fewer still."""
        if gpus_per_node <= self._too_few.get(gpu, 0):
            return None
        try:
            made = self._plan(gpu, gpus_per_node)
        except InputError:  # a number of GPUs that the user pinned
            made = None
        if made is not None and made.fits:
            return made
        self._too_few[gpu] = max(gpus_per_node, self._too_few.get(gpu, 0))
        return None


class _Figures(NamedTuple):
    """What cells show of a plan, whatever their group; as in ``Fit``."""

    made: Plan
    message: str
    max_model_len: int
    levers: tuple[str, ...] = ()
    idle_share: float = 0.0


def _figures(made: Plan) -> _Figures:
    container = made.container
    longest = container.max_model_len if container is not None else 0
    if not made.fits:
        return _Figures(made, made.message, longest if made.verdict is Verdict.DOES_NOT_FIT else 0)
    return _Figures(made, made.message, longest, _levers(made), _idle_share(made))


def _cell(model: WantedModel, group: NodeGroup, figures: _Figures) -> Fit:
    made, message, longest, levers, idle_share = figures
    if not made.fits:
        unknown = made.verdict is Verdict.UNKNOWN
        outcome = Outcome.UNKNOWN if unknown else Outcome.REFUSED
        return Fit(model.name, group, outcome, made.verdict, str(made.reason), message, 0, longest, plan=made)
    refusals = group.refusals(model.placement)
    if len(refusals) == len(group.members):
        message = f"it would fit, but no node of the group takes the pod: {next(iter(refusals.values()))}"
        reason = str(FindingKind.NO_NODE_TAKES_IT)
        return Fit(model.name, group, Outcome.REFUSED, Verdict.UNSUPPORTED, reason, message, 0, 0, plan=made)
    if made.gpus_per_node > group.count or made.nodes > len(group.members) - len(refusals):
        outcome = Outcome.NEEDS_MORE
    elif made.verdict is Verdict.FITS_TIGHT:
        outcome = Outcome.TIGHT
    else:
        outcome = Outcome.WITH_LEVERS if levers else Outcome.AS_WANTED
    startable = group.startable(made.gpus_per_node, besides=refusals) // made.nodes
    return Fit(
        model.name, group, outcome, made.verdict, str(made.reason), message, made.gpu_count, longest, levers,
        idle_share, startable, made,
    )  # fmt: skip


def _levers(made: Plan) -> tuple[str, ...]:
    """Flags that had to give way to something that the user wanted."""
    flags = {flag for move in made.ladder if move.applied and not move.mild for flag, _, _ in move.change}
    return tuple(f"--{flag.replace('_', '-')}" for flag in sorted(flags))


def _idle_share(made: Plan) -> float:
    budget, cup = made.budget, made.cup
    if budget is None or cup is None or budget.total_bytes <= 0:
        return 0.0
    needed = budget.requested_bytes - budget.kv_cache_bytes + cup.needed_bytes
    return round(min(max(1 - needed / budget.total_bytes, 0.0), 1.0), 3)
