"""What vLLM itself builds: bytes of small models of every family, counted by this project and by vLLM.

``vllm_figures.jsonl``: each model was built by vLLM 0.32.0 (``model_loader.utils.initialize_model``) on torch's meta
device, with the flags given, and the bytes of its parameters and buffers were added up; views of other tensors are left
out. ``pipeline_parallel_size`` has the largest of the stages. The configs are small ones of this project's own making;
some leave fields out, and stand for what the config class then takes. Methods without a CPU kernel were built with a
stand-in kernel: only what ``create_weights`` registers counts.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from vlm_operator.capacity.weights import weight_bytes
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.facts import Component
from vlm_operator.model.reader import read_model_facts
from vlm_operator.model.weights.reading import multimodal_reader

FIGURES = [json.loads(line) for line in Path(__file__).with_name("vllm_figures.jsonl").read_text().splitlines()]
VERSION = EngineVersion(0, 32)
QUANTISED_TOLERANCE = 0.0005
"""vLLM's layers hold a few scalars more or less (scales of the KV cache, one input scale for all experts)."""


def cases(*, quantised: bool) -> list[Any]:
    return [
        pytest.param(
            model["config"],
            {name: value for name, value in figure.items() if name != "bytes"},
            figure["bytes"],
            id=" ".join([model["model"], *(f"{name}={value}" for name, value in figure.items() if name != "bytes")]),
        )
        for model in FIGURES
        for figure in model["figures"]
        if ("quantization_config" in model["config"]) is quantised
    ]


@pytest.mark.parametrize(("config", "flags", "expected"), cases(quantised=False))
def test_an_unquantised_model_weighs_to_the_byte_what_vllm_builds(
    config: dict[str, Any], flags: dict[str, Any], expected: int
) -> None:
    facts = read_model_facts(config, model="test", source="test")
    assert facts.weights_unknown is None
    weights = weight_bytes(facts, EngineSettings(**flags), VERSION)
    assert weights.total == expected
    assert weights.source == "config"


@pytest.mark.parametrize(("config", "flags", "expected"), cases(quantised=True))
def test_a_quantised_model_weighs_what_vllm_builds(
    config: dict[str, Any], flags: dict[str, Any], expected: int
) -> None:
    facts = read_model_facts(config, model="test", source="test")
    assert weight_bytes(facts, EngineSettings(**flags), VERSION).total == pytest.approx(
        expected, rel=QUANTISED_TOLERANCE
    )


@pytest.mark.parametrize("model", [pytest.param(model, id=model["model"]) for model in FIGURES])
def test_parts_add_up_and_are_whole_numbers(model: dict[str, Any]) -> None:
    facts = read_model_facts(model["config"], model="test", source="test")
    weights = weight_bytes(facts, EngineSettings(), VERSION)
    assert sum(weights.by_component.values()) == weights.total
    assert all(type(size) is int and size > 0 for size in weights.by_component.values())
    has_tower = Component.VISION_TOWER in weights.by_component
    assert has_tower is (multimodal_reader(facts.architecture) is not None)
