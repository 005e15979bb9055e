"""What Ready sums up, when a transition happened, and what a start-up leaves in the status."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lifecycle_world import MODEL, World
from vlm_operator.api.conditions import ConditionType
from vlm_operator.lifecycle.conditions import LONGEST_MESSAGE, Condition, Status, summary, written
from vlm_operator.units import GIB

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def condition(kind: ConditionType, status: Status) -> Condition:
    return Condition(kind, status, f"{kind}Reason", f"{kind} message")


@pytest.mark.parametrize(
    ("planned", "verified", "available", "ready", "speaks"),
    [
        pytest.param("True", "True", "True", "True", None, id="all are"),
        pytest.param("False", "Unknown", "False", "False", "Planned", id="there is no plan"),
        pytest.param("Unknown", "Unknown", "False", "Unknown", "Planned", id="nobody knows whether there is one"),
        pytest.param("True", "False", "False", "False", "CapacityVerified", id="the check failed"),
        pytest.param("True", "Unknown", "False", "False", "CapacityVerified", id="not checked yet: not ready"),
        pytest.param("True", "True", "False", "False", "Available", id="it does not serve"),
        pytest.param("True", "True", "Unknown", "False", "Available", id="whether it serves is not known: not ready"),
    ],
)
def test_ready_says_what_the_first_says_that_is_not(
    planned: Status, verified: Status, available: Status, ready: str, speaks: str | None
) -> None:
    found = summary(
        condition(ConditionType.PLANNED, planned),
        condition(ConditionType.CAPACITY_VERIFIED, verified),
        condition(ConditionType.AVAILABLE, available),
    )
    assert (found.type, found.status) == (ConditionType.READY, ready)
    assert found.reason == ("Serving" if speaks is None else f"{speaks}Reason")
    assert found.message == ("CapacityVerified message" if speaks is None else f"{speaks} message")


def test_a_transition_keeps_its_time_while_the_status_stays() -> None:
    first = written([condition(ConditionType.READY, "False")], {}, 1, NOON)
    assert first[0]["lastTransitionTime"] == "2026-11-24T12:00:00Z"
    later = NOON + timedelta(hours=1)
    same = written([Condition(ConditionType.READY, "False", "Other", "words")], {"conditions": first}, 2, later)
    assert same[0]["lastTransitionTime"] == "2026-11-24T12:00:00Z"
    assert (same[0]["reason"], same[0]["observedGeneration"]) == ("Other", 2)
    other = written([condition(ConditionType.READY, "True")], {"conditions": first}, 2, later)
    assert other[0]["lastTransitionTime"] == "2026-11-24T13:00:00Z"


def test_a_message_is_as_long_as_the_api_allows() -> None:
    found = written([Condition(ConditionType.READY, "False", "R", "x" * (LONGEST_MESSAGE + 1))], {}, 1, NOON)
    assert len(found[0]["message"]) == LONGEST_MESSAGE


def settled() -> dict[str, Any]:
    world = World(spec={"model": {"id": MODEL}, "goal": "SingleUser"}, error_bytes=GIB)
    assert world.settle() == "Ready"
    return world.status


def test_a_failed_and_a_served_start_up_are_told_with_their_numbers() -> None:
    failed, served = settled()["attempts"]
    assert (failed["outcome"], failed["reason"]) == ("Failed", "KVCacheTooSmall")
    assert failed["numbers"]["kvCacheBytes"] > 0
    assert (served["outcome"], served.get("reason")) == ("Started", None)
    assert "missingBytes" not in served["numbers"]
    assert "outsideBudget" not in served["numbers"]


def test_what_was_measured_stands_beside_what_was_predicted() -> None:
    status = settled()
    observed = status["observed"]
    assert observed["fingerprint"] == status["attempts"][-1]["fingerprint"]
    assert observed["predictedKvTokens"] == status["plan"]["container"]["capacityTokens"]
    assert observed["kvTokens"] == status["attempts"][-1]["numbers"]["kvTokens"]
    assert observed["kvCacheBytes"] == status["attempts"][-1]["numbers"]["kvCacheBytes"]
    assert observed["concurrency"] > 0


def test_what_was_measured_stays_while_nothing_new_is() -> None:
    world = World(spec={"model": {"id": MODEL}, "goal": "SingleUser"})
    world.settle()
    before = world.status["observed"]
    world.reconcile()
    assert world.status["observed"] == before
