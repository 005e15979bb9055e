"""How often a failed start-up is answered with other flags, and when a situation is looked at again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from lifecycle_world import MODEL, World
from vlm_operator.errors import InputError, ModelNotFound, SourceUnavailable, UnknownFact, VlmOperatorError
from vlm_operator.lifecycle.decide import decide
from vlm_operator.lifecycle.decision import Decision
from vlm_operator.units import GIB


@pytest.mark.parametrize("allowed", [0, 1, 2, 3, 4])
def test_as_many_changed_commands_are_tried_as_the_spec_allows(allowed: int) -> None:
    """Each start-up finds 2 GiB less than the one before, so that no command but the last could serve."""
    world = World(spec={"model": {"id": MODEL}, "goal": "SingleUser", "retune": {"maxAttempts": allowed}})
    for _ in range(allowed + 3):
        world.reconcile()
        world.reconcile()
        if world.condition("Stalled").get("status") == "True":
            break
        world.error_bytes += 2 * GIB
        world.start_up()
    assert len(world.commands) == 1 + allowed
    assert len(set(world.commands)) == len(world.commands), "no command is tried twice"
    assert world.condition("Stalled")["reason"] == ("RetuneExhausted" if allowed else "RetuneDisabled")
    assert world.status["attemptsMade"] == 1 + allowed


def refused(error: VlmOperatorError) -> tuple[Decision, dict[str, dict[str, Any]]]:
    """What is decided where the facts of the model are not to be had, and its conditions."""
    world = World(spec={"model": {"id": MODEL}, "dryRun": "Never"})
    decision = decide(replace(world.situation(), model=None, model_error=error))
    assert decision.status is not None
    return decision, {item["type"]: item for item in decision.status["conditions"]}


def test_a_model_source_that_is_away_is_asked_again_and_nothing_is_stalled() -> None:
    decision, conditions = refused(SourceUnavailable("the Hub does not answer"))
    assert decision.requeue_after == 30.0
    assert conditions["Planned"]["reason"] == "ModelSourceUnavailable"
    assert "the Hub does not answer" in conditions["Planned"]["message"]
    assert conditions["Reconciling"]["status"] == "True"
    assert conditions.get("Stalled", {}).get("status") != "True"


@pytest.mark.parametrize(
    ("error", "reason", "status"),
    [
        pytest.param(ModelNotFound("no such model"), "ModelNotFound", "False", id="no such model"),
        pytest.param(UnknownFact("no layout", field="model"), "ModelLayoutUnknown", "Unknown", id="layout not known"),
        pytest.param(
            UnknownFact("no rules", field="engine.image"), "EngineVersionUnknown", "Unknown", id="release not known"
        ),
        pytest.param(InputError("a bad field", field="model"), "InvalidSpec", "False", id="a bad field"),
    ],
)
def test_what_only_a_change_can_mend_is_stalled_and_not_asked_again(
    error: VlmOperatorError, reason: str, status: str
) -> None:
    decision, conditions = refused(error)
    assert decision.requeue_after is None
    assert (conditions["Planned"]["reason"], conditions["Planned"]["status"]) == (reason, status)
    assert conditions["Stalled"]["status"] == "True"


def test_a_model_whose_facts_are_being_read_is_waited_for() -> None:
    decision = decide(replace(World().situation(), model=None))
    assert decision.requeue_after == 1.0
    assert decision.children == ()
