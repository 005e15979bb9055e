"""Configs with nonsense in them: every reader answers or refuses, none fails in another way or takes long."""

import copy
import json
import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlm_operator.capacity.weights import weight_bytes
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, VlmOperatorError
from vlm_operator.model.config import Config
from vlm_operator.model.reader import read_model_facts
from vlm_operator.model.text import read_text
from vlm_operator.model.text_config import TextConfig
from vlm_operator.model.weights import read_quantization, read_weight_modules

FIGURES = [json.loads(line) for line in Path(__file__).with_name("vllm_figures.jsonl").read_text().splitlines()]
CONFIGS = {figure["model"]: figure["config"] for figure in FIGURES}
SECTIONS = [config["quantization_config"] for config in CONFIGS.values() if "quantization_config" in config]
NONSENSE = st.sampled_from(
    ["", None, -1, 0, 10**18, -(10**30), [], {}, "x", "12", 1.5, float("nan"), float("inf"), True, [1], [""], [[]],
     [{}], [None], [10**20, 2], [1, 2, 3], {"a": 1}, {"": {}}]
)  # fmt: skip


def fields(config: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in config.items():
        yield (*path, key)
        if isinstance(value, dict):
            yield from fields(value, (*path, key))


def changed(config: dict[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    result = copy.deepcopy(config)
    section = result
    for key in path[:-1]:
        section = section[key]
    section[path[-1]] = copy.deepcopy(value)
    return result


def architecture(config: dict[str, Any]) -> str:
    return str(config["architectures"][0])


@settings(max_examples=400)
@given(st.sampled_from(sorted(CONFIGS)), st.randoms(use_true_random=False), NONSENSE)
def test_nonsense_in_any_field_is_answered_or_refused(model: str, choice: random.Random, value: Any) -> None:
    config = CONFIGS[model]
    text = read_text(TextConfig(Config(config), architecture(config)))
    path = choice.choice([path for path in fields(config) if path[0] != "architectures"])
    hostile = changed(config, path, value)
    try:
        read_weight_modules(hostile, architecture(config), text)
        facts = read_model_facts(hostile, model="test", source="test")
        weights = weight_bytes(
            facts, EngineSettings(tensor_parallel_size=choice.choice([1, 2, 8])), EngineVersion(0, 32)
        )
    except VlmOperatorError:
        return
    assert type(weights.total) is int
    assert weights.total >= 0


@settings(max_examples=200)
@given(st.sampled_from(SECTIONS), st.randoms(use_true_random=False), NONSENSE)
def test_nonsense_in_a_quantisation_is_answered_or_refused(
    section: dict[str, Any], choice: random.Random, value: Any
) -> None:
    hostile = changed(section, choice.choice(list(fields(section))), value)
    with suppress(VlmOperatorError):
        rule = read_quantization({"architectures": ["LlamaForCausalLM"], "quantization_config": hostile})
        assert rule is None or rule.weight_bits > 0


@pytest.mark.parametrize(
    ("model", "path", "value", "field"),
    [
        pytest.param("qwen3_moe", ("mlp_only_layers",), [[0]], "mlp_only_layers", id="a list for a layer's number"),
        pytest.param(
            "kimi_vl", ("vision_config", "merge_kernel_size"), ["", 2], "merge_kernel_size", id="no side of a kernel"
        ),
        pytest.param("minicpmv4_6", ("merge_kernel_size",), [2], "merge_kernel_size", id="half a kernel"),
        pytest.param(
            "internvl_chat", ("llm_config", "architectures"), [{}], "architectures", id="an object for a name"
        ),
        pytest.param("internvl_chat", ("select_layer",), 10**18, "select_layer", id="a block no tower has"),
        pytest.param("qwen3_next", ("layer_types",), [], "layer_types", id="no kind for any layer"),
    ],
)
def test_a_list_of_the_wrong_things_is_refused_by_its_field(
    model: str, path: tuple[str, ...], value: Any, field: str
) -> None:
    config = CONFIGS[model]
    text = read_text(TextConfig(Config(config), architecture(config)))
    with pytest.raises(InputError, match=field) as refused:
        read_weight_modules(changed(config, path, value), architecture(config), text)
    assert field in str(refused.value.field)
