"""What the administrator forbids pod templates is refused before anything is planned or applied."""

from __future__ import annotations

from dataclasses import replace

from lifecycle_world import MODEL, World
from vlm_operator.lifecycle.decide import decide
from vlm_operator.rendering import PodTemplatePolicy

SPEC = {
    "model": {"id": MODEL},
    "podTemplate": {"spec": {"volumes": [{"name": "root", "hostPath": {"path": "/"}}]}},
}


def test_a_pod_template_that_reaches_for_the_node_is_refused_by_name_with_the_next_step() -> None:
    world = World(spec=SPEC)
    assert world.settle() == "Stalled"
    planned = world.condition("Planned")
    assert planned["reason"] == "InvalidSpec"
    assert "spec.podTemplate.spec.volumes[root].hostPath" in planned["message"]
    assert "podTemplatePolicy: Unrestricted" in planned["message"]
    assert world.deployment is None


def test_without_restriction_it_is_applied() -> None:
    situation = replace(World(spec=SPEC).situation(), pod_template_policy=PodTemplatePolicy.UNRESTRICTED)
    assert [child["kind"] for child in decide(situation).children] == ["Deployment", "Service"]
