"""What an outcome calls for: waiting, another plan, or a stop."""

from __future__ import annotations

import pytest

from lifecycle_world import UNKNOWN_LOG, UNSUPPORTED_LOG, capacity_log
from vlm_operator.diagnosis import Diagnosis, diagnose
from vlm_operator.lifecycle.failure_reaction import Reaction, reaction_to
from vlm_operator.lifecycle.startup_outcome import StartupOutcome, StartupState
from vlm_operator.units import GIB

TOO_SMALL = diagnose(capacity_log(16384, 2 * GIB, GIB, 8192))
UNSUPPORTED = diagnose(UNSUPPORTED_LOG)
NAMELESS = diagnose(UNKNOWN_LOG)


def reaction(
    state: StartupState, diagnosis: Diagnosis | None = None, *, served: bool = False, final: bool = True
) -> tuple[Reaction, str, str]:
    outcome = StartupOutcome(state, message="the kubelet's words", diagnosis=diagnosis, exit_code=3, final=final)
    return reaction_to(outcome, served_before=served)


@pytest.mark.parametrize(
    ("state", "expected", "reason"),
    [
        (StartupState.NONE, Reaction.NONE, "Starting"),
        (StartupState.STARTING, Reaction.NONE, "Starting"),
        (StartupState.SERVING, Reaction.NONE, "Starting"),
        (StartupState.NODE_FAULT, Reaction.WAIT, "NodeFault"),
        (StartupState.UNSCHEDULABLE, Reaction.WAIT, "Unschedulable"),
        (StartupState.IMAGE_UNAVAILABLE, Reaction.WAIT, "ImagePullFailed"),
        (StartupState.POD_MISCONFIGURED, Reaction.WAIT, "ContainerConfigInvalid"),
        (StartupState.HOST_OUT_OF_MEMORY, Reaction.STOP, "HostOutOfMemory"),
    ],
    ids=str,
)
def test_what_the_kubelet_reports(state: StartupState, expected: Reaction, reason: str) -> None:
    found, named, words = reaction(state)
    assert (found, named) == (expected, reason)
    if expected is not Reaction.NONE:
        assert words.startswith("the kubelet's words")


@pytest.mark.parametrize(("final", "expected"), [(False, Reaction.WAIT), (True, Reaction.STOP)])
def test_a_log_that_cannot_be_read_is_waited_for_until_it_is_given_up(final: bool, expected: Reaction) -> None:
    assert reaction(StartupState.LOG_UNREADABLE, final=final)[:2] == (expected, "LogUnreadable")


@pytest.mark.parametrize(
    ("diagnosis", "served", "expected", "reason"),
    [
        pytest.param(TOO_SMALL, False, Reaction.PLAN_AGAIN, "KVCacheTooSmall", id="memory: other flags may mend it"),
        pytest.param(TOO_SMALL, True, Reaction.PLAN_AGAIN, "KVCacheTooSmall", id="memory, though it has served"),
        pytest.param(UNSUPPORTED, False, Reaction.STOP, "ArchitectureUnsupported", id="the model: nothing mends it"),
        pytest.param(UNSUPPORTED, True, Reaction.WAIT, "ArchitectureUnsupported", id="the model, though it has served"),
        pytest.param(NAMELESS, False, Reaction.STOP, "Unknown", id="a cause that nobody knows"),
        pytest.param(None, False, Reaction.STOP, "Unknown", id="a log that names none"),
        pytest.param(None, True, Reaction.WAIT, "Unknown", id="a log that names none, of a server that served"),
    ],
)
def test_what_a_log_names(diagnosis: Diagnosis | None, served: bool, expected: Reaction, reason: str) -> None:
    assert reaction(StartupState.FAILED, diagnosis, served=served)[:2] == (expected, reason)


def test_a_log_without_a_cause_is_told_with_the_exit_code() -> None:
    assert "exit code 3" in reaction(StartupState.FAILED)[2]
