"""The outcome of the newest start-up of a replica, whether it is one pod or a group with a pod on each node.

A group starts, serves and ends as a whole: when one rank ends, the others lose their connection to it and end too, and
LeaderWorkerSet replaces all of them. So the logs of every rank are read, the root cause is looked for on all of them,
and what follows from it is told of the rank that has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from vlm_operator.api.names import FINGERPRINT_ANNOTATION
from vlm_operator.diagnosis import Diagnosis, Outcome, diagnose
from vlm_operator.engine.log_wordings import UNKNOWN_REASON, FailureClass
from vlm_operator.lifecycle.decision import LogRequest
from vlm_operator.lifecycle.situation import Pod, Situation, StartupKey
from vlm_operator.lifecycle.startup_outcome import CONTAINER, StartupOutcome, StartupState, ended_run, startup_outcome

LOST_PEER: Final = re.compile(
    r"Connection closed by peer|[Cc]onnection reset by peer|ConnectionResetError|ConnectionRefusedError|BrokenPipeError"
    r"|Broken pipe|DistNetworkError|DistStoreError|DistBackendError|remote process exited|client socket has failed"
    r"|Timed out after \d+ seconds waiting for clients|Executor failed|EngineCore failed to start"
    r"|Engine core initialization failed|WorkerProc initialization failed"
)
"""Sentences of a rank that lost another: PyTorch's (``distributed``, gloo's ``transport/tcp/pair.cc``, TCPStore) and
NCCL's ("remote process exited or there was a network error"), looked up in PyTorch 2.13 and its NCCL, and vLLM's about
its own processes (``v1/executor/multiproc_executor.py``, ``v1/engine/core.py`` and ``utils.py``; 0.11.2 and 0.33.0).
None says why the other one ended."""

_ENDED: Final = frozenset(
    {
        StartupState.FAILED,
        StartupState.HOST_OUT_OF_MEMORY,
        StartupState.STARTUP_PROBE_FAILED,
        StartupState.LOG_UNREADABLE,
        StartupState.NODE_FAULT,
    }
)
SYMPTOM: Final = 6
"""How near to the root an outcome is that only tells of another rank's."""

_NEAR: Final = {
    StartupState.FAILED: 0,
    StartupState.HOST_OUT_OF_MEMORY: 0,
    StartupState.STARTUP_PROBE_FAILED: 2,
    StartupState.NODE_FAULT: 3,
    StartupState.LOG_UNREADABLE: 4,
    StartupState.IMAGE_UNAVAILABLE: 5,
    StartupState.POD_MISCONFIGURED: 5,
    StartupState.UNSCHEDULABLE: 5,
    StartupState.SERVING: 7,
    StartupState.STARTING: 8,
    StartupState.NONE: 9,
}
"""The nearer an outcome of one rank is to what decides about the group, the smaller."""

_LATE: Final = "~"
"""Later than every RFC 3339 time."""


def replica_outcome(
    situation: Situation, handled: frozenset[StartupKey] = frozenset()
) -> StartupOutcome | tuple[LogRequest, ...]:
    """The outcome of the newest replica's newest start-up, or the logs that must be read to know it.

    Args:
        handled: runs whose outcome is already in ``status.attempts``.
    """
    ranks = newest_group(situation.pods, handled)
    if not ranks:
        alone = startup_outcome(situation, handled)
        return (alone,) if isinstance(alone, LogRequest) else alone
    found = [_of_rank(situation, pod, handled) for pod in ranks]
    ended = [run for pod in ranks if (run := _ended_key(pod)) is not None]
    if done := next((key for key in ended if key in handled), None):
        pod = next(pod for pod in ranks if pod.uid == done.pod_uid)
        return StartupOutcome(StartupState.FAILED, pod, done)
    serving = _leader(found)
    if ended or serving:
        requests = [each for each in found if isinstance(each, LogRequest)]
        asked = {request.key.pod_uid for request in requests}
        requests += [each for pod in ranks if pod.uid not in asked and (each := _present_log(situation, pod))]
        if requests:
            return tuple(requests)
    outcomes = [each for each in found if isinstance(each, StartupOutcome)]
    outcomes = [_running_cause(situation, each) if ended else each for each in outcomes]
    chosen = min(outcomes, key=_weight)
    return replace(_judged(chosen), diagnosis=_with_tightest(chosen.diagnosis, _read(situation, ranks)))


def newest_group(pods: Iterable[Pod], handled: frozenset[StartupKey]) -> tuple[Pod, ...]:
    """The ranks of one group, the leader first; none where the newest pod is a replica of its own.

    Of several groups of the newest command it is one that has ended and was not looked at yet, else the newest. Pods
    under deletion count: LeaderWorkerSet deletes a group as soon as one of its containers was started again.
    """
    present = list(pods)
    alive = [pod for pod in present if not pod.deleting]
    newest = next(iter(alive or present), None)
    if newest is None or newest.group is None:
        return ()
    command = newest.annotations.get(FINGERPRINT_ANNOTATION)
    groups: dict[str, list[Pod]] = {}
    for pod in present:
        if pod.group is not None and pod.annotations.get(FINGERPRINT_ANNOTATION) == command:
            groups.setdefault(pod.group, []).append(pod)
    news = (members for members in groups.values() if any(_is_news(pod, handled) for pod in members))
    chosen = next(news, groups[newest.group])
    return tuple(sorted(chosen, key=lambda pod: pod.rank))


def _is_news(pod: Pod, handled: frozenset[StartupKey]) -> bool:
    key = _ended_key(pod)
    return key is not None and key not in handled


def _ended_key(pod: Pod) -> StartupKey | None:
    status = pod.container(CONTAINER)
    run = ended_run(pod, status) if status is not None else None
    return run[0] if run is not None else None


def _of_rank(situation: Situation, pod: Pod, handled: frozenset[StartupKey]) -> StartupOutcome | LogRequest:
    """The outcome of one rank on its own; that it is being deleted does not change how it ended.

    Only the leader has probes: that another rank is ready says no more than that it runs.
    """
    containers = pod.containers if pod.rank == 0 else tuple(replace(each, ready=False) for each in pod.containers)
    alone = replace(pod, deleting=False, containers=containers)
    found = startup_outcome(replace(situation, pods=(alone,)), handled)
    return found if isinstance(found, LogRequest) else replace(found, pod=pod)


def _leader(found: Iterable[StartupOutcome | LogRequest]) -> bool:
    """True where the leader serves, and what it printed has not been recorded."""
    first = next(iter(found))
    if isinstance(first, LogRequest):
        return not first.previous
    return first.state is StartupState.SERVING and first.diagnosis is not None


def _present_log(situation: Situation, pod: Pod) -> LogRequest | None:
    """The log of a rank that has not ended by what the kubelet says; None where it was read, or nothing runs."""
    status = pod.container(CONTAINER)
    if status is None or status.state.kind == "waiting" or _ended_key(pod) is not None:
        return None
    key = StartupKey(pod.uid, CONTAINER, status.restart_count)
    return None if situation.log(key) is not None else LogRequest(key, pod.name, previous=False)


def _running_cause(situation: Situation, outcome: StartupOutcome) -> StartupOutcome:
    """A rank whose log holds the cause, though the kubelet has not yet said that it ended."""
    pod = outcome.pod
    if outcome.state in _ENDED or pod is None:
        return outcome
    status = pod.container(CONTAINER)
    key = StartupKey(pod.uid, CONTAINER, status.restart_count) if status is not None else None
    log = situation.log(key) if key is not None else None
    read = diagnose(log.text) if log is not None and log.text else None
    if read is None or read.outcome is not Outcome.FAILED or _class_weight(read) > 0:
        return outcome
    return StartupOutcome(StartupState.FAILED, pod, key, diagnosis=read)


def _class_weight(read: Diagnosis | None) -> int:
    """0 for a cause that has a name, 1 for one that has none, ``SYMPTOM`` for a sentence about another rank."""
    failure = read.failure if read is not None else None
    if failure is None or failure.failure_class is FailureClass.NODE:
        return SYMPTOM
    if failure.reason != UNKNOWN_REASON:
        return 0
    return SYMPTOM if LOST_PEER.search(failure.message) else 1


def _weight(outcome: StartupOutcome) -> tuple[int, str, int]:
    """How near to the root an outcome is, the nearest first; then by time, then by rank."""
    near = _NEAR[outcome.state]
    if outcome.state is StartupState.FAILED:
        near = _class_weight(outcome.diagnosis)
    elif outcome.state is StartupState.NODE_FAULT and outcome.key is not None:  # somebody stopped the container
        near = SYMPTOM
    return near, outcome.finished_at or _LATE, outcome.pod.rank if outcome.pod else 0


def _judged(outcome: StartupOutcome) -> StartupOutcome:
    """The outcome; a node fault where all that any rank says is that it lost another."""
    if outcome.state is not StartupState.FAILED or _class_weight(outcome.diagnosis) < SYMPTOM:
        return outcome
    failure = outcome.diagnosis.failure if outcome.diagnosis is not None else None
    if failure is None or failure.failure_class is FailureClass.NODE:
        return outcome
    words = f"{failure.message}; no rank of the group says why another ended"
    return replace(outcome, state=StartupState.NODE_FAULT, message=words)


def _read(situation: Situation, ranks: Iterable[Pod]) -> list[Diagnosis]:
    uids = {pod.uid for pod in ranks}
    return [diagnose(log.text) for log in situation.logs if log.text and log.key.pod_uid in uids]


def _with_tightest(chosen: Diagnosis | None, others: Iterable[Diagnosis]) -> Diagnosis | None:
    """The diagnosis with the smallest KV cache that any rank found: the ranks use as many blocks as that one has."""
    if chosen is None:
        return None
    sizes = [size for each in (chosen, *others) if (size := each.observation.kv_gib) is not None]
    if not sizes:
        return chosen
    return replace(chosen, observation=replace(chosen.observation, kv_gib=min(sizes)))
