"""Build the conditions: four that are always present, two of kstatus while they are true."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from vlm_operator.api.conditions import ConditionType
from vlm_operator.lifecycle.situation import Manifest

Status = Literal["True", "False", "Unknown"]

LONGEST_MESSAGE: Final = 4096


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition as it should be."""

    type: ConditionType
    status: Status
    reason: str
    message: str


def summary(planned: Condition, verified: Condition, available: Condition) -> Condition:
    """``Ready``: True exactly if all three are; else it says what the first of them says that is not."""
    for condition in (planned, verified, available):
        if condition.status != "True":
            status: Status = "False" if condition.status == "False" else "Unknown"
            if condition.type is not ConditionType.PLANNED and status == "Unknown":
                status = "False"
            return Condition(ConditionType.READY, status, condition.reason, condition.message)
    return Condition(ConditionType.READY, "True", "Serving", verified.message)


def written(conditions: Iterable[Condition], before: Manifest, generation: int, now: datetime) -> list[dict[str, Any]]:
    """As ``status.conditions``: the transition time stays where the status stays."""
    known: dict[str, Mapping[str, Any]] = {item["type"]: item for item in before.get("conditions") or ()}
    stamp = timestamp(now)
    result = []
    for condition in conditions:
        old = known.get(str(condition.type))
        same = old is not None and old["status"] == condition.status
        result.append(
            {
                "type": str(condition.type),
                "status": condition.status,
                "observedGeneration": generation,
                "lastTransitionTime": old["lastTransitionTime"] if same and old is not None else stamp,
                "reason": condition.reason,
                "message": condition.message[:LONGEST_MESSAGE],
            }
        )
    return result


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, whole seconds, as Kubernetes writes it."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def status_of(status: Manifest, condition_type: ConditionType) -> str | None:
    """The status of a condition as last written, None if it was not."""
    for item in status.get("conditions") or ():
        if item["type"] == str(condition_type):
            return str(item["status"])
    return None
