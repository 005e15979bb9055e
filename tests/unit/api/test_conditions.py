"""The list of reasons is closed, and each says what to do."""

from __future__ import annotations

import re

import pytest

from vlm_operator.api.conditions import CONDITION_MEANINGS, CONDITION_REASONS, ConditionType, EventReason, remedy_for
from vlm_operator.api.field_words import in_fields
from vlm_operator.engine.described import Described
from vlm_operator.engine.log_wordings import KINDS, FailureKind, Scope
from vlm_operator.engine.startup_reasons import StartupReason
from vlm_operator.feasibility import InfeasibleReason
from vlm_operator.planning.at_startup import AT_STARTUP
from vlm_operator.planning.verdict import Reason

NEEDS_NO_REMEDY = {
    "Fits",
    "Planning",
    "DryRunning",
    "Starting",
    "CapacityCheckPassed",
    "MinimumReplicasAvailable",
    "NoRequestRefused",
    "Serving",
    "Retuning",
}


def test_every_reason_of_planning_is_listed() -> None:
    listed = {reason.value for reason in CONDITION_REASONS}
    assert {reason.value for reason in (*Reason, *InfeasibleReason)} - listed == set()


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
    assert remedy_for(reason.value) == in_fields(reason.remedy)


def test_a_remedy_names_fields_of_the_spec() -> None:
    assert remedy_for("TooFewMambaBlocks").startswith("Lower engine.maxNumSeqs to the number of blocks")


def test_an_unlisted_reason_has_no_remedy() -> None:
    assert remedy_for("Invented") == ""


def test_every_condition_is_explained() -> None:
    assert set(CONDITION_MEANINGS) == set(ConditionType)


def test_a_word_stands_in_the_list_once() -> None:
    assert len({reason.value for reason in CONDITION_REASONS}) == len(CONDITION_REASONS)


def test_every_reason_of_a_log_belongs_to_a_kind_of_failure() -> None:
    assert {kind.reason for kind in KINDS} == set(StartupReason) - {StartupReason.UNKNOWN}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_failure_says_by_its_reason_or_its_case_what_happened_and_what_to_do(kind: FailureKind) -> None:
    assert kind.meaning == (kind.case or kind.reason.meaning)
    assert kind.remedy == (kind.case_remedy or kind.reason.remedy)
    assert kind.meaning.endswith(".")
    assert kind.remedy.endswith(".")


@pytest.mark.parametrize("reason", StartupReason, ids=str)
def test_the_words_of_a_reason_are_written_once(reason: StartupReason) -> None:
    kinds = [kind for kind in KINDS if kind.reason is reason]
    words = [kind.case for kind in kinds if kind.case] + [kind.case_remedy for kind in kinds if kind.case_remedy]
    assert len(set(words)) == len(words)
    assert not {reason.meaning, reason.remedy} & set(words)
    if len(kinds) == 1:
        assert not words, "a reason of one kind needs no words beside its own"


def test_every_reason_of_a_plan_says_what_the_start_up_would_fail_with() -> None:
    assert set(AT_STARTUP) == {*Reason, *InfeasibleReason}
    without = {Reason.FITS, Reason.ALREADY_FAILED, Reason.LAYOUT_UNKNOWN}
    assert {reason for reason, found in AT_STARTUP.items() if not found} == without


@pytest.mark.parametrize("reason", [reason for reason in AT_STARTUP if reason in set(StartupReason)], ids=str)
def test_a_word_that_plans_and_logs_share_means_the_same(reason: Described) -> None:
    same = StartupReason(reason.value)
    assert (reason.meaning, reason.remedy) == (same.meaning, same.remedy)
    assert AT_STARTUP[reason][0] is same  # type: ignore[index]
