"""Out of memory after a clean start: one step within the user's bounds, remembered for others, and never a stop."""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle_world import MODEL, World, flags_of
from vlm_operator.lifecycle.observations import evidence_of
from vlm_operator.units import GIB

PINNED: dict[str, Any] = {
    "contextLength": 8192,
    "gpuMemoryUtilization": 0.9,
    "maxNumSeqs": 4,
    "maxNumBatchedTokens": 2048,
    "kvCacheDtype": "auto",
    "enforceEager": False,
    "limitMMPerPrompt": {"image": 1, "video": 0},
    "mmProcessorKwargs": {"max_pixels": 1000000},
}


def served(**spec: Any) -> World:
    world = World(spec={"model": {"id": MODEL}, **spec})
    assert world.settle() == "Ready"
    return world


def utilization(world: World) -> float:
    return float(flags_of(world.commands[-1])["--gpu-memory-utilization"])


def test_the_utilisation_falls_by_what_was_missing() -> None:
    world = served()
    before = utilization(world)
    world.runs_out_in_service(missing=1.0)
    assert world.settle() == "Ready"
    assert len(world.commands) == 2
    assert utilization(world) == pytest.approx(before - 0.04)  # 1 GiB of 31.36 in hundredths, rounded away from it
    attempts = [(each["outcome"], each.get("reason")) for each in world.status["attempts"]]
    assert attempts == [("Failed", "OutOfMemoryInService"), ("Started", None)]


def test_it_is_told_apart_from_a_failed_start_up() -> None:
    world = served()
    world.runs_out_in_service()
    world.reconcile()
    told = [event for event in world.events if event.reason in {"OutOfMemoryInService", "StartupFailed"}]
    assert [event.reason for event in told] == ["OutOfMemoryInService"]
    assert "after a clean start, while it served" in told[0].message
    assert "Retuned" in [event.reason for event in world.events]


def test_where_the_utilisation_is_pinned_something_else_gives_way() -> None:
    world = served(engine={"gpuMemoryUtilization": 0.9})
    world.runs_out_in_service()
    assert world.settle() == "Ready"
    assert utilization(world) == 0.9
    first, second = (flags_of(command) for command in world.commands)
    assert first != second


def test_where_everything_is_pinned_the_same_command_goes_on() -> None:
    world = served(engine=PINNED)
    world.runs_out_in_service()
    world.reconcile()
    assert len(world.commands) == 1
    assert world.condition("Stalled") == {}
    assert "so Kubernetes restarts it" in world.condition("Available")["message"]
    assert [event.reason for event in world.events].count("OutOfMemoryInService") == 1
    assert world.settle() == "Ready"


def test_a_server_that_served_is_never_stopped_however_often_it_happens() -> None:
    world = served(retune={"maxAttempts": 1})
    for _ in range(4):
        world.runs_out_in_service()
        assert world.settle() == "Ready"
    assert len(world.commands) == 2, "one step, then the same command again and again"


def test_no_step_is_taken_where_none_is_allowed() -> None:
    world = served(retune={"maxAttempts": 0})
    world.runs_out_in_service()
    assert world.settle() == "Ready"
    assert len(world.commands) == 1


def test_the_peak_and_what_was_missing_are_observed() -> None:
    world = served()
    started = {name: item["spec"]["started"] for name, item in world.observations.items()}
    world.runs_out_in_service(missing=1.0)
    world.reconcile()
    measured = [item["spec"] for item in world.observations.values() if "servingPeak" in item["spec"]["measured"]]
    assert len(measured) == 1
    found = measured[0]["measured"]
    assert found["servingShortage"]["latestBytes"] == pytest.approx(GIB, rel=0.01)
    assert found["servingPeak"]["latestBytes"] == pytest.approx((31.36 - 0.4 + 1.4) * GIB, rel=0.01)
    assert (measured[0]["outcome"], measured[0]["reason"]) == ("Failed", "OutOfMemoryInService")
    assert {name: item["spec"]["started"] for name, item in world.observations.items()} == started, "counted once"


def test_later_plans_of_the_same_kind_keep_the_reserve() -> None:
    world = served()
    world.runs_out_in_service()
    world.settle()
    other = World(observations=dict(world.observations))
    assert other.settle() == "Ready"
    assert utilization(other) == utilization(world)
    assert any("in service" in sentence for sentence in other.status["plan"]["explanation"])


def test_a_shortage_of_another_key_is_nobodys() -> None:
    world = served()
    world.runs_out_in_service()
    world.settle()
    (item, *_) = [each for each in world.observations.values() if "servingPeak" in each["spec"]["measured"]]
    from vlm_operator.lifecycle.observations import ObservationKey

    key = item["spec"]["key"]
    same = ObservationKey(key["model"], key["revision"], key["gpuProduct"], key["gpuResource"], key["vllmVersion"])
    other = ObservationKey("another", key["revision"], key["gpuProduct"], key["gpuResource"], key["vllmVersion"])
    assert evidence_of((item,), same).serving_ceiling(32 * GIB) is not None
    assert evidence_of((item,), other).serving_ceiling(32 * GIB) is None
