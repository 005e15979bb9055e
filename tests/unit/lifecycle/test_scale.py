"""The scale subresource: what autoscalers read, and that a changed number of replicas changes nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle_world import MODEL, UNSUPPORTED_LOG, World
from vlm_operator.lifecycle.scale import scale_status

PODS = "vlm-operator.dev/vlmdeployment=demo"


@pytest.mark.parametrize(
    ("children", "wanted"),
    [
        pytest.param((), {"replicas": 0, "selector": PODS}, id="nothing is there yet"),
        pytest.param(({"kind": "Service", "status": {}},), {"replicas": 0, "selector": PODS}, id="a Service alone"),
        pytest.param(
            ({"kind": "Deployment", "spec": {"replicas": 3}, "status": {"replicas": 2, "readyReplicas": 1}},),
            {"replicas": 2, "selector": PODS},
            id="replicas that exist, ready or not",
        ),
        pytest.param(
            ({"kind": "Deployment", "spec": {"replicas": 0}, "status": {}},),
            {"replicas": 0, "selector": PODS},
            id="scaled to zero",
        ),
        pytest.param(
            ({"kind": "Deployment", "status": {"replicas": 2, "hpaPodSelector": "leader=0"}},),
            {"replicas": 2, "selector": "leader=0"},
            id="a child that says which pods are measured",
        ),
    ],
)
def test_what_exists_is_counted(children: tuple[dict[str, Any], ...], wanted: dict[str, Any]) -> None:
    assert scale_status("demo", children) == wanted


def scaled(world: World, replicas: int) -> None:
    """What ``kubectl scale`` does: another spec, another generation."""
    world.spec = {**world.spec, "replicas": replicas}
    world.generation += 1


@pytest.mark.parametrize("replicas", [0, 2, 7])
def test_scaling_changes_the_number_and_nothing_else(replicas: int) -> None:
    world = World(spec={"model": {"id": MODEL}, "replicas": 1})
    assert world.settle() == "Ready"
    before, plan, attempts = world.deployment, world.status["plan"], world.status["attempts"]
    assert before is not None
    scaled(world, replicas)
    decision = world.decide()
    (deployment,) = (child for child in decision.children if child["kind"] == "Deployment")
    assert deployment["spec"]["replicas"] == replicas
    assert deployment["spec"]["template"] == before["spec"]["template"]
    assert decision.status is not None
    assert (decision.status["plan"], decision.status["attempts"]) == (plan, attempts)
    assert decision.status["observedGeneration"] == world.generation
    assert decision.delete == ()


def test_scaled_to_zero_and_back_the_same_command_runs() -> None:
    world = World(spec={"model": {"id": MODEL}, "replicas": 1})
    world.settle()
    for replicas in (0, 1):
        scaled(world, replicas)
        world.reconcile()
    assert world.settle() == "Ready"
    assert len(set(world.commands)) == 1


def test_scaling_a_stopped_server_does_not_start_it() -> None:
    world = World(spec={"model": {"id": MODEL}, "replicas": 1}, script=[UNSUPPORTED_LOG])
    assert world.settle() == "Stalled"
    scaled(world, 3)
    (deployment,) = (child for child in world.decide().children if child["kind"] == "Deployment")
    assert deployment["spec"]["replicas"] == 0
