"""From a model that nobody knows, by a dry run, to a plan or a typed refusal, before a GPU is taken."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from builders import qwen3_vl
from dry_run_world import PATH, UNKNOWN, DryRunWorld, answered, asking, recorded
from lifecycle_world import MODEL, capacity_log, flags_of, started_log
from vlm_operator.api.base import parse
from vlm_operator.api.vlm_deployment_status import VLMDeploymentStatus
from vlm_operator.errors import ModelNotFound, SourceUnavailable, UnknownFact
from vlm_operator.lifecycle.situation import ContainerState
from vlm_operator.units import GIB

# --- asking


def test_a_path_is_asked_about_before_anything_is_applied() -> None:
    world = asking()
    assert world.planned == ("Unknown", "DryRunning")
    assert world.condition("Reconciling")["status"] == "True"
    assert world.condition("Stalled") == {}
    assert world.deployment is None
    assert "lies in a volume" in world.condition("Planned")["message"]
    assert [event.reason for event in world.events] == ["DryRunStarted"]
    parse(VLMDeploymentStatus, world.status, where="status")


def test_it_is_asked_once() -> None:
    world = asking()
    for _ in range(3):
        world.pod_is(ContainerState("running"), phase="Running")
        world.reconcile()
    assert len(world.made) == 1
    assert [event.reason for event in world.events] == ["DryRunStarted"]


def test_the_question_names_the_model_where_the_pod_finds_it() -> None:
    question = asking().config_maps[0]["data"]["request.json"]
    assert '"model": "/models/new"' in question
    by_id = asking(spec={"model": {"id": "org/new", "revision": "abc"}}).config_maps[0]["data"]["request.json"]
    assert '"repository": "org/new"' in by_id
    assert '"revision": "abc"' in by_id


@pytest.mark.parametrize(
    ("spec", "error", "asked"),
    [
        pytest.param(PATH, UNKNOWN, True, id="a path"),
        pytest.param({"model": {"id": "org/new"}}, UnknownFact("no layout", field="model"), True, id="a new family"),
        pytest.param({**PATH, "dryRun": "Never"}, UNKNOWN, False, id="it must not be asked"),
        pytest.param({"model": {"id": "org/a"}}, ModelNotFound("none"), False, id="no such model"),
        pytest.param(
            {"model": {"id": "org/a", "tokenSecretRef": {"name": "hub"}}}, ModelNotFound("none"), True, id="private"
        ),
        pytest.param({"model": {"id": "org/a"}}, SourceUnavailable("away"), False, id="no network"),
        pytest.param(
            {"model": {"id": "org/a"}, "cacheClaim": "cache"}, SourceUnavailable("away"), True, id="air-gapped, cached"
        ),
        pytest.param({**PATH, "cpu": {"kvCacheSpace": "4Gi"}}, UNKNOWN, False, id="the CPU backend"),
    ],
)
def test_vllm_is_asked_where_it_may_know_more(spec: dict[str, Any], error: Any, asked: bool) -> None:
    world = asking(spec=spec, error=error)
    assert bool(world.made) == asked
    assert (world.planned[1] == "DryRunning") == asked


@pytest.mark.parametrize(
    "engine",
    [
        pytest.param({"image": "example/vllm:nightly"}, id="an image without a release"),
        pytest.param({"image": "vllm/vllm-openai:v0.99.0"}, id="a release that was not read"),
    ],
)
def test_a_release_that_is_not_known_is_asked(engine: dict[str, Any]) -> None:
    world = answered(
        recorded(vllmVersion="0.99.0"), spec={"model": {"id": MODEL}, "engine": engine}, error=None
    )  # fmt: skip
    assert world.planned[0] == "True"
    assert world.status["plan"]["vllmVersion"] == "0.99.0"


def test_an_image_that_turns_out_to_hold_a_known_release_is_planned_by_its_rules() -> None:
    image = {"image": "example/vllm:ours"}
    world = answered(spec={"model": {"id": MODEL}, "engine": image}, error=None)
    assert world.status["plan"]["vllmVersion"] == "0.32.0"
    assert world.status["plan"]["flags"]["gpu_memory_utilization"] is not None


# --- the answer


def test_the_answer_is_kept_and_planned_with() -> None:
    world = answered()
    assert world.planned == ("True", "Fits")
    (facts,) = world.facts.values()
    assert facts["spec"]["namespace"] == "default"
    assert facts["spec"]["model"] == "/models/new"
    assert world.deployment is not None
    plan = world.status["plan"]
    assert plan["architecture"] == "Qwen3VLForConditionalGeneration"
    assert plan["budget"]["weightsBytes"] == 18_053_990_400
    assert [event.reason for event in world.events] == ["DryRunStarted", "DryRunEnded", "Planned"]
    assert world.status["dryRun"]["state"] == "Answered"
    parse(VLMDeploymentStatus, world.status, where="status")


def test_the_job_goes_once_it_has_answered_and_nothing_is_made_again() -> None:
    world = answered()
    assert world.jobs == {}
    before = world.status
    decision = world.reconcile()
    assert (decision.dry_run, decision.delete, decision.events, decision.engine_facts) == (None, (), (), ())
    assert world.status == before


def test_the_server_has_what_was_profiled() -> None:
    world = answered()
    flags = flags_of(world.commands[0])
    resolved = recorded()["settings"]
    assert flags["--max-num-batched-tokens"] == str(resolved["max_num_batched_tokens"])
    assert flags["--max-num-seqs"] == str(resolved["max_num_seqs"])
    assert flags["--max-model-len"] == "32768"


def test_a_long_answer_is_read_from_the_log() -> None:
    files = {"config.json": {str(n): f"{n * 7919 % 10007:x}" for n in range(3000)}}
    world = answered(recorded(modelFiles=files))
    assert world.dry_run_log
    assert world.planned == ("True", "Fits")


def test_a_model_of_a_known_family_is_planned_by_rules_from_the_config_that_was_read() -> None:
    world = answered(read=qwen3_vl(), spec={**PATH, "goal": "SingleUser"})
    assert world.planned == ("True", "Fits")
    assert world.status["plan"]["flags"]["gpu_memory_utilization"] < 0.9
    assert world.made[1:] == []


def test_a_serving_server_is_left_alone_when_its_facts_are_deleted() -> None:
    world = answered()
    world.script = [started_log(32768, 8 * GIB, 60_000)]
    world.start_up()
    world.reconcile()
    assert world.condition("Ready")["status"] == "True"
    before = world.deployment
    world.facts.clear()
    decision = world.reconcile()
    assert decision.dry_run is None
    assert world.condition("Ready")["status"] == "True"
    assert world.deployment == before
    assert world.pods_made == 1


def test_a_start_up_that_finds_less_is_planned_around_on_the_same_answer() -> None:
    world = answered()
    world.script = [capacity_log(32768, 5 * GIB, 2 * GIB, 12_000), started_log(4096, 2 * GIB, 14_000)]
    world.start_up()
    world.reconcile()
    assert [flags_of(command)["--max-model-len"] for command in world.commands] == ["32768", "4096"]
    assert len(world.made) == 1


# --- bounds


@pytest.mark.parametrize(
    ("spec", "planned", "length"),
    [
        pytest.param({"context": {"maximum": 8192}}, "Fits", 4096, id="the longest under the cap"),
        pytest.param({"context": {"minimum": 8192}}, "Fits", 32768, id="at least the floor"),
        pytest.param({"context": {"minimum": 65536}}, "ContextAboveModel", None, id="a floor above what was asked"),
        pytest.param({"workload": {"promptTokens": 40000}}, "ContextAboveModel", None, id="a request that is longer"),
        pytest.param({"engine": {"contextLength": 32768}}, "Fits", 32768, id="a pinned context"),
        pytest.param(
            {"engine": {"gpuMemoryUtilization": 0.5}, "context": {"minimum": 20000}},
            "NoKVCacheMemory",
            32768,
            id="no memory is left",
        ),
        pytest.param(
            {"engine": {"gpuMemoryUtilization": 0.7}, "context": {"minimum": 20000}},
            "KVCacheTooSmall",
            32768,
            id="too little is left for the floor",
        ),
        pytest.param({"engine": {"gpuMemoryUtilization": 0.78}}, "Fits", 4096, id="a short one fits for certain"),
        pytest.param(
            {"engine": {"gpuMemoryUtilization": 0.78}, "context": {"minimum": 20000}},
            "FitsTight",
            32768,
            id="the floor fits by the best estimate",
        ),
    ],
)
def test_the_context_is_chosen_within_the_bounds_of_the_spec(
    spec: dict[str, Any], planned: str, length: int | None
) -> None:
    maximum = (spec.get("context") or {}).get("maximum")
    settings = {**recorded()["settings"], **({"max_model_len": maximum} if maximum else {})}
    world = answered(recorded(settings=settings), spec={**PATH, **spec})
    assert world.planned[1] == planned
    assert world.status.get("contextLength") == length


def test_where_nothing_fits_beside_the_items_of_a_long_context_a_short_one_is_asked_for() -> None:
    settings = {**recorded()["settings"], "max_model_len": 32768}
    large = recorded(settings=settings, moments={**recorded()["moments"], "peakBytes": 14 * GIB})
    world = answered(large)
    assert len(world.made) == 2
    assert world.planned == ("Unknown", "DryRunning")
    assert '"max_model_len": 8192' in world.config_maps[1]["data"]["request.json"]
    requests = [{"maxModelLen": 8192, "neededBytes": 1_207_959_552}]
    world.answers(recorded(settings={**settings, "max_model_len": 8192}, requests=requests))
    world.reconcile()
    world.reconcile()
    assert world.planned == ("True", "Fits")
    assert world.status["contextLength"] == 8192


def test_where_weights_are_too_much_for_one_gpu_as_many_are_asked_about_as_may_hold_them() -> None:
    world = answered(recorded(weightsBytes=30 * GIB), gpus=4)
    assert world.planned == ("Unknown", "DryRunning")
    assert [
        json.loads(each["data"]["request.json"])["engine"].get("tensor_parallel_size") for each in world.config_maps
    ] == [None, 2]
    world.answers(recorded(weightsBytes=15 * GIB))
    world.reconcile()
    world.reconcile()
    assert world.planned == ("True", "Fits")
    assert world.status["plan"]["gpu"]["count"] == 2
    made = world.deployment
    world.reconcile()
    assert world.deployment == made  # by the remembered plan, whose weights are those of one of two ranks


# --- killed in the middle


@pytest.mark.parametrize("killed_after", [0, 1, 2, 3])
def test_an_operator_that_is_killed_goes_on_where_it_was(killed_after: int) -> None:
    world = DryRunWorld()
    world.reconcile(killed_after=killed_after)
    world.reconcile()
    assert len(world.made) == 1
    world.answers(recorded())
    world.reconcile(killed_after=killed_after)
    for _ in range(3):
        world.reconcile()
    assert world.planned == ("True", "Fits")
    assert len(world.made) == 1
    assert len(world.facts) == 1
    assert world.jobs == {}


# --- Always


def always(**more: Any) -> DryRunWorld:
    return asking(spec={"model": {"id": MODEL}, "dryRun": "Always", "gpu": {"product": "RTX-5090"}}, error=None, **more)


def test_always_asks_about_a_plan_that_fits_with_its_flags() -> None:
    world = always()
    assert world.planned == ("Unknown", "DryRunning")
    assert world.deployment is None
    assert '"max_model_len"' in world.config_maps[0]["data"]["request.json"]


def test_always_takes_the_figures_and_ends() -> None:
    world = always()
    for _ in range(6):
        if world.jobs:
            world.answers(recorded(vllmVersion="0.33.0"))
        world.reconcile()
    assert world.planned[0] == "True"
    assert world.deployment is not None
    assert len(world.made) <= 4
    assert world.jobs == {}
    assert world.status["plan"]["budget"]["weightsBytes"] == recorded()["weightsBytes"]


def test_always_goes_on_with_the_plan_where_the_dry_run_cannot_tell() -> None:
    world = always()
    world.answers(recorded("cannot-tell-0.33.0"))
    for _ in range(2):
        world.reconcile()
    assert world.planned[0] == "True"
    assert world.deployment is not None
    assert world.status["dryRun"]["reason"] == "SimulationCannotTell"
    assert [event.reason for event in world.events] == ["DryRunStarted", "DryRunEnded", "Planned"]


def test_always_refuses_what_vllm_refuses() -> None:
    world = always()
    world.answers(recorded("refused-sequences-0.33.0"))
    world.reconcile()
    assert world.planned[0] == "False"
    assert world.deployment is None


# --- facts that somebody applied


def test_facts_for_everybody_are_used_without_a_job_and_whatever_the_release_is_called() -> None:
    taught = answered(spec={"model": {"id": "org/new"}, "engine": {"image": "vllm/vllm-openai:v0.32.0"}})
    (facts,) = taught.facts.values()
    spec = {name: value for name, value in facts["spec"].items() if name not in {"namespace", "image"}}
    applied = {"applied": {**facts, "metadata": {"name": "applied"}, "spec": spec}}
    for policy in ("Never", "WhenUnknown"):
        world = asking(
            spec={"model": {"id": "org/new"}, "engine": {"vllmVersion": "0.32.0", "image": "ours"}, "dryRun": policy},
            facts=dict(applied),
        )
        assert world.planned == ("True", "Fits")
        assert world.made == []


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"namespace": "other"}, id="of another namespace"),
        pytest.param({"image": "evil/vllm:v0.33.0"}, id="of another image"),
        pytest.param({"place": "0123456789abcdef"}, id="of another volume"),
        pytest.param({"model": "/models/other"}, id="of another path with the same label"),
        pytest.param({"gpuProduct": "NVIDIA-H100-80GB-HBM3"}, id="of another GPU"),
        pytest.param({"found": {"weightsBytes": "many"}}, id="that cannot be read"),
    ],
)
def test_facts_about_something_else_are_not_used(change: dict[str, Any]) -> None:
    world = answered()
    (name, facts), *_ = world.facts.items()
    other = DryRunWorld(facts={name: {**facts, "spec": {**facts["spec"], **change}}})
    other.reconcile()
    assert other.planned == ("Unknown", "DryRunning")


def test_until_a_failed_job_is_tried_again_it_is_waited_for_as_long_as_is_left() -> None:
    world = asking()
    world.fails()
    world.reconcile()
    waits = []
    for seconds in (20, 39.5):
        world.now += timedelta(seconds=seconds)
        waits.append(world.reconcile().requeue_after)
    assert waits == [pytest.approx(40), 1.0]
