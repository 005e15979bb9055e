"""What one VLMDeployment was given, no other is given before a pod holds it."""

from __future__ import annotations

from typing import Any

from vlm_operator.controller.queue import Key
from vlm_operator.controller.reservations import Reservations
from vlm_operator.lifecycle.situation import AwaitedGPUs

ONE, TWO = Key("default", "one"), Key("default", "two")
GIVEN: dict[str, Any] = {"plan": {"fingerprint": "f", "gpu": {"product": "Tesla-T4", "resource": "r", "count": 1}}}
T4 = AwaitedGPUs("Tesla-T4", "r", 1)


def given(status: dict[str, Any]) -> Reservations:
    reservations = Reservations()
    reservations.given(ONE, status)
    return reservations


def test_it_counts_for_others_until_a_pod_holds_it() -> None:
    reservations = given(GIVEN)
    assert reservations.awaited(TWO, ()) == (T4,)
    assert reservations.awaited(TWO, {ONE}) == ()
    assert reservations.awaited(ONE, ()) == ()


def test_a_group_waits_for_the_gpus_of_each_of_its_nodes() -> None:
    gpu = {"product": "Tesla-T4", "resource": "r", "count": 16, "nodesPerReplica": 2}
    assert given({"plan": {"fingerprint": "f", "gpu": gpu}}).awaited(TWO, ()) == (AwaitedGPUs("Tesla-T4", "r", 8, 2),)


def test_a_condition_that_is_no_stop_keeps_what_was_given() -> None:
    conditions = [{"type": "Stalled", "status": "False"}, {"type": "Planned", "status": "True"}]
    assert given({**GIVEN, "conditions": conditions}).awaited(TWO, ()) == (T4,)


def test_what_is_stopped_refused_or_gone_holds_nothing() -> None:
    stopped = {**GIVEN, "conditions": [{"type": "Stalled", "status": "True"}]}
    for status in (stopped, {"plan": {"gpu": GIVEN["plan"]["gpu"]}}, {}):
        reservations = given(GIVEN)
        reservations.given(ONE, status)
        assert reservations.awaited(TWO, ()) == ()
    reservations = given(GIVEN)
    reservations.forget(ONE)
    assert reservations.awaited(TWO, ()) == ()
