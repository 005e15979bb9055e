"""A start-up that its probe ends is told from a fault of the node: counted, and stopped with what to change."""

from __future__ import annotations

import pytest

from lifecycle_world import MODEL, UNSUPPORTED_LOG, World
from vlm_operator.lifecycle.situation import Kill, StartupKey
from vlm_operator.lifecycle.startup_outcome import StartupOutcome, StartupState, startup_outcome

PROBE = "Container vllm failed startup probe, will be restarted"
LIVENESS = "Container vllm failed liveness probe, will be restarted"


def test_the_same_command_is_started_as_often_as_may_be_and_then_stopped_with_the_remedy() -> None:
    world = World(script=["probe"] * 9)
    assert world.settle() == "Stalled"
    stalled = world.condition("Stalled")
    assert stalled["reason"] == "StartupProbeFailed"
    assert "failureThreshold" in stalled["message"]
    assert "3 of at most 3" in stalled["message"]
    assert "vLLM said" not in stalled["message"]  # it was the kubelet
    assert len(world.commands) == 1
    assert len(world.script) == 6
    assert world.deployment is not None
    assert world.deployment["spec"]["replicas"] == 0


def test_each_such_start_up_is_told_once_and_shown_until_the_server_serves() -> None:
    world = World(script=["probe"])
    world.reconcile()
    world.start_up()
    world.reconcile()
    world.reconcile()
    verified = world.condition("CapacityVerified")
    assert (verified["status"], verified["reason"]) == ("Unknown", "StartupProbeFailed")
    assert [event.message for event in world.events if event.reason == "StartupFailed"] == [
        f"StartupProbeFailed: {verified['message']}"
    ]
    assert world.status["attempts"][-1]["startupProbeFailures"] == 1
    assert verified["message"].endswith("(start-up 1 of at most 3)")
    assert "failureThreshold" not in verified["message"]  # a remedy is for a person, and none is needed yet
    assert world.settle() == "Ready"
    assert "startupProbeFailures" not in world.status["attempts"][-1]


@pytest.mark.parametrize("attempts", [pytest.param(0, id="report only"), pytest.param(1, id="one")])
def test_the_bound_is_that_of_retuning_and_at_least_one_start(attempts: int) -> None:
    world = World(spec={"model": {"id": MODEL}, "retune": {"maxAttempts": attempts}}, script=["probe"] * 3)
    assert world.settle() == "Stalled"
    assert len(world.script) == 2


def outcome_of(world: World) -> StartupOutcome:
    logs = (world._read(StartupKey("pod-1", "vllm", 0)),)
    outcome = startup_outcome(world.situation(logs))
    assert isinstance(outcome, StartupOutcome)
    return outcome


def ended(log: str | None = None, kills: tuple[Kill, ...] = (), ending: str = "probe") -> World:
    world = World(script=[ending], kills=kills)
    world.reconcile()
    world.start_up()
    if log is not None:
        world.log = log or None
    return world


@pytest.mark.parametrize(
    ("world", "state"),
    [
        pytest.param(ended(), StartupState.STARTUP_PROBE_FAILED, id="the run took all the probe's time"),
        pytest.param(ended(log=""), StartupState.STARTUP_PROBE_FAILED, id="and its log cannot be read"),
        pytest.param(ended(kills=(Kill(PROBE, None),)), StartupState.STARTUP_PROBE_FAILED, id="the kubelet says so"),
        pytest.param(
            ended(kills=(Kill(PROBE, None),), ending="node"),
            StartupState.STARTUP_PROBE_FAILED,
            id="the kubelet says so, and the times are not told",
        ),
        pytest.param(
            ended(kills=(Kill(LIVENESS, None),)), StartupState.NODE_FAULT, id="the kubelet says it was another probe"
        ),
        pytest.param(
            ended(kills=(Kill(PROBE, "2026-11-24T09:00:00Z"), Kill("Stopping container vllm", None))),
            StartupState.NODE_FAULT,
            id="the kubelet's words are about an earlier run",
        ),
        pytest.param(ended(ending="node"), StartupState.NODE_FAULT, id="killed before the probe's time was over"),
        pytest.param(ended(log=UNSUPPORTED_LOG), StartupState.FAILED, id="the log names a cause"),
    ],
)
def test_who_ended_a_start_up(world: World, state: StartupState) -> None:
    assert outcome_of(world).state is state
