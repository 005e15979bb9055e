"""A child that the API server does not take shows in the status, with the field where its words name one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lifecycle_world import World
from vlm_operator.lifecycle.decide import decide
from vlm_operator.lifecycle.decision import Decision
from vlm_operator.lifecycle.refusal import refusal_words
from vlm_operator.lifecycle.situation import Rejection

REFUSED = Rejection(
    "Deployment",
    "demo",
    "PATCH /x: 500 no reason given: failed to create typed patch object (default/demo; apps/v1, Kind=Deployment): "
    ".spec.template.spec.toleration: field not declared in schema",
    generation=1,
    digest="d",
)
AWAY = Rejection("Deployment", "demo", "PATCH /x: 503 etcd is away", generation=1, transient=True)


def decided(world: World, rejection: Rejection) -> Decision:
    return decide(replace(world.situation(), rejection=rejection))


def condition(decision: Decision, kind: str) -> dict[str, str]:
    assert decision.status is not None
    return next((item for item in decision.status["conditions"] if item["type"] == kind), {})


def test_a_misspelt_field_of_the_overlay_is_named_first_and_nothing_says_that_it_starts() -> None:
    decision = decided(World(), REFUSED)
    stalled = condition(decision, "Stalled")
    assert stalled["reason"] == "InvalidSpec"
    assert stalled["message"].startswith("spec.podTemplate.spec.toleration: not a field of a pod")
    assert condition(decision, "Planned")["status"] == "False"
    assert decision.status is not None
    assert decision.status["refusal"] == REFUSED.to_status()


def test_after_a_restart_the_status_stays_as_it_is_and_no_event_is_told() -> None:
    world = World()
    first = decided(world, REFUSED)
    assert first.status is not None
    world.status = dict(first.status)
    restored = Rejection.of_status(world.situation().target)
    assert restored == REFUSED
    again = decided(world, restored)
    assert again.status == first.status
    assert again.events == ()


def test_the_refusal_of_an_earlier_generation_counts_no_longer() -> None:
    world = World()
    world.status = dict(decided(world, REFUSED).status or {})
    world.generation = 2
    assert Rejection.of_status(world.situation().target) is None


def test_once_it_is_taken_the_refusal_goes() -> None:
    world = World()
    world.status = dict(decided(world, REFUSED).status or {})
    world.reconcile()
    assert "refusal" not in world.status


def test_a_child_that_cannot_be_applied_just_now_keeps_its_plan_and_is_said() -> None:
    decision = decided(World(), AWAY)
    assert condition(decision, "Planned")["status"] == "True"
    for kind in ("CapacityVerified", "Ready", "Reconciling"):
        assert condition(decision, kind)["reason"] == "ApplyFailed"
        assert "etcd is away" in condition(decision, kind)["message"]
    assert not condition(decision, "Stalled")


def test_a_server_that_serves_stays_ready_while_a_change_cannot_be_applied() -> None:
    world = World()
    world.settle()
    decision = decided(world, AWAY)
    assert condition(decision, "Ready")["status"] == "True"
    assert condition(decision, "Reconciling")["reason"] == "ApplyFailed"


@pytest.mark.parametrize(
    ("message", "begins"),
    [
        pytest.param("422: spec.replicas: Invalid value", "the API server rejects the Service s", id="others"),
        pytest.param(
            ".spec.template.spec.a: field not declared in schema .spec.template.b: field not declared in schema",
            "spec.podTemplate.spec.a, spec.podTemplate.b: not a field", id="two fields"),
    ],
)  # fmt: skip
def test_the_fields_that_the_words_name(message: str, begins: str) -> None:
    assert refusal_words(Rejection("Service", "s", message, 1)).startswith(begins)
