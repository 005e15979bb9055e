"""The list of reasons is closed, and each says what to do."""

from __future__ import annotations

import re

import pytest

from vlm_operator.api.conditions import CONDITION_MEANINGS, CONDITION_REASONS, ConditionType, EventReason, remedy_for
from vlm_operator.api.described import Described
from vlm_operator.engine.log_wordings import KINDS, Scope
from vlm_operator.feasibility import InfeasibleReason
from vlm_operator.planning.verdict import Reason, Verdict

NEEDS_NO_REMEDY = {
    "Fits",
    "Planning",
    "Starting",
    "CapacityCheckPassed",
    "MinimumReplicasAvailable",
    "Serving",
    "Retuning",
}


def test_every_reason_of_planning_is_listed() -> None:
    listed = {reason.value for reason in CONDITION_REASONS}
    assert {reason.value for reason in (*Reason, *InfeasibleReason)} - listed == set()
    assert {verdict.value for verdict in Verdict} - listed == set()


def test_every_reason_of_diagnosis_for_which_a_start_fails_is_listed() -> None:
    listed = {reason.value for reason in CONDITION_REASONS}
    assert {kind.reason for kind in KINDS if kind.scope is not Scope.REQUEST} - listed == set()


@pytest.mark.parametrize("reason", [*CONDITION_REASONS, *EventReason], ids=str)
def test_a_reason_is_one_word_with_a_meaning(reason: Described) -> None:
    assert re.fullmatch(r"[A-Z][A-Za-z0-9]+", reason)
    assert reason.meaning.endswith(".")


@pytest.mark.parametrize("reason", CONDITION_REASONS, ids=str)
def test_a_reason_that_asks_for_action_says_which(reason: Described) -> None:
    assert bool(reason.remedy) == (reason.value not in NEEDS_NO_REMEDY)
    assert remedy_for(reason.value) == reason.remedy


def test_an_unlisted_reason_has_no_remedy() -> None:
    assert remedy_for("Invented") == ""


def test_every_condition_is_explained() -> None:
    assert set(CONDITION_MEANINGS) == set(ConditionType)
