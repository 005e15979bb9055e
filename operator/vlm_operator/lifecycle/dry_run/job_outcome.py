"""How a dry run's Job went: from the Job, its pod and its log to a report, a failure with its reason, or a wait."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vlm_operator.api.lifecycle_reasons import LifecycleReason
from vlm_operator.api.pod_reasons import PodReason
from vlm_operator.engine_facts.report import DryRunReport
from vlm_operator.engine_facts.transport import lies_in_log, report_in
from vlm_operator.errors import InputError
from vlm_operator.lifecycle.decision import LogRequest
from vlm_operator.lifecycle.situation import ContainerState, Manifest, Pod, Situation, StartupKey
from vlm_operator.lifecycle.waiting_reasons import CONFIG_REASONS, IMAGE_REASONS
from vlm_operator.lifecycle.wording import truncated
from vlm_operator.rendering import DRY_RUN_CONTAINER

PATIENCE_SECONDS: Final = 120.0
"""How long a pod that cannot start is left alone: a registry or a Secret may be there in a moment."""

_KILLED: Final = 137
_LONGEST_WORDS: Final = 600


@dataclass(frozen=True, slots=True)
class Waiting:
    """The Job is under way.

    Attributes:
        words: what it waits for; empty where it just runs.
        is_configured: False while its pod may still wait for its ConfigMap.
    """

    words: str = ""
    is_configured: bool = False


@dataclass(frozen=True, slots=True)
class Reported:
    """The program ended with a report."""

    report: DryRunReport


@dataclass(frozen=True, slots=True)
class Failed:
    """There is no report: a reason of the closed list, and words."""

    reason: str
    message: str


JobOutcome = Waiting | Reported | Failed | LogRequest


def job_outcome(situation: Situation, job: Manifest, seconds: float) -> JobOutcome:
    """What became of a Job.

    Args:
        seconds: since the Job was wanted.
    """
    uid = job["metadata"]["uid"]
    pod = next((each for each in situation.dry_run_pods if each.owner_uid == uid), None)
    if pod is None:
        return _ended(job, "") or Waiting("its pod has not been created yet")
    found = _of_pod(situation, pod, seconds)
    if isinstance(found, Reported | LogRequest):
        return found
    words = found.words if isinstance(found, Waiting) else ""
    by_job = _ended(job, words)
    if isinstance(found, Failed) and (by_job is None or by_job.reason != LifecycleReason.DRY_RUN_DEADLINE_EXCEEDED):
        return found
    return by_job or found


def _ended(job: Manifest, waits_for: str) -> Failed | None:
    """The failure that the Job itself tells, where no container tells more."""
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition.get("type") in {"Failed", "FailureTarget"} and condition.get("status") == "True":
            return _job_failure(condition, waits_for)
        if condition.get("type") == "Complete" and condition.get("status") == "True":
            return Failed(LifecycleReason.DRY_RUN_FAILED, "its pod was removed before its report was read")
    return None


def _job_failure(condition: Mapping[str, Any], waits_for: str) -> Failed:
    if condition.get("reason") == "DeadlineExceeded":
        said = f": {waits_for}" if waits_for else ""
        return Failed(LifecycleReason.DRY_RUN_DEADLINE_EXCEEDED, f"it did not end in time{said}")
    words = f"{condition.get('reason')}: {condition.get('message') or 'no message'}"
    return Failed(LifecycleReason.DRY_RUN_FAILED, truncated(words, _LONGEST_WORDS))


def _of_pod(situation: Situation, pod: Pod, seconds: float) -> JobOutcome:
    status = pod.container(DRY_RUN_CONTAINER)
    if status is None or status.state.kind == "waiting":
        return _not_started(pod, status.state if status else None, seconds)
    if status.state.kind == "terminated":
        return _of_ended(situation, pod, status.state, status.restart_count)
    if pod.phase == "Failed":
        return _pod_failed(pod)
    return Waiting(is_configured=True)


def _pod_failed(pod: Pod) -> Failed:
    words = f"{pod.reason or 'the pod failed'}: {pod.message or 'no message'}"
    return Failed(LifecycleReason.DRY_RUN_FAILED, truncated(words, _LONGEST_WORDS))


def _not_started(pod: Pod, state: ContainerState | None, seconds: float) -> JobOutcome:
    if pod.phase == "Failed":
        return _pod_failed(pod)
    scheduled = pod.conditions.get("PodScheduled")
    if scheduled and scheduled[0] == "False":
        return Waiting(f"no node takes its pod: {scheduled[2] or scheduled[1]}")
    reason = state.reason if state is not None else None
    words = truncated(f"{reason}: {state.message or 'no message'}", _LONGEST_WORDS) if state is not None else ""
    if reason in IMAGE_REASONS | CONFIG_REASONS and seconds > PATIENCE_SECONDS:
        kind = PodReason.IMAGE_PULL_FAILED if reason in IMAGE_REASONS else PodReason.CONTAINER_CONFIG_INVALID
        return Failed(kind, words)
    return Waiting(words if reason in IMAGE_REASONS | CONFIG_REASONS else "")


def _of_ended(situation: Situation, pod: Pod, state: ContainerState, restarts: int) -> JobOutcome:
    if state.reason == "OOMKilled" or state.exit_code == _KILLED:
        return _out_of_memory("the kernel killed it")
    if state.exit_code:
        last = (state.message or "").strip().splitlines()[-1:] or ["it printed nothing"]
        words = f"the program ended with exit code {state.exit_code}: {last[0]}"
        return Failed(LifecycleReason.DRY_RUN_FAILED, truncated(words, _LONGEST_WORDS))
    text = state.message
    if lies_in_log(text):
        key = StartupKey(pod.uid, DRY_RUN_CONTAINER, restarts)
        log = situation.log(key)
        if log is None:
            return LogRequest(key, pod.name, previous=False)
        if log.text is None:
            return Failed(LifecycleReason.DRY_RUN_FAILED, f"its log cannot be read: {log.unreadable}")
        text = log.text
    try:
        report = report_in(text)
    except InputError as error:
        return Failed(LifecycleReason.DRY_RUN_FAILED, error.message)
    if report is None:
        return Failed(LifecycleReason.DRY_RUN_FAILED, "it ended without a report: is the image one of vLLM?")
    if report.error is not None and report.error.stage == "died" and "signal 9" in report.error.message:
        return _out_of_memory("the kernel killed the process of a rank")
    return Reported(report)


def _out_of_memory(words: str) -> Failed:
    return Failed(LifecycleReason.DRY_RUN_OUT_OF_MEMORY, f"{words} for its memory limit")
