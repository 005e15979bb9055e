"""A pod of a command that has failed is not given a minute to end: the next one waits for its GPU."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lifecycle_world import UNKNOWN_LOG, World
from vlm_operator.lifecycle.decision import ChildReference
from vlm_operator.units import GIB

SHORT = ChildReference("v1", "Pod", "demo-1", uid="pod-1", grace_seconds=1)


def retuned() -> World:
    world = World(spec={"model": {"id": "example/qwen3-vl-8b"}, "goal": "SingleUser"}, error_bytes=GIB)
    world.reconcile()
    old = world.pod
    world.start_up()
    failed = world.pod
    world.reconcile()
    assert old is not None
    assert failed is not None
    world.pod = failed
    return world


@pytest.mark.parametrize(
    ("change", "deleted"),
    [
        pytest.param(
            {"deleting": True, "grace_seconds": 60},
            (SHORT,),
            id="it has a minute: one second",
        ),
        pytest.param({"deleting": True, "grace_seconds": 1}, (), id="it has one second already"),
        pytest.param({"deleting": False}, (SHORT,), id="before its controller ends it"),
        pytest.param(
            {"deleting": True, "grace_seconds": 60, "annotations": {}}, (), id="nobody knows which command it runs"
        ),
        pytest.param({"deleting": False, "annotations": {}}, (), id="the same before its controller ends it"),
    ],
)
def test_a_pod_that_a_retune_replaces(change: dict[str, Any], deleted: tuple[ChildReference, ...]) -> None:
    world = retuned()
    assert world.pod is not None
    world.pod = replace(world.pod, **change)
    assert world.decide().delete == deleted


def test_a_pod_that_serves_keeps_its_time() -> None:
    world = World()
    world.settle()
    assert world.pod is not None
    world.pod = replace(world.pod, deleting=True, grace_seconds=60)
    assert world.decide().delete == ()


def test_a_pod_of_a_stopped_server_is_ended_soon() -> None:
    world = World(script=[UNKNOWN_LOG])
    world.reconcile()
    world.start_up()
    failed = world.pod
    world.reconcile()
    assert world.condition("Stalled")
    assert failed is not None
    world.pod = replace(failed, deleting=True, grace_seconds=60)
    assert world.decide().delete == (SHORT,)


def test_it_is_ended_in_the_same_pass_that_changes_the_deployment() -> None:
    world = World(spec={"model": {"id": "example/qwen3-vl-8b"}, "goal": "SingleUser"}, error_bytes=GIB)
    world.reconcile()
    world.start_up()
    before = world.deployment
    decision = world.decide()
    assert decision.children[0] != before
    assert decision.delete == (SHORT,)
