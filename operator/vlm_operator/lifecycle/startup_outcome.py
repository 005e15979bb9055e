"""The outcome of the newest start-up, from container statuses and its log; or the request for the log that would tell.

The kubelet says that a container ended, never why; the reason stands in the log of the run that ended, which is the
*previous* one as soon as the kubelet has started the next. A log that cannot be read is asked for again, then
reported, never guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from vlm_operator.diagnosis import Diagnosis, Outcome, diagnose
from vlm_operator.engine.log_wordings import UNKNOWN_REASON
from vlm_operator.lifecycle.decision import LogRequest
from vlm_operator.lifecycle.situation import ContainerState, ContainerStatus, Pod, Situation, StartupKey, StartupLog
from vlm_operator.lifecycle.waiting_reasons import CONFIG_REASONS, IMAGE_REASONS

CONTAINER: Final = "vllm"
"""Name of the model server's container, as rendered."""

_NODE_REASONS: Final = frozenset(
    {"Evicted", "NodeLost", "NodeShutdown", "Shutdown", "Terminated", "Preempting", "NodeAffinity", "Preempted"}
)
_SIGKILL: Final = 137
_SIGTERM: Final = 143
_KILLED: Final = frozenset({0, _SIGKILL, _SIGTERM})
"""Exit codes of a container that was told to end: vLLM that serves ends with 0."""

READABLE_AGAIN_SECONDS: Final = 10.0
"""How long after a run ended an unreadable log is asked for again: a kubelet that is busy answers well within it."""


class StartupState(StrEnum):
    """What is known of the newest start-up."""

    NONE = "None"
    """There is no pod yet."""
    STARTING = "Starting"
    """It runs, or is about to: nothing to decide yet."""
    SERVING = "Serving"
    """The server is ready."""
    FAILED = "Failed"
    """vLLM ended; ``diagnosis`` says why, as far as the log tells."""
    NODE_FAULT = "NodeFault"
    """The node ended it (eviction, shutdown, kill from outside): says nothing about the plan."""
    HOST_OUT_OF_MEMORY = "HostOutOfMemory"
    """The kernel killed it for host memory, not GPU memory."""
    IMAGE_UNAVAILABLE = "ImageUnavailable"
    """The image cannot be pulled."""
    POD_MISCONFIGURED = "PodMisconfigured"
    """The container cannot be created: a Secret, volume or command is missing."""
    UNSCHEDULABLE = "Unschedulable"
    """No node takes the pod."""
    STARTUP_PROBE_FAILED = "StartupProbeFailed"
    """The kubelet killed it because it was not ready within the time of its start-up probe."""
    LOG_UNREADABLE = "LogUnreadable"
    """It failed, and its log cannot be read (yet)."""


@dataclass(frozen=True, slots=True)
class StartupOutcome:
    """The newest start-up.

    Attributes:
        key: which run; None where no container has run.
        message: what the kubelet, scheduler or API server says about it.
        diagnosis: what the log says, for ``FAILED`` and, once its log was read, ``SERVING``.
        exit_code: of the run that ended.
        final: True where waiting or reading again cannot tell more.
    """

    state: StartupState
    pod: Pod | None = None
    key: StartupKey | None = None
    message: str = ""
    diagnosis: Diagnosis | None = None
    exit_code: int | None = None
    finished_at: str | None = None
    final: bool = True


def startup_outcome(situation: Situation, handled: frozenset[StartupKey] = frozenset()) -> StartupOutcome | LogRequest:
    """The outcome of the newest pod's newest run that has one, or the log that must be read to know it.

    Args:
        handled: runs whose outcome is already in ``status.attempts``; their logs are not asked for again.
    """
    present = [pod for pod in situation.pods if not pod.deleting]
    # A pod that failed as a whole has been replaced already where another one is there: creation times are in seconds.
    pod = next((pod for pod in present if pod.phase != "Failed"), present[0] if present else None)
    if pod is None:
        return StartupOutcome(StartupState.NONE)
    if pod.phase == "Failed" and pod.reason in _NODE_REASONS:
        return StartupOutcome(StartupState.NODE_FAULT, pod, message=f"{pod.reason}: {pod.message or 'no message'}")
    status = pod.container(CONTAINER)
    if status is None:
        return _not_running(pod)
    if status.ready and status.state.kind == "running":
        return _serving(situation, pod, status, handled)
    ended = ended_run(pod, status)
    if ended is None:
        return _waiting(pod, status.state)
    key, state, previous = ended
    return _failed(situation, pod, key, state, previous=previous, handled=handled)


def _not_running(pod: Pod) -> StartupOutcome:
    scheduled = pod.conditions.get("PodScheduled")
    if scheduled and scheduled[0] == "False":
        return StartupOutcome(StartupState.UNSCHEDULABLE, pod, message=scheduled[2] or scheduled[1], final=False)
    return StartupOutcome(StartupState.STARTING, pod, final=False)


def _waiting(pod: Pod, state: ContainerState) -> StartupOutcome:
    words = f"{state.reason}: {state.message or 'no message'}"
    if state.kind == "waiting" and state.reason in IMAGE_REASONS:
        return StartupOutcome(StartupState.IMAGE_UNAVAILABLE, pod, message=words, final=False)
    if state.kind == "waiting" and state.reason in CONFIG_REASONS:
        return StartupOutcome(StartupState.POD_MISCONFIGURED, pod, message=words, final=False)
    if state.kind == "waiting":
        return _not_running(pod)
    return StartupOutcome(StartupState.STARTING, pod, final=False)


def ended_run(pod: Pod, status: ContainerStatus) -> tuple[StartupKey, ContainerState, bool] | None:
    """The newest run that ended: its key, how it ended, and whether its log is the previous container's."""
    if status.state.kind == "terminated":
        return StartupKey(pod.uid, status.name, status.restart_count), status.state, False
    if status.last_state is not None and status.last_state.kind == "terminated" and status.restart_count > 0:
        return StartupKey(pod.uid, status.name, status.restart_count - 1), status.last_state, True
    return None


def _serving(
    situation: Situation, pod: Pod, status: ContainerStatus, handled: frozenset[StartupKey]
) -> StartupOutcome | LogRequest:
    """A ready server: its log is read once, for what it measured."""
    key = StartupKey(pod.uid, status.name, status.restart_count)
    if key in handled:
        return StartupOutcome(StartupState.SERVING, pod, key)
    log = situation.log(key)
    if log is None:
        return LogRequest(key, pod.name, previous=False)
    diagnosis = diagnose(log.text) if log.text else None
    return StartupOutcome(StartupState.SERVING, pod, key, diagnosis=diagnosis, message=log.unreadable or "")


def _failed(
    situation: Situation,
    pod: Pod,
    key: StartupKey,
    state: ContainerState,
    *,
    previous: bool,
    handled: frozenset[StartupKey],
) -> StartupOutcome | LogRequest:
    exit_code, finished = state.exit_code, state.finished_at
    if state.reason == "OOMKilled":
        words = (
            "the kernel killed the container for host memory (exit code 137): its memory limit or the node is too small"
        )
        return StartupOutcome(
            StartupState.HOST_OUT_OF_MEMORY, pod, key, words, exit_code=exit_code, finished_at=finished
        )
    if key in handled:
        return StartupOutcome(StartupState.FAILED, pod, key, exit_code=exit_code, finished_at=finished)
    log = situation.log(key)
    if log is None:
        return LogRequest(key, pod.name, previous=previous, kills=exit_code in _KILLED)
    read = diagnose(log.text) if log.text else None
    if _killed_by_startup_probe(pod, state, log, read):
        return StartupOutcome(
            StartupState.STARTUP_PROBE_FAILED,
            pod,
            key,
            _probe_words(pod, state),
            read,
            exit_code=exit_code,
            finished_at=finished,
        )
    if read is not None:
        diagnosis = read
    else:
        given_up = log.gone or _seconds_since(finished, situation.now) > READABLE_AGAIN_SECONDS
        ending = diagnose(state.message) if state.message and given_up else None
        if ending is None or ending.failure is None or ending.failure.reason == UNKNOWN_REASON:
            words = f"the log of the failed start-up cannot be read: {log.unreadable or 'it is empty'}"
            if ending is not None:
                words += "; the termination message that the kubelet kept names no cause"
            return StartupOutcome(
                StartupState.LOG_UNREADABLE, pod, key, words, exit_code=exit_code, finished_at=finished, final=given_up
            )
        diagnosis = ending
    if diagnosis.outcome is not Outcome.FAILED and exit_code in {_SIGKILL, _SIGTERM}:
        words = f"the container was terminated from outside (exit code {exit_code}): {_killer(log)}"
        return StartupOutcome(
            StartupState.NODE_FAULT, pod, key, words, diagnosis, exit_code=exit_code, finished_at=finished
        )
    return StartupOutcome(StartupState.FAILED, pod, key, diagnosis=diagnosis, exit_code=exit_code, finished_at=finished)


def _killed_by_startup_probe(pod: Pod, state: ContainerState, log: StartupLog, read: Diagnosis | None) -> bool:
    """True where the kubelet says so, or where its events are gone and the run took all the time the probe gives."""
    if state.exit_code not in _KILLED or (read is not None and read.outcome is Outcome.STARTED):
        return False
    if read is not None and read.failure is not None and read.failure.reason != UNKNOWN_REASON:
        return False
    run = _moment(state.started_at)
    kills = [kill for kill in log.kills if run is None or (_moment(kill.at) or run) >= run]
    if kills:
        return any("startup probe" in kill.message for kill in kills)
    ran, allowed = _seconds_between(state.started_at, state.finished_at), pod.startup_probe_seconds
    return allowed is not None and ran is not None and ran >= allowed


def _probe_words(pod: Pod, state: ContainerState) -> str:
    ran = _seconds_between(state.started_at, state.finished_at)
    allowed = f"the {pod.startup_probe_seconds} s of its start-up probe" if pod.startup_probe_seconds else "its time"
    after = f" after {ran:.0f} s" if ran is not None else ""
    return f"the server was not ready within {allowed}, and the kubelet ended it{after}"


def _killer(log: StartupLog) -> str:
    """Who ended a run, as far as the kubelet's events tell."""
    return log.kills[-1].message if log.kills else "the node stopped the container, or its process was killed"


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _seconds_between(start: str | None, end: str | None) -> float | None:
    first, last = _moment(start), _moment(end)
    return (last - first).total_seconds() if first is not None and last is not None else None


def _seconds_since(moment: str | None, now: datetime) -> float:
    """Seconds from an RFC 3339 time to ``now``; 0 where no time is told."""
    return (now - datetime.fromisoformat(moment)).total_seconds() if moment else 0.0
