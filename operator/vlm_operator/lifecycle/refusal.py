"""Decisions without a plan: the spec, the model or its source stands in the way, or a person asked to wait."""

from __future__ import annotations

import re
from typing import Final

from vlm_operator.api.conditions import ConditionType, EventReason
from vlm_operator.lifecycle.conditions import Condition, Status, summary, written
from vlm_operator.lifecycle.decision import Decision, Event, EventType
from vlm_operator.lifecycle.situation import Rejection, Situation


def refused(
    situation: Situation,
    reason: str,
    message: str,
    *,
    requeue_after: float | None = None,
    unknown: bool = False,
    waiting: bool = False,
) -> Decision:
    """No plan, for ``reason``. Children that are there stay as they are.

    Args:
        unknown: a fact is not known, rather than known to be wrong.
        waiting: it will be known in a moment: no event, nothing stalled.
    """
    target = situation.target
    status: Status = "Unknown" if unknown or waiting or requeue_after is not None else "False"
    planned = Condition(ConditionType.PLANNED, status, reason, message)
    verified = Condition(ConditionType.CAPACITY_VERIFIED, "Unknown", reason, "there is no plan to verify")
    available = Condition(ConditionType.AVAILABLE, "False", reason, "there is no plan to serve")
    kstatus = ConditionType.RECONCILING if requeue_after is not None else ConditionType.STALLED
    conditions = (
        planned,
        verified,
        available,
        summary(planned, verified, available),
        Condition(kstatus, "True", reason, message),
    )
    before = {item["type"]: item for item in target.status.get("conditions") or ()}
    old = before.get("Planned")
    news = old is None or (old["status"], old["reason"], old["message"]) != (status, reason, message)
    kind = EventReason.PLAN_UNKNOWN if unknown else EventReason.DOES_NOT_FIT
    kept = {name: value for name, value in target.status.items() if name in _KEPT}
    return Decision(
        status={
            **kept,
            "observedGeneration": target.generation,
            "conditions": written(conditions, target.status, target.generation, situation.now),
        },
        events=(Event(EventType.WARNING, str(kind), f"{reason}: {message}", "Plan"),) if news and not waiting else (),
        requeue_after=requeue_after,
    )


_KEPT: Final = frozenset({"attempts", "attemptsMade", "observed", "dryRun"})
"""Fields of the status that a refusal does not touch."""

_UNDECLARED: Final = re.compile(r"\.spec\.template((?:\.[^\s:;,]+)+): field not declared in schema")


def refusal_words(rejection: Rejection) -> str:
    """What was not taken, with the field of the spec where the API server's words name one."""
    said = f"the API server rejects the {rejection.kind} {rejection.name}: {rejection.message}"
    unknown = [f"spec.podTemplate{path}" for path in _UNDECLARED.findall(rejection.message)]
    if not unknown:
        return said
    return f"{', '.join(unknown)}: not a field of a pod; correct or remove it; {said}"


def paused(situation: Situation) -> Decision:
    """Everything stays as it is until the annotation is removed."""
    target = situation.target
    if target.status.get("paused"):
        return Decision()
    event = Event(
        EventType.NORMAL, str(EventReason.PAUSED), "nothing is changed until the annotation is removed", "Pause"
    )
    return Decision(status={**target.status, "paused": True}, events=(event,))
