"""What a server that serves tells of its requests: the counts in the status, the condition, the event.

The words of the condition are worked out where a count has changed, and kept as they stand otherwise: a plan for every
look would be paid for nothing, and a status that says the same again is not written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from vlm_operator.api.conditions import ConditionType, EventReason
from vlm_operator.api.lifecycle_reasons import LifecycleReason
from vlm_operator.lifecycle.conditions import Condition, Status
from vlm_operator.lifecycle.decision import Event, EventType
from vlm_operator.lifecycle.history import History
from vlm_operator.lifecycle.planned import Planned, Planner
from vlm_operator.lifecycle.recommended import recommendation_status
from vlm_operator.lifecycle.request_counts import RequestCounts, counted
from vlm_operator.lifecycle.situation import Manifest
from vlm_operator.lifecycle.sufficient import WhatWouldServe


@dataclass(frozen=True, slots=True)
class InService:
    """What a server's requests add to a decision.

    Attributes:
        status: fields of the status.
        conditions: none before a server served, or where its log cannot be read.
    """

    status: Mapping[str, Any]
    conditions: tuple[Condition, ...] = ()
    events: tuple[Event, ...] = ()


def in_service(planner: Planner, planned: Planned, history: History) -> InService:
    """What the running command refused until now, and what its traffic needs."""
    needs = recommendation_status(planner, planned, history)
    found = _refused(planner, planned, history)
    return replace(found, status={**found.status, **({"recommendation": needs} if needs else {})})


def _refused(planner: Planner, planned: Planned, history: History) -> InService:
    situation, server = planner.situation, planner.server(planned)
    before = RequestCounts.of_status(situation.target.status)
    running = {pod.uid for pod in situation.pods if server.runs_in(pod)}
    logs = [log for log in situation.service_logs if log.key.pod_uid in running]
    present = frozenset(pod.uid for pod in situation.pods)
    counts = counted(before, logs, server.fingerprint, present, situation.now)
    if counts is None:
        return InService({})
    said = _as_it_stands(situation.target.status)
    unnamed = situation.seen.refused if situation.seen is not None else 0
    if unnamed and not counts.refused.too_long and not counts.refused.items:
        said = _unnamed(unnamed)
    elif said is None or counts != before or _generation(situation.target.status) != situation.target.generation:
        said = _condition(planner, planned, history, counts)
    events = _events(situation.target.status, said)
    return InService({"requests": counts.to_status()}, (said,), events)


def _condition(planner: Planner, planned: Planned, history: History, counts: RequestCounts) -> Condition:
    kind, refused = ConditionType.CONTEXT_SUFFICIENT, counts.refused
    if not refused.too_long and not refused.items:
        words = f"no request was refused for its length or its items since {counts.since}"
        return Condition(kind, "True", LifecycleReason.NO_REQUEST_REFUSED.value, words)
    would = WhatWouldServe(planner, planned, history, planned.settings.max_model_len or 0)
    reason = LifecycleReason.CONTEXT_TOO_SHORT if refused.too_long else LifecycleReason.ITEMS_REFUSED
    return Condition(kind, "False", reason.value, would.words(refused))


def _unnamed(count: int) -> Condition:
    words = (
        f"{count:,} requests were answered with a client error, and the log does not say why: some may have been too "
        "long; look at what the clients were answered"
    )
    return Condition(ConditionType.CONTEXT_SUFFICIENT, "Unknown", LifecycleReason.REFUSALS_UNNAMED.value, words)


def _stated(status: Manifest) -> Mapping[str, Any] | None:
    found = (item for item in status.get("conditions") or () if item["type"] == str(ConditionType.CONTEXT_SUFFICIENT))
    return next(found, None)


def _as_it_stands(status: Manifest) -> Condition | None:
    """The condition as it was written last."""
    item = _stated(status)
    if item is None:
        return None
    stated: Status = item["status"]
    return Condition(ConditionType.CONTEXT_SUFFICIENT, stated, item["reason"], item["message"])


def _generation(status: Manifest) -> int | None:
    item = _stated(status)
    return None if item is None else item.get("observedGeneration")


def _events(before: Manifest, said: Condition) -> tuple[Event, ...]:
    """Told where requests begin to be refused; further ones only change the condition's words."""
    item = _stated(before)
    if said.status != "False" or (item is not None and item["status"] == "False"):
        return ()
    return (Event(EventType.WARNING, EventReason.REQUESTS_REFUSED.value, said.message, "Count"),)
