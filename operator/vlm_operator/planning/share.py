"""Plan several models onto one GPU: each with the utilisation that its own need takes, one started after the other.

vLLM divides nothing. Each server asks for total x utilisation of the same total, is refused where less is free when it
starts (``v1/worker/utils.py: request_memory``), and counts what others take while it profiles as its own memory outside
torch (``v1/worker/gpu_worker.py: determine_available_memory``). So the sum of what the servers take has to be there,
and the next one may start only when the one before serves. Beside what it asks for, a server takes its CUDA context,
which exists before vLLM looks first, and before 0.20 the CUDA graphs that it captures afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from vlm_operator.capacity.startup.cuda_graphs import graph_estimate_bytes
from vlm_operator.errors import InputError
from vlm_operator.gpu.facts import GPUFacts, context_bytes
from vlm_operator.gpu.reserve import held_by_others_bytes
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.choose import plan
from vlm_operator.planning.evidence import NOTHING, Evidence
from vlm_operator.planning.intent import Goal, Intent
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.units import MIB, format_gib


@dataclass(frozen=True, slots=True)
class Sharer:
    """One model that is to share a GPU.

    Attributes:
        name: by which people tell it from the others.
        intent: what it is for; its goal and reserve are replaced by those of the share.
        evidence: what was measured of it.
    """

    name: str
    model: ModelFacts
    intent: Intent
    evidence: Evidence = NOTHING


@dataclass(frozen=True, slots=True)
class Held:
    """A server whose plan is in force: what it takes at any load is not planned again."""

    name: str
    takes_bytes: int


@dataclass(frozen=True, slots=True)
class Part:
    """What one server takes of the GPU, bytes.

    Attributes:
        plan: on what is left when it starts.
        requested_bytes: total x utilisation, or with a pinned KV cache what weights, peak and cache take.
        context_bytes: its CUDA context, outside what it asks for.
        graph_bytes: CUDA graphs that the release captures outside what it asks for.
        left_bytes: what is left of the GPU when it starts, reserve and earlier servers taken off.
    """

    name: str
    plan: Plan
    requested_bytes: int
    context_bytes: int
    graph_bytes: int
    left_bytes: int

    @property
    def takes_bytes(self) -> int:
        """Everything it takes at any load."""
        return self.requested_bytes + self.context_bytes + self.graph_bytes

    @property
    def kv_floor_bytes(self) -> int:
        """The smallest KV cache with which it starts: one request of its context, and a hybrid's states."""
        evaluation = self.plan.evaluation
        return evaluation.least_bytes if evaluation is not None else 0


@dataclass(frozen=True, slots=True)
class Share:
    """Several models on one GPU, in the order in which they are to be started.

    Attributes:
        kept_bytes: what is not for the servers: the reserve, or what a desktop holds where that is more.
        parts: one for each model; those that do not fit hold what they would take on a GPU of their own.
        held: servers that have their part already, before those of ``parts``.
    """

    gpu: GPUFacts
    kept_bytes: int
    parts: tuple[Part, ...]
    held: tuple[Held, ...] = ()

    @property
    def sum_bytes(self) -> int:
        """What all of them take."""
        return sum(each.takes_bytes for each in self._all)

    @property
    def available_bytes(self) -> int:
        """What there is for them: the low bound of the total less what is kept."""
        return self.gpu.total_bytes - self.gpu.total_uncertainty_bytes - self.kept_bytes

    @property
    def fits(self) -> bool:
        """True where every plan fits on what the earlier ones leave."""
        return all(part.plan.fits for part in self.parts) and self.sum_bytes <= self.available_bytes

    @property
    def message(self) -> str:
        """The sum in one sentence."""
        terms = " + ".join(f"{format_gib(each.takes_bytes)} {each.name}" for each in self._all)
        kept = f", {format_gib(self.kept_bytes)} kept for others" if self.kept_bytes else ""
        there = f"{format_gib(self.available_bytes)} of {format_gib(self.gpu.total_bytes)}{kept}"
        if self.fits:
            left = format_gib(self.available_bytes - self.sum_bytes)
            return f"{terms} = {format_gib(self.sum_bytes)}; there are {there}: {left} is left"
        words = f"{terms} = {format_gib(self.sum_bytes)}, but there are {there}"
        refused = self._refused
        if refused is not None and self.sum_bytes <= self.available_bytes:
            return (
                f"{words}; {refused.name} on the {format_gib(refused.left_bytes)} left for it: {refused.plan.message}"
            )
        return f"{words}: {format_gib(self.sum_bytes - self.available_bytes)} is missing"

    @property
    def hint(self) -> str | None:
        """The next step where they do not fit."""
        if self.fits:
            return None
        step = "lower the context, the concurrent requests or the described items of one of them, or use a larger GPU"
        refused = self._refused
        if refused is None or refused.plan.hint is None:
            return step
        return f"{refused.name}: {refused.plan.hint}; or {step}"

    @property
    def _all(self) -> tuple[Held | Part, ...]:
        return *self.held, *self.parts

    @property
    def _refused(self) -> Part | None:
        """The first whose plan does not fit."""
        return next((part for part in self.parts if not part.plan.fits), None)


def share(gpu: GPUFacts, sharers: Sequence[Sharer], reserve_bytes: int = 0) -> Share:
    """The plans of two or more ``sharers`` on one ``gpu``: see ``share_beside``.

    Raises:
        InputError: fewer than two models, two of one name, one that wants several GPUs, or a pinned flag that
            contradicts the model or what is left.
    """
    _check(sharers)
    return share_beside(gpu, (), sharers, reserve_bytes)


def share_beside(gpu: GPUFacts, held: Sequence[Held], sharers: Sequence[Sharer], reserve_bytes: int = 0) -> Share:
    """The plans of ``sharers`` on what servers in force leave of one ``gpu``, the one that takes most first.

    Each is planned for its own need (the goal ``SingleUser``: the lowest utilisation that holds it) on what the reserve
    and the earlier ones leave.

    Raises:
        InputError: one wants several GPUs, or a pinned flag contradicts the model or what is left.
    """
    for sharer in sharers:
        _check_one_gpu(sharer)
    kept = max(reserve_bytes, held_by_others_bytes(gpu))
    taken = kept + sum(each.takes_bytes for each in held)
    ordered = sorted(sharers, key=lambda each: (-_alone(gpu, each, kept), each.name))
    parts: list[Part] = []
    for sharer in ordered:
        part = _part(gpu, sharer, taken)
        parts.append(part)
        taken += part.takes_bytes if part.plan.fits else 0
    return Share(gpu, kept, tuple(parts), tuple(held))


def _check(sharers: Sequence[Sharer]) -> None:
    if len(sharers) < 2:
        raise InputError(
            f"filename: {len(sharers)} model is given, and a share is of two or more",
            field="filename",
            hint="give -f twice; 'vlmctl plan' plans one model",
        )
    names = [sharer.name for sharer in sharers]
    for sharer in sharers:
        if names.count(sharer.name) > 1:
            raise InputError(
                f"filename: {sharer.name} stands twice", field="filename", hint="give every VLMDeployment its own name"
            )
        _check_one_gpu(sharer)


def _check_one_gpu(sharer: Sharer) -> None:
    settings = sharer.intent.settings
    ranks = settings.tensor_parallel_size * settings.pipeline_parallel_size * settings.data_parallel_size
    wanted = max(sharer.intent.gpu_count or 1, ranks)
    if wanted > 1:
        raise InputError(
            f"gpu.count: {sharer.name} wants {wanted} GPUs, and a share is of one",
            field="gpu.count",
            hint="set gpu.count and the parallel sizes to 1, or leave them out",
        )


def _intent(sharer: Sharer, taken_bytes: int) -> Intent:
    return replace(
        sharer.intent, goal=Goal.SINGLE_USER, reserve_bytes=taken_bytes, gpu_count=1, gpus_available=1, nodes=1
    )


def _alone(gpu: GPUFacts, sharer: Sharer, kept_bytes: int) -> int:
    """What the model takes with the GPU to itself; the whole GPU where it does not fit even so."""
    alone = plan(sharer.model, gpu, _intent(sharer, kept_bytes), sharer.evidence)
    return _requested(alone) if alone.fits else gpu.total_bytes


def _part(gpu: GPUFacts, sharer: Sharer, taken_bytes: int) -> Part:
    """The part of one model on what is left; as on a GPU of its own where nothing is left or it does not fit."""
    context, left = context_bytes(gpu.total_bytes), gpu.total_bytes - taken_bytes
    alone = _intent(sharer, 0)
    found = plan(sharer.model, gpu, _intent(sharer, taken_bytes), sharer.evidence) if left > context else None
    if found is not None and found.fits:
        return Part(sharer.name, _steady(gpu, found, sharer), _requested(found), context, _graphs_outside(found), left)
    whole = plan(sharer.model, gpu, alone, sharer.evidence)
    refused = found or replace(whole, verdict=Verdict.DOES_NOT_FIT, reason=Reason.FREE_MEMORY_TOO_LOW)
    wanted = whole if whole.fits else refused
    return Part(sharer.name, refused, _requested(wanted), context, _graphs_outside(wanted), left)


_SIZES: Final = frozenset({"gpu_memory_utilization", "kv_cache_memory_bytes"})


def _steady(gpu: GPUFacts, found: Plan, sharer: Sharer) -> Plan:
    """The plan with the low bound of its KV cache as ``--kv-cache-memory-bytes``, where nobody pinned either size.

    With it vLLM takes so much whatever it measures (``v1/worker/gpu_worker.py: determine_available_memory``): a server
    that starts again while another one grows does not count that as its own, and finds the cache that it needs. Its
    check of free memory at start, by the utilisation, stays. What the plan takes as a whole does not grow.
    """
    budget, settings = found.budget, found.settings
    if budget is None or found.intent.pinned & _SIZES or budget.kv_cache_low_bytes <= 0:
        return found
    fixed = {"gpu_memory_utilization": settings.gpu_memory_utilization, "max_model_len": settings.max_model_len}
    cache = budget.kv_cache_low_bytes // MIB * MIB
    intent = replace(
        found.intent,
        settings=found.intent.settings.with_(**fixed, kv_cache_memory_bytes=cache),
        pinned=found.intent.pinned | fixed.keys() | _SIZES,
    )
    steady = plan(found.model, gpu, intent, sharer.evidence)
    return replace(steady, intent=found.intent) if steady.fits else found


def _requested(found: Plan) -> int:
    budget = found.budget
    if budget is None:
        return 0
    pinned = found.settings.kv_cache_memory_bytes
    return budget.requested_bytes if pinned is None else budget.in_use_bytes(pinned)


def _graphs_outside(found: Plan) -> int:
    """CUDA graphs of a release that sets nothing aside for them (before 0.20)."""
    evaluation = found.evaluation
    if evaluation is None or evaluation.budget.cuda_graph_bytes:
        return 0
    settings = evaluation.settings
    return graph_estimate_bytes(
        settings.cudagraph_capture_sizes or (),
        max_num_seqs=settings.sequences,
        layers=found.model.text.layers,
        variants=settings.graphs_per_size,
    )
