"""How a start-up ended, from what the kubelet says of its containers and from its log."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from lifecycle_world import UNKNOWN_LOG, World, capacity_log, started_log
from vlm_operator.diagnosis import Outcome
from vlm_operator.lifecycle.decision import LogRequest
from vlm_operator.lifecycle.situation import ContainerState, ContainerStatus, Pod, Situation, StartupKey, StartupLog
from vlm_operator.lifecycle.startup_outcome import StartupOutcome, StartupState, startup_outcome
from vlm_operator.units import GIB

SITUATION = World().situation()
FIRST = StartupKey("pod-1", "vllm", 0)
TOO_SMALL = capacity_log(16384, 2 * GIB, GIB, 8192)


def pod(*containers: ContainerStatus, **more: object) -> Pod:
    made = Pod("demo-1", "pod-1", "2026-11-24T10:00:00Z", "Running", ("--flag",), "vllm", containers=containers)
    return replace(made, **more)  # type: ignore[arg-type]


def container(state: ContainerState, *, restarts: int = 0, last: ContainerState | None = None) -> ContainerStatus:
    ready = state.kind == "running"
    return ContainerStatus("vllm", ready, ready, restarts, state, last)


def ended(
    code: int = 1, reason: str = "Error", *, seconds_ago: float = 0.0, message: str | None = None
) -> ContainerState:
    moment = SITUATION.now - timedelta(seconds=seconds_ago)
    return ContainerState("terminated", reason, message, exit_code=code, finished_at=moment.isoformat())


def situation(*pods: Pod, log: StartupLog | None = None) -> Situation:
    return replace(SITUATION, pods=pods, logs=(log,) if log else ())


def outcome(*pods: Pod, log: str | None = None, handled: bool = False) -> StartupOutcome:
    """The outcome; with a log, that of the first run of the first pod."""
    read = StartupLog(FIRST, log) if log is not None else None
    found = startup_outcome(situation(*pods, log=read), frozenset({FIRST}) if handled else frozenset())
    assert isinstance(found, StartupOutcome)
    return found


WAITING = ContainerState("waiting", reason="ContainerCreating")
RUNNING = ContainerState("running")
UNSCHEDULED = {"PodScheduled": ("False", "Unschedulable", "0/1 nodes: insufficient nvidia.com/gpu")}


@pytest.mark.parametrize(
    ("pods", "state", "words", "final"),
    [
        pytest.param((), StartupState.NONE, "", True, id="no pod"),
        pytest.param((pod(),), StartupState.STARTING, "", False, id="not reported yet"),
        pytest.param(
            (pod(container(RUNNING), deleting=True),), StartupState.NONE, "", True, id="the only pod goes away"
        ),
        pytest.param(
            (pod(phase="Pending", conditions=UNSCHEDULED),),
            StartupState.UNSCHEDULABLE,
            "0/1 nodes: insufficient nvidia.com/gpu",
            False,
            id="no node takes it",
        ),
        pytest.param(
            (pod(phase="Pending", conditions={"PodScheduled": ("False", "SchedulingGated", "")}),),
            StartupState.UNSCHEDULABLE,
            "SchedulingGated",
            False,
            id="no node takes it, and only a reason is told",
        ),
        pytest.param(
            (pod(phase="Pending", conditions={"PodScheduled": ("True", "", "")}),),
            StartupState.STARTING,
            "",
            False,
            id="a node has taken it",
        ),
        pytest.param((pod(container(WAITING)),), StartupState.STARTING, "", False, id="being created"),
        pytest.param(
            (pod(container(ContainerState("waiting", "ImagePullBackOff", "not found"))),),
            StartupState.IMAGE_UNAVAILABLE,
            "ImagePullBackOff: not found",
            False,
            id="the image cannot be pulled",
        ),
        pytest.param(
            (pod(container(ContainerState("waiting", "CreateContainerConfigError", 'secret "hf" not found'))),),
            StartupState.POD_MISCONFIGURED,
            'CreateContainerConfigError: secret "hf" not found',
            False,
            id="a Secret is missing",
        ),
        pytest.param(
            (pod(phase="Failed", reason="Evicted", message="low on ephemeral-storage"),),
            StartupState.NODE_FAULT,
            "Evicted: low on ephemeral-storage",
            True,
            id="evicted",
        ),
        pytest.param(
            (pod(container(ended(137, "OOMKilled"))),),
            StartupState.HOST_OUT_OF_MEMORY,
            "the kernel killed the container for host memory",
            True,
            id="killed for host memory",
        ),
    ],
)
def test_what_the_kubelet_says_is_enough_where_no_log_is_needed(
    pods: tuple[Pod, ...], state: StartupState, words: str, final: bool
) -> None:
    found = outcome(*pods)
    assert (found.state, found.final) == (state, final)
    assert found.message.startswith(words)


def test_a_pod_that_failed_as_a_whole_gives_way_to_the_one_that_replaced_it() -> None:
    evicted = pod(phase="Failed", reason="Evicted")
    replacement = pod(container(WAITING), name="demo-2", uid="pod-2")
    assert outcome(evicted, replacement).state is StartupState.STARTING
    assert outcome(replacement, evicted).pod == replacement


def test_a_container_that_runs_and_is_not_ready_is_starting() -> None:
    status = ContainerStatus("vllm", False, True, 0, RUNNING)
    assert outcome(pod(status)).state is StartupState.STARTING


def test_another_containers_state_is_not_the_servers() -> None:
    proxy = replace(container(ended()), name="proxy")
    assert outcome(pod(proxy)).state is StartupState.STARTING


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        pytest.param(container(RUNNING), LogRequest(FIRST, "demo-1", previous=False), id="serving: what it measured"),
        pytest.param(container(ended()), LogRequest(FIRST, "demo-1", previous=False), id="ended, not started again"),
        *(
            pytest.param(
                container(ended(code)), LogRequest(FIRST, "demo-1", previous=False, kills=True), id=f"{code}: and kills"
            )
            for code in (0, 137, 143)
        ),
        pytest.param(
            container(ContainerState("waiting", "CrashLoopBackOff"), restarts=1, last=ended()),
            LogRequest(FIRST, "demo-1", previous=True),
            id="ended, to be started again: the previous run's",
        ),
        pytest.param(
            container(ContainerState("waiting", "CrashLoopBackOff"), restarts=5, last=ended()),
            LogRequest(StartupKey("pod-1", "vllm", 4), "demo-1", previous=True),
            id="the fifth restart: the fourth's",
        ),
    ],
)
def test_the_log_that_tells_is_asked_for(status: ContainerStatus, request_: LogRequest) -> None:
    assert startup_outcome(situation(pod(status))) == request_


def test_a_last_state_without_a_restart_is_no_run() -> None:
    assert outcome(pod(container(WAITING, restarts=0, last=ended()))).state is StartupState.STARTING


def test_a_log_is_not_asked_for_twice() -> None:
    served = outcome(pod(container(RUNNING)), handled=True)
    assert (served.state, served.key, served.diagnosis) == (StartupState.SERVING, FIRST, None)
    failed = outcome(pod(container(ended(3))), handled=True)
    assert (failed.state, failed.key, failed.exit_code) == (StartupState.FAILED, FIRST, 3)
    assert failed.finished_at == SITUATION.now.isoformat()


def test_a_log_is_diagnosed() -> None:
    served = outcome(pod(container(RUNNING)), log=started_log(8192, GIB, 8192))
    assert served.diagnosis is not None
    assert served.diagnosis.outcome is Outcome.STARTED
    failed = outcome(pod(container(ended(1))), log=TOO_SMALL)
    assert (failed.state, failed.key, failed.exit_code) == (StartupState.FAILED, FIRST, 1)
    assert failed.finished_at == SITUATION.now.isoformat()
    assert failed.diagnosis is not None
    assert failed.diagnosis.failure is not None
    assert failed.diagnosis.failure.reason == "KVCacheTooSmall"


@pytest.mark.parametrize(
    ("code", "log", "state"),
    [
        pytest.param(137, "INFO starting\n", StartupState.NODE_FAULT, id="killed from outside"),
        pytest.param(143, "INFO starting\n", StartupState.NODE_FAULT, id="ended from outside"),
        pytest.param(1, "INFO starting\n", StartupState.FAILED, id="ended by itself"),
        pytest.param(137, TOO_SMALL, StartupState.FAILED, id="killed after its log named a cause"),
    ],
)
def test_a_kill_from_outside_says_nothing_about_the_plan(code: int, log: str, state: StartupState) -> None:
    found = outcome(pod(container(ended(code))), log=log)
    assert (found.state, found.key, found.exit_code) == (state, FIRST, code)
    assert found.finished_at == SITUATION.now.isoformat()


@pytest.mark.parametrize(
    ("seconds_ago", "gone", "final"),
    [
        pytest.param(0, False, False, id="just ended: asked for again"),
        pytest.param(10, False, False, id="ten seconds ago: once more"),
        pytest.param(10.5, False, True, id="longer ago: given up"),
        pytest.param(0, True, True, id="it is gone"),
    ],
)
def test_a_log_that_cannot_be_read_is_asked_for_again_and_then_reported(
    seconds_ago: float, gone: bool, final: bool
) -> None:
    state = ended(1, seconds_ago=seconds_ago, message=UNKNOWN_LOG)
    log = StartupLog(FIRST, None, unreadable="connection refused", gone=gone)
    found = startup_outcome(situation(pod(container(state)), log=log))
    assert isinstance(found, StartupOutcome)
    assert (found.state, found.final) == (StartupState.LOG_UNREADABLE, final)
    assert (found.key, found.exit_code, found.finished_at) == (FIRST, 1, state.finished_at)
    assert "connection refused" in found.message
    assert ("that the kubelet kept names no cause" in found.message) is final


def test_what_the_kubelet_kept_of_the_end_names_the_cause_where_the_log_is_gone() -> None:
    log = StartupLog(FIRST, None, unreadable="not found", gone=True)
    found = startup_outcome(situation(pod(container(ended(1, message=TOO_SMALL))), log=log))
    assert isinstance(found, StartupOutcome)
    assert found.state is StartupState.FAILED
    assert found.diagnosis is not None
    assert found.diagnosis.failure is not None
    assert found.diagnosis.failure.reason == "KVCacheTooSmall"


def test_a_server_whose_log_cannot_be_read_serves_all_the_same() -> None:
    log = StartupLog(FIRST, None, unreadable="connection refused")
    found = startup_outcome(situation(pod(container(RUNNING)), log=log))
    assert isinstance(found, StartupOutcome)
    assert (found.state, found.diagnosis, found.message) == (StartupState.SERVING, None, "connection refused")
