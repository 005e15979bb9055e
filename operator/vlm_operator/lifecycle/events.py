"""From what just changed to the events that report it: each transition once, none in steady state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from vlm_operator.api.conditions import ConditionType, EventReason
from vlm_operator.lifecycle.conditions import Condition, status_of
from vlm_operator.lifecycle.decision import Event, EventType
from vlm_operator.lifecycle.next_plan import NextPlan
from vlm_operator.lifecycle.recording import Recorded
from vlm_operator.lifecycle.situation import Manifest


def event(kind: EventType, reason: EventReason, message: str, action: str) -> Event:
    """An event with one of the listed reasons."""
    return Event(kind, str(reason), message, action)


def startup_events(recorded: Recorded) -> Iterator[Event]:
    """The failure that was just recorded."""
    if recorded.failed is not None:
        words = f"{recorded.failed.reason}: {recorded.failed.message}"
        yield event(EventType.WARNING, EventReason.STARTUP_FAILED, words, "Diagnose")


def plan_events(step: NextPlan) -> Iterator[Event]:
    """The plan that was just made and will be tried."""
    if not step.is_new or step.stop is not None or step.planned is None or step.planned.plan is None:
        return
    if not step.planned.plan.fits:
        return
    message = step.planned.plan.message
    if step.change is not None:
        yield event(EventType.NORMAL, EventReason.RETUNED, f"{step.change}: {message}", "Retune")
    else:
        yield event(EventType.NORMAL, EventReason.PLANNED, message, "Plan")


def refusal_events(before: Manifest, planned: Condition) -> Iterator[Event]:
    """A refusal whose status or words are not those that were written last."""
    for item in before.get("conditions") or ():
        said = (item["status"], item["message"])
        if item["type"] == str(ConditionType.PLANNED) and said == (planned.status, planned.message):
            return
    reason = EventReason.PLAN_UNKNOWN if planned.status == "Unknown" else EventReason.DOES_NOT_FIT
    yield event(EventType.WARNING, reason, f"{planned.reason}: {planned.message}", "Plan")


def transition_events(before: Manifest, conditions: Iterable[Condition], *, is_stopped: bool) -> Iterator[Event]:
    """Conditions whose status is not the one written last."""
    for condition in conditions:
        old = status_of(before, condition.type)
        if old == condition.status:
            continue
        if condition.type is ConditionType.CAPACITY_VERIFIED and condition.status == "True":
            yield event(EventType.NORMAL, EventReason.CAPACITY_VERIFIED, condition.message, "Verify")
        elif condition.type is ConditionType.READY and condition.status == "True":
            yield event(EventType.NORMAL, EventReason.READY, condition.message, "Verify")
        elif condition.type is ConditionType.READY and old == "True":
            yield event(EventType.WARNING, EventReason.NOT_READY, condition.message, "Verify")
        elif condition.type is ConditionType.STALLED and is_stopped:
            yield event(EventType.WARNING, EventReason.STOPPED, condition.message, "Stop")
