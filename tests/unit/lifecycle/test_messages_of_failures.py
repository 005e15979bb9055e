"""What is said about a failure: its own figures, the next step before anything long, nothing that contradicts."""

from __future__ import annotations

import re
from typing import Any

import pytest

from lifecycle_world import MODEL, World
from vlm_operator.api.base import parse
from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.lifecycle.history import AttemptRecord
from vlm_operator.lifecycle.next_plan import not_converging
from vlm_operator.lifecycle.wording import shortened, truncated, with_remedy
from vlm_operator.units import GIB

REGISTRY = ", ".join(f"'Model{number}ForCausalLM'" for number in range(200))
UNSUPPORTED = (
    "(APIServer pid=1)   Value error, Model architectures ['FooForCausalLM'] are not supported for now. Supported "
    f"architectures: dict_keys([{REGISTRY}]) [type=value_error, input_value=ArgsKwargs((), {{}}), "
    "input_type=ArgsKwargs]\n"
)


def test_a_registry_of_two_hundred_names_hides_no_remedy() -> None:
    world = World(script=[UNSUPPORTED])
    assert world.settle() == "Stalled"
    message = world.condition("Stalled")["message"]
    assert len(message) < 600
    assert message.index("Use a newer vLLM image") < message.index("FooForCausalLM")
    assert "Model2ForCausalLM', and more" in message
    assert "Model40ForCausalLM" not in message
    for event in world.events:
        if event.reason in {"StartupFailed", "Stopped"}:
            assert "Use a newer vLLM image" in event.message[:200]


@pytest.mark.parametrize(
    ("sentence", "short"),
    [
        pytest.param("too small (4.0 GiB, 2.0 GiB)", "too small (4.0 GiB, 2.0 GiB)", id="short lists stay"),
        pytest.param("of [a, b, c, d, e, f, g]", "of [a, b, c, … 4 more]", id="long lists are cut"),
        pytest.param("x. Try increasing `y`. See https://z", "x.", id="vLLM's general advice goes"),
        pytest.param("a\n  b", "a b", id="one line"),
        pytest.param("w" * 500, "w" * 398 + " …", id="at most 400 characters"),
    ],
)
def test_quoted_sentences_are_short(sentence: str, short: str) -> None:
    assert shortened(sentence) == short


def test_the_remedy_comes_first() -> None:
    assert with_remedy("it is so", "do that.") == "Do that. vLLM said: it is so"


def test_a_text_is_cut_at_whole_characters() -> None:
    assert truncated("äää", 5) == "ä…"
    assert len(truncated("€" * 1000, 1024).encode()) <= 1024


@pytest.mark.parametrize(
    ("spec", "numbers", "step"),
    [
        pytest.param({}, {}, "Lower engine.contextLength", id="the remedy of the failure"),
        pytest.param({"context": {"minimum": 70000}}, {"estimatedMaxLen": 65408},
                     "Lower context.minimum to at most 65,408", id="the floor is above what vLLM says would fit"),
        pytest.param({"context": {"minimum": 7000}}, {"estimatedMaxLen": 65408}, "Lower engine.contextLength",
                     id="the floor is below it"),
        pytest.param({"context": {"minimum": 65408}}, {"estimatedMaxLen": 65408}, "Lower engine.contextLength",
                     id="the floor is what would fit"),
    ],
)  # fmt: skip
def test_a_stop_that_does_not_converge_begins_with_the_next_step_and_carries_the_failures_figures(
    spec: dict[str, Any], numbers: dict[str, Any], step: str
) -> None:
    failed = AttemptRecord(
        "f", "e", EngineSettings(), "Failed", "KVCacheTooSmall", "12.36/23.54 GiB available", numbers
    )
    parsed = parse(VLMDeploymentSpec, {"model": {"id": MODEL}, **spec}, where="spec")
    stop = not_converging(parsed, failed)
    assert stop.reason == "NotConverging"
    assert stop.message.startswith(step)
    assert "12.36/23.54 GiB available" in stop.message


def test_planned_is_never_true_with_a_failures_reason() -> None:
    engine = {"contextLength": 65536, "gpuMemoryUtilization": 0.92, "maxNumSeqs": 4, "maxNumBatchedTokens": 2048,
              "kvCacheDtype": "auto", "enforceEager": False, "limitMMPerPrompt": {"image": 1, "video": 0},
              "mmProcessorKwargs": {"max_pixels": 1000000}}  # fmt: skip
    world = World(spec={"model": {"id": MODEL}, "engine": engine}, error_bytes=3 * GIB)
    assert world.settle() == "Stalled"
    planned = world.condition("Planned")
    assert (planned["status"], planned["reason"]) == ("False", "PinnedFlagsStandInTheWay")
    assert world.condition("Ready")["reason"] == "PinnedFlagsStandInTheWay"
    assert re.search(r"\d+\.\d+ GiB KV cache is needed", planned["message"])
    assert "if a pinned flag were changed" in planned["message"]


def test_the_explanation_adds_up_after_a_measurement() -> None:
    world = World(spec={"model": {"id": MODEL}, "goal": "SingleUser"}, error_bytes=GIB)
    assert world.settle() == "Ready"
    second = World(spec=world.spec, observations=world.observations)
    second.reconcile()
    sentence = second.status["plan"]["explanation"][0]
    figures = [float(figure) for figure in re.findall(r"(\d+\.\d\d) GiB", sentence)]
    requested, *terms, left = figures
    signs = [1 if f"plus {term:.2f}" in sentence else -1 for term in terms]
    total = requested + sum(sign * term for sign, term in zip(signs, terms, strict=True))
    assert total == pytest.approx(left, abs=0.03)
    assert "by which start-ups differed" in sentence


def test_a_floor_that_vllms_own_estimate_rules_out_is_named_before_a_larger_gpu() -> None:
    spec = {"model": {"id": MODEL}, "context": {"minimum": 32768}}
    world = World(spec=spec, product="NVIDIA-L4", error_bytes=2 * GIB)
    assert world.settle() == "Stalled"
    message = world.condition("Stalled")["message"]
    estimated = re.search(r"estimated maximum model length is (\d+)", message)
    assert estimated is not None
    assert f"Lower context.minimum to at most {int(estimated[1]):,}; or use a GPU with at least " in message
    assert "this one has 22.03 GiB" in message
    assert world.status["attempts"][0]["numbers"]["neededGiB"] == 2.25


def test_a_floor_that_is_all_that_forbids_a_plan_is_named_before_any_pod() -> None:
    world = World(spec={"model": {"id": MODEL}, "context": {"minimum": 262144}}, product="NVIDIA-GeForce-RTX-5090")
    assert world.settle() == "Stalled"
    assert world.commands == []
    named = re.search(r"lower context\.minimum to at most ([\d,]+)", world.condition("Planned")["message"])
    assert named is not None
    lowered = {"model": {"id": MODEL}, "context": {"minimum": int(named[1].replace(",", ""))}}
    assert World(spec=lowered, product="NVIDIA-GeForce-RTX-5090").settle() == "Ready"
