"""What is decided as a start-up takes its course."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from builders import qwen3_vl
from lifecycle_world import MODEL, UNKNOWN_LOG, UNSUPPORTED_LOG, World, flags_of
from vlm_operator.lifecycle.conditions import timestamp
from vlm_operator.units import GIB


def spec(**more: Any) -> dict[str, Any]:
    return {"model": {"id": MODEL}, **more}


def test_a_plan_that_is_right_serves_at_the_first_try_and_says_what_was_measured() -> None:
    world = World()
    assert world.settle() == "Ready"
    assert len(world.commands) == 1
    verified = world.condition("CapacityVerified")
    assert "tokens measured" in verified["message"]
    assert "predicted" in verified["message"]
    assert [event.reason for event in world.events] == ["Planned", "CapacityVerified", "Ready"]


def test_in_steady_state_nothing_is_written_and_nothing_told() -> None:
    world = World()
    world.settle()
    before = world.status
    for _ in range(3):
        decision = world.reconcile()
        assert decision.status == before
        assert decision.events == ()
        assert decision.observations == ()


def test_a_failed_capacity_check_is_mended_once_with_the_logs_numbers() -> None:
    world = World(spec=spec(goal="SingleUser"), error_bytes=GIB)
    assert world.settle() == "Ready"
    assert len(world.commands) == 2
    assert [attempt["outcome"] for attempt in world.status["attempts"]] == ["Failed", "Started"]
    retuned = next(event for event in world.events if event.reason == "Retuned")
    assert "--gpu-memory-utilization" in retuned.message


def test_what_was_measured_makes_the_next_plan_right_the_first_time() -> None:
    world = World(spec=spec(goal="SingleUser"), error_bytes=GIB)
    world.settle()
    second = World(spec=spec(goal="SingleUser"), error_bytes=GIB, observations=world.observations)
    assert second.settle() == "Ready"
    assert len(second.commands) == 1


def test_that_a_plan_used_what_was_measured_is_noted_once_a_day() -> None:
    """The observations that were unused longest go first, so use must show."""
    world = World(spec=spec(goal="SingleUser"), error_bytes=GIB)
    world.settle()
    measured = {name: item["spec"]["measured"] for name, item in world.observations.items()}
    for days, noted in ((0.5, False), (2.0, True)):
        later = world.now + timedelta(days=days)
        another = World(spec=spec(goal="SingleUser"), error_bytes=GIB, observations=dict(world.observations), now=later)
        another.reconcile()
        uses = {item["spec"]["lastUsedAt"] for item in another.observations.values()}
        assert (uses == {timestamp(later)}) is noted
        assert {name: item["spec"]["measured"] for name, item in another.observations.items()} == measured


def test_what_lies_at_a_path_teaches_nobody_else() -> None:
    world = World(spec=spec(goal="SingleUser", model={"path": "/models/served"}), error_bytes=GIB)
    assert world.settle() == "Ready"
    assert world.observations == {}


def test_a_serving_plan_is_not_improved_upon() -> None:
    world = World(spec=spec(goal="SingleUser"), error_bytes=-GIB)
    world.settle()
    for _ in range(3):
        world.reconcile()
    assert len(world.commands) == 1


def test_a_pinned_context_that_does_not_fit_is_refused_before_any_pod_with_remedies() -> None:
    world = World(spec=spec(engine={"contextLength": 262144, "gpuMemoryUtilization": 0.6}))
    assert world.settle() == "Stalled"
    assert world.commands == []
    planned = world.condition("Planned")
    assert (planned["status"], "GiB" in planned["message"]) == ("False", True)
    assert "gpu-memory-utilization" in planned["message"]


def test_pinned_flags_stop_the_retuning_and_the_message_says_what_would_help() -> None:
    pinned = {"contextLength": 65536, "gpuMemoryUtilization": 0.92, "maxNumSeqs": 4, "maxNumBatchedTokens": 2048,
              "kvCacheDtype": "auto", "enforceEager": False, "limitMMPerPrompt": {"image": 1, "video": 0},
              "mmProcessorKwargs": {"max_pixels": 1000000}}  # fmt: skip
    world = World(spec=spec(engine=pinned), error_bytes=3 * GIB)
    assert world.settle() == "Stalled"
    assert len(world.commands) == 1
    stalled = world.condition("Stalled")
    assert "pinned" in stalled["message"]
    assert world.deployment is not None
    assert world.deployment["spec"]["replicas"] == 0


@pytest.mark.parametrize(
    ("log", "reason", "words"),
    [
        pytest.param(UNSUPPORTED_LOG, "ArchitectureUnsupported", "FooForCausalLM", id="model cannot work"),
        pytest.param(UNKNOWN_LOG, "Unknown", "ZeroDivisionError", id="unknown failure"),
    ],
)
def test_what_no_flag_mends_stops_at_once_with_the_line_quoted(log: str, reason: str, words: str) -> None:
    world = World(script=[log])
    assert world.settle() == "Stalled"
    assert len(world.commands) == 1
    stalled = world.condition("Stalled")
    assert stalled["reason"] == reason
    assert words in stalled["message"]
    for _ in range(3):
        world.reconcile()
    assert len(world.commands) == 1


def test_a_node_fault_counts_against_nobody() -> None:
    world = World(script=["node", "node"])
    assert world.settle() == "Ready"
    assert len(world.commands) == 1
    assert [attempt["outcome"] for attempt in world.status["attempts"]] == ["Started"]


def test_a_log_that_is_gone_is_reported_never_guessed() -> None:
    world = World(script=["unreadable"])
    assert world.settle() == "Stalled"
    assert world.condition("Stalled")["reason"] == "LogUnreadable"
    assert len(world.commands) == 1


@pytest.mark.parametrize(
    ("message", "reason", "words"),
    [
        pytest.param(UNSUPPORTED_LOG, "ArchitectureUnsupported", "FooForCausalLM", id="its end names the cause"),
        pytest.param("RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {}",
                     "LogUnreadable", "names no cause", id="its end names none"),
    ],
)  # fmt: skip
def test_of_a_log_that_is_gone_the_termination_message_counts_only_if_it_names_a_cause(
    message: str, reason: str, words: str
) -> None:
    world = World(script=["unreadable"], termination_message=message)
    assert world.settle() == "Stalled"
    stalled = world.condition("Stalled")
    assert stalled["reason"] == reason
    assert words in stalled["message"]


def test_a_log_that_may_become_readable_is_asked_for_again() -> None:
    world = World(script=[UNSUPPORTED_LOG])
    world.reconcile()
    world.start_up()
    kept, world.log = world.log, None
    waiting = world.reconcile()
    assert waiting.requeue_after
    assert world.condition("CapacityVerified")["reason"] == "LogUnreadable"
    assert not world.condition("Stalled")
    world.log = kept
    assert world.settle() == "Stalled"
    assert world.condition("Stalled")["reason"] == "ArchitectureUnsupported"


def test_a_log_that_stays_unreadable_is_reported_in_the_end() -> None:
    world = World(script=[UNSUPPORTED_LOG])
    world.reconcile()
    world.start_up()
    world.log = None
    world.reconcile()
    assert not world.condition("Stalled")
    world.now += timedelta(seconds=30)
    world.reconcile()
    assert world.condition("Stalled")["reason"] == "LogUnreadable"
    assert len(world.commands) == 1


def test_a_changed_spec_starts_a_new_episode() -> None:
    world = World(script=[UNKNOWN_LOG])
    world.settle()
    world.spec = spec(goal="SingleUser")
    world.generation = 2
    assert world.settle() == "Ready"
    assert world.status["attemptsMade"] == 1


def test_without_retuning_the_failure_is_reported_with_what_would_be_tried() -> None:
    world = World(spec=spec(goal="SingleUser", retune={"maxAttempts": 0}), error_bytes=GIB)
    assert world.settle() == "Stalled"
    assert len(world.commands) == 1
    stalled = world.condition("Stalled")
    assert stalled["reason"] == "RetuneDisabled"
    assert "would be tried next" in stalled["message"]


def test_a_paused_deployment_is_left_alone() -> None:
    world = World(annotations={"vlm-operator.dev/paused": "true"})
    world.reconcile()
    assert world.status["paused"] is True
    assert world.deployment is None
    assert world.reconcile().status is None


def test_a_gpu_that_nobody_has_is_named_with_what_the_cluster_has() -> None:
    world = World(spec=spec(gpu={"product": "NVIDIA-H100-80GB-HBM3", "resource": "nvidia.com/gpu"}))
    assert world.settle() == "Stalled"
    planned = world.condition("Planned")
    assert planned["reason"] == "NoMatchingGPU"
    assert "NVIDIA-GeForce-RTX-5090" in planned["message"]


@pytest.mark.parametrize("killed_after", [0, 1, 2, 3])
def test_a_kill_between_any_two_writes_loses_nothing_and_doubles_nothing(killed_after: int) -> None:
    whole = World(spec=spec(goal="SingleUser"), error_bytes=GIB)
    assert whole.settle() == "Ready"
    world = World(spec=spec(goal="SingleUser"), error_bytes=GIB)
    for _ in range(12):
        world.reconcile(killed_after=killed_after)
        world.reconcile()
        if world.condition("Ready").get("status") == "True":
            break
        world.start_up()
    assert world.commands == whole.commands
    assert [a["outcome"] for a in world.status["attempts"]] == [a["outcome"] for a in whole.status["attempts"]]
    counts = [(o["spec"]["started"], o["spec"]["failed"]) for o in world.observations.values()]
    assert counts == [(o["spec"]["started"], o["spec"]["failed"]) for o in whole.observations.values()]


def test_the_command_never_goes_below_the_floor() -> None:
    world = World(spec=spec(context={"minimum": 65536}), product="NVIDIA-L4", error_bytes=2 * GIB)
    world.settle()
    assert all(int(flags_of(args)["--max-model-len"]) >= 65536 for args in world.commands)


def test_a_server_whose_log_cannot_be_read_is_ready_all_the_same_and_measured_once_it_can() -> None:
    world = World()
    world.reconcile()
    world.start_up()
    world.unreadable = True
    world.reconcile()
    assert world.condition("Ready")["status"] == "True"
    assert "nothing was measured" in world.condition("CapacityVerified")["message"]
    world.unreadable = False
    world.reconcile()
    assert "tokens measured" in world.condition("CapacityVerified")["message"]


def test_it_is_looked_at_every_minute_until_it_is_stopped() -> None:
    starting = World()
    assert starting.reconcile().requeue_after == 60.0
    assert starting.condition("Planned")["status"] == "True"
    starting.settle()
    assert starting.reconcile().requeue_after == 60.0  # what it prints has no watch
    stopped = World(script=[UNSUPPORTED_LOG])
    assert stopped.settle() == "Stalled"
    assert stopped.reconcile().requeue_after is None


def test_a_model_whose_tokens_are_not_known_is_named_and_not_its_gpu() -> None:
    model = replace(qwen3_vl(), multimodal=None, multimodal_unknown="its tokens are not known")
    world = World(model=model, spec=spec(workload={"images": {"count": 1}}, dryRun="Never"))
    world.reconcile()
    planned = world.condition("Planned")
    assert (planned["status"], planned["reason"]) == ("Unknown", "ModelLayoutUnknown")
    assert "its tokens are not known" in planned["message"]
