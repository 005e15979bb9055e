"""What became of a dry run's Job, by its pod and by itself."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from dry_run_world import DryRunWorld, recorded
from vlm_operator.lifecycle.decision import LogRequest
from vlm_operator.lifecycle.dry_run.job_outcome import (
    PATIENCE_SECONDS,
    Failed,
    JobOutcome,
    Reported,
    Waiting,
    job_outcome,
)
from vlm_operator.lifecycle.situation import ContainerState, StartupLog

WAITS = ContainerState("waiting", reason="ContainerCreating")
RUNS = ContainerState("running")
INCOMPRESSIBLE = "".join(hashlib.sha256(bytes([number])).hexdigest() for number in range(200))


def world() -> DryRunWorld:
    """A world whose Job is under way."""
    found = DryRunWorld()
    found.reconcile()
    return found


def outcome(of: DryRunWorld, seconds: float = 1.0) -> JobOutcome:
    return job_outcome(of.situation(), of.job, seconds)


def with_pod(state: ContainerState | None, seconds: float = 1.0, **pod: Any) -> JobOutcome:
    found = world()
    found.pod_is(state, **pod)
    return outcome(found, seconds)


@pytest.mark.parametrize(
    ("state", "pod", "expected"),
    [
        pytest.param(None, {}, Waiting(), id="no container yet"),
        pytest.param(WAITS, {}, Waiting(), id="its container is being made"),
        pytest.param(RUNS, {"phase": "Running"}, Waiting(is_configured=True), id="it runs"),
        pytest.param(None, {"conditions": {"PodScheduled": ("False", "Unschedulable", "no memory")}},
                     Waiting("no node takes its pod: no memory"), id="no node takes it"),
        pytest.param(None, {"conditions": {"PodScheduled": ("False", "Unschedulable", "")}},
                     Waiting("no node takes its pod: Unschedulable"), id="for a reason without words"),
        pytest.param(None, {"conditions": {"PodScheduled": ("True", "", "")}}, Waiting(), id="a node has taken it"),
        pytest.param(None, {"phase": "Failed", "reason": "Evicted", "message": "the node was low on memory"},
                     Failed("DryRunFailed", "Evicted: the node was low on memory"), id="evicted before it started"),
        pytest.param(WAITS, {"phase": "Failed"}, Failed("DryRunFailed", "the pod failed: no message"),
                     id="failed without a word"),
        pytest.param(RUNS, {"phase": "Failed", "reason": "NodeLost", "message": "gone"},
                     Failed("DryRunFailed", "NodeLost: gone"), id="failed while its container was last seen running"),
    ],
)  # fmt: skip
def test_a_pod_that_has_not_ended(state: ContainerState | None, pod: dict[str, Any], expected: JobOutcome) -> None:
    assert with_pod(state, **pod) == expected


@pytest.mark.parametrize("state", [None, RUNS], ids=["before", "running"])
def test_what_a_failed_pod_says_is_bounded(state: ContainerState | None) -> None:
    found = with_pod(state, phase="Failed", reason="Evicted", message="x" * 5000)
    assert isinstance(found, Failed)
    assert len(found.message) <= 600


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        pytest.param("ErrImagePull", "ImagePullFailed", id="no image"),
        pytest.param("CreateContainerConfigError", "ContainerConfigInvalid", id="no Secret"),
    ],
)
def test_what_may_be_there_in_a_moment_is_waited_for(reason: str, kind: str) -> None:
    state = ContainerState("waiting", reason=reason, message="not found")
    assert with_pod(state, PATIENCE_SECONDS) == Waiting(f"{reason}: not found")
    assert with_pod(state, PATIENCE_SECONDS + 1) == Failed(kind, f"{reason}: not found")
    silent = ContainerState("waiting", reason=reason)
    assert with_pod(silent) == Waiting(f"{reason}: no message")


def test_another_reason_to_wait_is_no_failure_however_long_it_takes() -> None:
    assert with_pod(WAITS, PATIENCE_SECONDS * 100) == Waiting()


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        pytest.param([], Waiting("its pod has not been created yet"), id="nothing yet"),
        pytest.param([{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}],
                     Failed("DryRunDeadlineExceeded", "it did not end in time"), id="its time is over"),
        pytest.param([{"type": "FailureTarget", "status": "True", "reason": "BackoffLimitExceeded", "message": "one"}],
                     Failed("DryRunFailed", "BackoffLimitExceeded: one"), id="it is about to fail"),
        pytest.param([{"type": "Failed", "status": "False", "reason": "DeadlineExceeded"}],
                     Waiting("its pod has not been created yet"), id="it has not failed"),
        pytest.param([{"type": "Complete", "status": "True"}],
                     Failed("DryRunFailed", "its pod was removed before its report was read"), id="too late"),
        pytest.param([{"type": "Complete", "status": "False"}], Waiting("its pod has not been created yet"),
                     id="it is not complete"),
    ],
)  # fmt: skip
def test_a_job_without_a_pod(conditions: list[dict[str, str]], expected: JobOutcome) -> None:
    found = world()
    found.job["status"] = {"conditions": conditions}
    assert outcome(found) == expected


def test_a_job_whose_time_is_over_tells_what_its_pod_was_waiting_for() -> None:
    found = world()
    found.pod_is(None, conditions={"PodScheduled": ("False", "Unschedulable", "no memory")})
    found.job["status"] = {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]}
    words = "it did not end in time: no node takes its pod: no memory"
    assert outcome(found) == Failed("DryRunDeadlineExceeded", words)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        pytest.param(ContainerState("terminated", exit_code=137, reason="Error"), "the kernel killed it", id="137"),
        pytest.param(ContainerState("terminated", exit_code=1, reason="OOMKilled"), "the kernel killed it", id="OOM"),
    ],
)
def test_a_program_that_the_kernel_killed_needed_more_memory(state: ContainerState, words: str) -> None:
    assert with_pod(state, phase="Failed") == Failed("DryRunOutOfMemory", f"{words} for its memory limit")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        pytest.param("Traceback\nImportError: no vllm\n", "ImportError: no vllm", id="its last line"),
        pytest.param("", "it printed nothing", id="nothing"),
        pytest.param(None, "it printed nothing", id="no message at all"),
    ],
)
def test_a_program_that_failed_is_told_by_its_last_line(message: str | None, words: str) -> None:
    state = ContainerState("terminated", exit_code=3, reason="Error", message=message)
    assert with_pod(state, phase="Failed") == Failed("DryRunFailed", f"the program ended with exit code 3: {words}")


def test_a_program_that_ended_well_without_a_report_is_none_of_vllms() -> None:
    found = with_pod(ContainerState("terminated", exit_code=0, message="hello"), phase="Succeeded")
    assert found == Failed("DryRunFailed", "it ended without a report: is the image one of vLLM?")


def reporting(text: str | None, **read: Any) -> JobOutcome:
    """The outcome of a program whose report lies in its log, once that was read."""
    found = world()
    found.answers(recorded(notes=INCOMPRESSIBLE))
    asked = outcome(found)
    assert isinstance(asked, LogRequest)
    assert (asked.key.container, asked.key.run, asked.pod_name, asked.previous) == (
        "dry-run", 0, f"{found.made[-1]}-x", False,
    )  # fmt: skip
    log = StartupLog(asked.key, found.dry_run_log if text is None else text or None, **read)
    return job_outcome(found.situation((log,)), found.job, 1.0)


def test_a_report_that_is_too_long_for_a_message_is_read_from_the_log() -> None:
    answer = reporting(None)
    assert isinstance(answer, Reported)
    assert answer.report.weights_bytes == 18_053_990_400


def test_a_report_whose_log_cannot_be_read_is_lost() -> None:
    assert reporting("", unreadable="gone") == Failed("DryRunFailed", "its log cannot be read: gone")


def test_a_short_report_is_read_from_the_message() -> None:
    found = world()
    found.answers(recorded())
    assert isinstance(outcome(found), Reported)


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        pytest.param("DeadlineExceeded", Failed("DryRunDeadlineExceeded", "it did not end in time"), id="its deadline"),
        pytest.param("BackoffLimitExceeded", Failed("DryRunFailed", "Evicted: low on memory"), id="another reason"),
    ],
)
def test_a_failed_pod_says_more_than_its_job_unless_that_is_over_its_deadline(
    reason: str, expected: JobOutcome
) -> None:
    found = world()
    found.pod_is(None, phase="Failed", reason="Evicted", message="low on memory")
    found.job["status"] = {"conditions": [{"type": "Failed", "status": "True", "reason": reason}]}
    assert outcome(found) == expected


def test_a_job_that_failed_says_more_than_a_pod_that_waits() -> None:
    found = world()
    found.pod_is(WAITS)
    found.job["status"] = {"conditions": [{"type": "Failed", "status": "True", "reason": "PodFailurePolicy"}]}
    assert outcome(found) == Failed("DryRunFailed", "PodFailurePolicy: no message")
