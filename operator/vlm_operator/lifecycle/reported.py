"""From the plan in force and the newest outcome to the conditions that report them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vlm_operator.api.conditions import ConditionType
from vlm_operator.lifecycle.children import ChildKind, replicas_of, server_kind
from vlm_operator.lifecycle.conditions import Condition, Status, summary
from vlm_operator.lifecycle.failure_reaction import reaction_to
from vlm_operator.lifecycle.history import STARTED, AttemptRecord, History
from vlm_operator.lifecycle.next_plan import NextPlan
from vlm_operator.lifecycle.planned import Planner
from vlm_operator.lifecycle.refusal import refusal_words
from vlm_operator.lifecycle.startup_outcome import StartupOutcome, StartupState


@dataclass(frozen=True, slots=True)
class InForce:
    """A plan that runs, or is stopped, with everything its conditions follow from.

    Attributes:
        step: the plan and why it is stopped, if it is.
        plan: as ``status.plan``.
        attempt: the record of its command, None where it was never tried.
        waits_for: (reason, message) of what Kubernetes is waited for, None where nothing is.
        held_back: the same of another server on the GPU that has to serve first.
    """

    planner: Planner
    step: NextPlan
    plan: Mapping[str, Any]
    attempt: AttemptRecord | None
    history: History
    outcome: StartupOutcome
    waits_for: tuple[str, str] | None = None
    held_back: tuple[str, str] | None = None


def conditions_of(it: InForce) -> tuple[Condition, ...]:
    """The four conditions, and kstatus' ``Stalled`` or ``Reconciling`` where one of them is true."""
    planned = _planned(it)
    verified = _verified(it)
    nodes = it.step.planned.nodes if it.step.planned is not None else 1
    available = available_of(it.planner, is_stopped=it.step.stop is not None, kind_in_force=server_kind(nodes))
    if it.waits_for is not None and available.status != "True":
        words = f"{available.message}; {': '.join(it.waits_for)}"
        available = Condition(available.type, available.status, available.reason, words)
    ready = summary(planned, verified, available)
    conditions = [planned, verified, available, ready]
    if it.step.stop is not None:
        conditions.append(Condition(ConditionType.STALLED, "True", it.step.stop.reason, it.step.stop.message))
    elif (rejection := it.planner.situation.rejection) is not None:
        conditions.append(Condition(ConditionType.RECONCILING, "True", "ApplyFailed", refusal_words(rejection)))
    elif ready.status != "True":
        conditions.append(Condition(ConditionType.RECONCILING, "True", ready.reason, ready.message))
    return tuple(conditions)


def _planned(it: InForce) -> Condition:
    """``Planned`` as the verdict says: where no plan is left that fits, the kept command does not make it True."""
    if it.plan.get("verdict") in {"Fits", "FitsTight"} or it.step.stop is None:
        return Condition(ConditionType.PLANNED, "True", it.plan["reason"], it.plan["message"])
    status: Status = "Unknown" if it.plan.get("verdict") == "Unknown" else "False"
    return Condition(ConditionType.PLANNED, status, it.step.stop.reason, it.step.stop.message)


def refusal_conditions(
    planner: Planner, reason: str, message: str, *, unknown: bool, waits: bool = False
) -> tuple[Condition, ...]:
    """The conditions where no plan is in force and none was tried.

    Args:
        waits: something is under way, or will be tried again by itself.
    """
    status: Status = "Unknown" if unknown else "False"
    planned = Condition(ConditionType.PLANNED, status, reason, message)
    verified = Condition(ConditionType.CAPACITY_VERIFIED, "Unknown", reason, "there is no plan to verify")
    available = available_of(planner, is_stopped=False)
    ready = summary(planned, verified, available)
    kstatus = ConditionType.RECONCILING if waits else ConditionType.STALLED
    return planned, verified, available, ready, Condition(kstatus, "True", reason, message)


def available_of(planner: Planner, *, is_stopped: bool, kind_in_force: ChildKind | None = None) -> Condition:
    """Whether the replicas asked for are ready.

    Args:
        kind_in_force: the kind that is to run them; None where none is, so that whatever runs counts.
    """
    kind = ConditionType.AVAILABLE
    if is_stopped:
        return Condition(kind, "False", "ReplicasUnavailable", "the server is stopped: see CapacityVerified")
    if planner.spec.replicas == 0:
        return Condition(kind, "False", "ScaledToZero", "spec.replicas is 0")
    live = replicas_of(planner.situation.children, kind_in_force)
    wanted, ready = (live.wanted, live.ready) if live is not None else (1, 0)
    if live is not None and wanted and ready >= wanted:
        return Condition(kind, "True", "MinimumReplicasAvailable", f"{ready} of {wanted} replicas are ready")
    return Condition(kind, "False", "ReplicasUnavailable", f"{ready} of {wanted or 1} replicas are ready")


def _verified(it: InForce) -> Condition:
    kind, attempt, outcome = ConditionType.CAPACITY_VERIFIED, it.attempt, it.outcome
    if it.step.stop is not None:
        return Condition(kind, "False", it.step.stop.reason, it.step.stop.message)
    if attempt is not None and attempt.outcome == STARTED:
        return Condition(kind, "True", "CapacityCheckPassed", _measured_words(attempt, it.plan))
    if _serves_unread(it):
        # vLLM answers /health only after its check; the log is asked for again at every look.
        words = f"the server is ready, so vLLM's check has passed; nothing was measured: {outcome.message}"
        return Condition(kind, "True", "CapacityCheckPassed", words)
    if attempt is not None and attempt.probe_failures and outcome.state is not StartupState.SERVING:
        return Condition(kind, "Unknown", "StartupProbeFailed", attempt.message or "")
    if it.step.change is not None or (attempt is not None and it.history.episode(attempt.episode).failed()):
        words = it.step.change or "other flags are being tried after a failed start-up"
        return Condition(kind, "Unknown", "Retuning", words)
    if (rejection := it.planner.situation.rejection) is not None:
        return Condition(kind, "Unknown", "ApplyFailed", refusal_words(rejection))
    if it.held_back is not None:
        return Condition(kind, "Unknown", *it.held_back)
    if outcome.state in {StartupState.STARTING, StartupState.NONE, StartupState.SERVING}:
        words = "the server is starting; vLLM has not checked its capacity yet"
        return Condition(kind, "Unknown", "Starting", words)
    _, reason, message = reaction_to(outcome, served_before=False)
    return Condition(kind, "Unknown", reason, message)


def _serves_unread(it: InForce) -> bool:
    """True where the planned command serves, but its log cannot be read."""
    outcome, planned = it.outcome, it.step.planned
    if outcome.state is not StartupState.SERVING or outcome.pod is None or not outcome.message or planned is None:
        return False
    return it.planner.server(planned).runs_in(outcome.pod)


def _measured_words(attempt: AttemptRecord, plan: Mapping[str, Any]) -> str:
    tokens = attempt.numbers.get("kvTokens")
    predicted = (plan.get("container") or {}).get("capacityTokens")
    if tokens is None:
        return "vLLM passed its capacity check; its log no longer holds the figures"
    if predicted is None:
        return f"{tokens:,} tokens measured"
    return f"{tokens:,} tokens measured, {predicted:,} predicted"
