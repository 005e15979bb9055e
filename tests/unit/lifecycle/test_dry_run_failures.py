"""What vLLM refuses, and Jobs of dry runs that fail: told for their reason, and tried again as far as that may help."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from dry_run_world import PATH, DryRunWorld, answered, asking, recorded, tried_again
from vlm_operator.api.base import parse
from vlm_operator.api.vlm_deployment_status import VLMDeploymentStatus
from vlm_operator.lifecycle.decide import decide
from vlm_operator.lifecycle.situation import GpuNode, Rejection


def test_what_vllm_refuses_is_refused_for_its_reason_before_a_gpu_is_taken() -> None:
    world = answered(recorded("refused-tensor-parallel-0.33.0"), gpus=4, spec={**PATH, "gpu": {"count": 4}})
    assert world.planned == ("False", "TensorParallelNotDivisible")
    assert world.condition("Stalled")["status"] == "True"
    assert world.deployment is None
    assert world.status["dryRun"]["state"] == "Refused"
    assert world.jobs == {}
    events = len(world.events)
    world.reconcile()
    assert len(world.events) == events
    assert len(world.made) == 1
    parse(VLMDeploymentStatus, world.status, where="status")


def test_a_changed_spec_is_asked_anew_after_a_refusal() -> None:
    world = answered(recorded("refused-tensor-parallel-0.33.0"), gpus=4, spec={**PATH, "gpu": {"count": 4}})
    world.spec, world.generation = {**PATH, "gpu": {"count": 2}}, 2
    world.reconcile()
    assert world.planned == ("Unknown", "DryRunning")
    assert len(world.made) == 2


def oom(world: DryRunWorld) -> None:
    world.fails("OOMKilled", 137, "")


def limits(world: DryRunWorld) -> str:
    (container,) = world.job["spec"]["template"]["spec"]["containers"]
    return str(container["resources"]["limits"]["memory"])


def test_out_of_memory_is_tried_with_twice_as_much_and_then_told() -> None:
    world = asking()
    found = []
    for _ in range(3):
        found.append(limits(world))
        oom(world)
        world.reconcile()
        assert world.planned == ("Unknown", "DryRunOutOfMemory")
        tried_again(world)
    assert found == ["4096Mi", "8192Mi", "16384Mi"]
    assert world.condition("Stalled")["reason"] == "DryRunOutOfMemory"
    assert "vlmctl dry-run --save" in world.condition("Stalled")["message"]
    tried_again(world, 10 * 86_400)
    assert len(world.made) == 3


def test_a_failed_job_is_not_tried_again_before_its_time() -> None:
    world = asking()
    world.fails()
    decision = world.reconcile()
    assert decision.requeue_after == pytest.approx(60)
    tried_again(world, 59)
    assert len(world.made) == 1
    assert world.status["dryRun"]["reason"] == "DryRunFailed"
    tried_again(world, 1)
    assert len(world.made) == 2
    assert {"reason", "message", "finishedAt"}.isdisjoint(world.status["dryRun"])
    assert world.planned == ("Unknown", "DryRunning")


FAILURES = {
    "DryRunFailed": lambda world: world.fails(),
    "DryRunOutOfMemory": oom,
    "DryRunDeadlineExceeded": lambda world: world.exceeds_deadline(),
    "SimulationCannotTell": lambda world: world.answers(recorded("cannot-tell-0.33.0")),
    "ModelUnreadable": lambda world: world.answers(
        {
            "error": {
                "stage": "model", "type": "NoModel", "message": "GatedRepoError: 403", "raisedIn": "dryrun.__main__",
                "trace": "",
            }
        }
    ),
}  # fmt: skip


@pytest.mark.parametrize("reason", FAILURES)
def test_a_failure_has_its_reason(reason: str) -> None:
    world = asking()
    FAILURES[reason](world)
    world.reconcile()
    assert world.planned == ("Unknown", reason)
    assert world.deployment is None
    parse(VLMDeploymentStatus, world.status, where="status")


def test_what_the_simulation_cannot_tell_is_not_asked_again() -> None:
    world = asking()
    world.answers(recorded("cannot-tell-0.33.0"))
    world.reconcile()
    assert world.condition("Stalled")["reason"] == "SimulationCannotTell"
    tried_again(world)
    assert len(world.made) == 1


def test_a_job_that_the_api_server_does_not_take_is_said() -> None:
    world = asking()
    rejection = Rejection("Job", world.made[0], "forbidden: exceeded quota", 1)
    decision = decide(replace(world.situation(), dry_run_jobs=(), rejection=rejection))
    world._apply_status(decision)
    assert world.planned == ("Unknown", "DryRunRejected")
    assert "exceeded quota" in world.condition("Planned")["message"]
    assert decision.dry_run is not None


def test_a_job_that_was_not_taken_stands_in_nobodys_way_once_there_is_a_plan() -> None:
    world = answered()
    rejection = Rejection("Job", world.made[0], "forbidden: exceeded quota", 1)
    decision = decide(replace(world.situation(), rejection=rejection))
    world._apply_status(decision)
    assert world.planned == ("True", "Fits")
    assert "quota" not in str(world.status["conditions"])


@pytest.mark.parametrize(
    "version", [None, "", "nightly", "0.33.0" + "a" * 100], ids=["none", "empty", "no release", "too long"]
)
def test_an_answer_without_a_release_is_no_answer(version: str | None) -> None:
    world = asking()
    world.answers(recorded(vllmVersion=version))
    world.reconcile()
    assert world.planned == ("Unknown", "DryRunFailed")
    assert world.facts == {}


def test_which_gpus_are_free_does_not_change_the_question() -> None:
    world = asking()
    others = tuple(
        GpuNode(f"n{number}", {"nvidia.com/gpu.product": product}, {"nvidia.com/gpu": "1"}, ready=True)
        for number, product in enumerate(("NVIDIA-L4", "NVIDIA-GeForce-RTX-5090"))
    )
    names = set()
    for used in ({}, {"n0": {"nvidia.com/gpu": 1}}, {"n1": {"nvidia.com/gpu": 1}}):
        decision = decide(replace(world.situation(), nodes=others, gpus_in_use=used))
        assert decision.dry_run is not None
        names.add(decision.dry_run[1]["metadata"]["name"])
    assert len(names) == 1


def test_a_job_that_is_lost_is_made_again_and_after_its_time_counts_as_failed() -> None:
    world = asking()
    world.jobs.clear()
    world.reconcile()
    assert len(world.made) == 2
    assert len(set(world.made)) == 1
    world.jobs.clear()
    world.now += timedelta(hours=1)
    world.reconcile()
    assert world.planned == ("Unknown", "DryRunFailed")
