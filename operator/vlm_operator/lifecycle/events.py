"""From what just changed to the events that report it: each transition once, none in steady state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from vlm_operator.api.conditions import ConditionType, EventReason
from vlm_operator.api.lifecycle_reasons import LifecycleReason
from vlm_operator.api.names import FIELD_MANAGER, FINGERPRINT_ANNOTATION
from vlm_operator.lifecycle.children import runs_the_server
from vlm_operator.lifecycle.conditions import Condition, status_of
from vlm_operator.lifecycle.decision import Event, EventType
from vlm_operator.lifecycle.next_plan import NextPlan
from vlm_operator.lifecycle.recording import Recorded
from vlm_operator.lifecycle.situation import Manifest, Target
from vlm_operator.lifecycle.startup_outcome import StartupOutcome, StartupState
from vlm_operator.units import format_gib


def event(kind: EventType, reason: EventReason, message: str, action: str) -> Event:
    """An event with one of the listed reasons."""
    return Event(kind, str(reason), message, action)


def startup_events(recorded: Recorded) -> Iterator[Event]:
    """The failure that was just recorded."""
    if recorded.failed is not None:
        words = f"{recorded.failed.reason}: {recorded.failed.message}"
        yield event(EventType.WARNING, _of_failure(recorded.failed.reason), words, "Diagnose")


def _of_failure(reason: str | None) -> EventReason:
    """The event that tells of a failure: of the start-up, or of a server that had started."""
    in_service = reason == LifecycleReason.OUT_OF_MEMORY_IN_SERVICE.value
    return EventReason.OUT_OF_MEMORY_IN_SERVICE if in_service else EventReason.STARTUP_FAILED


def node_events(before: Manifest, outcome: StartupOutcome, recorded: Recorded) -> Iterator[Event]:
    """A fault of the node that is waited for, where the status does not hold it yet."""
    if recorded.waits_for is None or outcome.state not in {StartupState.NODE_FAULT, StartupState.FAILED}:
        return
    words = ": ".join(recorded.waits_for)
    if not any(words in item["message"] for item in before.get("conditions") or ()):
        reason = _of_failure(recorded.waits_for[0])
        reason = EventReason.NODE_FAULT if reason is EventReason.STARTUP_FAILED else reason
        yield event(EventType.WARNING, reason, words, "Wait")


def resumed_event() -> Event:
    """The annotation that paused the operator is gone."""
    return event(EventType.NORMAL, EventReason.RESUMED, "the operator manages it again", "Resume")


def observed_event(observation: Manifest, known: Iterable[Manifest]) -> Event | None:
    """A start-up that was just added to an observation; None where only its use was noted."""
    name, spec = observation["metadata"]["name"], observation["spec"]
    before: Mapping[str, Any] = next((item["spec"] for item in known if item["metadata"]["name"] == name), {})
    if spec.get("lastRun") == before.get("lastRun"):
        return None
    size = ((spec.get("measured") or {}).get("kvCache") or {}).get("latestBytes")
    found = f"KV cache {format_gib(size)}; " if size is not None else ""
    words = f"{found}{spec.get('started', 0)} started and {spec.get('failed', 0)} failed start-ups in {name}"
    return event(EventType.NORMAL, EventReason.OBSERVED, f"recorded as StartupObservation: {words}", "Observe")


def applied_event(manifest: Manifest, live: Manifest | None, target: Target) -> Event | None:
    """What the application of a child means: deployed to the plan, or repaired after somebody changed it.

    A Service that is created or changed along with the plan is not told.
    """
    kind, name = manifest["kind"], manifest["metadata"]["name"]
    ran = any(item.get("outcome") == "Started" for item in target.status.get("attempts") or ())
    is_same_spec = target.status.get("observedGeneration") == target.generation
    if is_same_spec and live is None and ran:
        words = f"{kind} {name} was deleted and has been created again"
        return event(EventType.WARNING, EventReason.REPAIRED, words, "Apply")
    if is_same_spec and live is not None and (others := _other_writers(live)) and _same_command(manifest, live):
        words = f"{kind} {name} was changed by {', '.join(others)} and has been put back"
        return event(EventType.WARNING, EventReason.REPAIRED, words, "Apply")
    command = (manifest["metadata"].get("annotations") or {}).get(FINGERPRINT_ANNOTATION)
    if not runs_the_server(manifest) or command is None:
        return None
    stopped = " with no replica" if (manifest.get("spec") or {}).get("replicas") == 0 else ""
    done = "created" if live is None else "changed"
    words = f"{kind} {name} was {done}{stopped}; fingerprint of its command: {command}"
    return event(EventType.NORMAL, EventReason.DEPLOYED, words, "Apply")


def _other_writers(live: Manifest) -> list[str]:
    """Field managers other than this operator that own fields of the object's spec."""
    found = {
        str(entry.get("manager"))
        for entry in (live.get("metadata") or {}).get("managedFields") or ()
        if not entry.get("subresource") and "f:spec" in (entry.get("fieldsV1") or {})
    }
    return sorted(found - {FIELD_MANAGER})


def _same_command(manifest: Manifest, live: Manifest) -> bool:
    one, other = (
        ((item.get("metadata") or {}).get("annotations") or {}).get(FINGERPRINT_ANNOTATION) for item in (manifest, live)
    )
    return bool(one == other)


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
