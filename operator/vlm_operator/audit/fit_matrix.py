"""The fit matrix: every wanted model on every group of nodes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from vlm_operator.audit.node_groups import NodeGroup
from vlm_operator.audit.planner import Planner
from vlm_operator.errors import InputError
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
    """A model to be placed: what is asked of it is its intent."""

    name: str
    facts: ModelFacts
    intent: Intent = field(default_factory=Intent)


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
    cells = []
    chosen = tuple(groups)
    for model in models:
        for group in chosen:
            cells.append(_fit(model, group, planner))
            progress()
    return tuple(cells)


def _fit(model: WantedModel, group: NodeGroup, planner: Planner) -> Fit:
    """The plan on up to eight GPUs holds on every node that has as many as it takes; on others it is made anew.

    That is so because numbers of GPUs are tried in ascending order, and what fits on none of eight fits on none of
    fewer. A server takes one MIG slice at most, because NCCL does not connect slices, and one share of a shared GPU,
    because two may be of the same GPU.
    """
    is_single = group.gpu.mig_profile is not None or group.gpu.shared
    most = 1 if is_single else max(group.count, GPUS_PER_NODE)
    try:
        made = planner.plan(model.facts, group.gpu, replace(model.intent, gpus_available=most))
        if made.fits and group.count < made.gpu_count:
            here = planner.plan(model.facts, group.gpu, replace(model.intent, gpus_available=group.count))
            made = here if here.fits else made
    except InputError as error:
        return Fit(model.name, group, Outcome.REFUSED, Verdict.DOES_NOT_FIT, "InputError", error.message, 0, 0)
    return _cell(model.name, group, made)


def _cell(name: str, group: NodeGroup, made: Plan) -> Fit:
    container, levers = made.container, _levers(made)
    if not made.fits:
        unknown = made.verdict is Verdict.UNKNOWN
        outcome = Outcome.UNKNOWN if unknown else Outcome.REFUSED
        longest = container.max_model_len if container is not None and made.verdict is Verdict.DOES_NOT_FIT else 0
        return Fit(name, group, outcome, made.verdict, str(made.reason), made.message, 0, longest, plan=made)
    if made.gpu_count > group.count:
        outcome = Outcome.NEEDS_MORE
    elif made.verdict is Verdict.FITS_TIGHT:
        outcome = Outcome.TIGHT
    else:
        outcome = Outcome.WITH_LEVERS if levers else Outcome.AS_WANTED
    startable = sum(member.free // made.gpu_count for member in group.members)
    return Fit(
        name, group, outcome, made.verdict, str(made.reason), made.message, made.gpu_count,
        container.max_model_len if container is not None else 0, levers, _idle_share(made), startable, made,
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
