"""What a config leaves out is what its class in transformers says: figures recorded from the classes themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlm_operator.model.config_defaults import text_defaults
from vlm_operator.model.multimodal import read_vision_tower
from vlm_operator.model.reader import read_model_facts

RECORDED: dict[str, dict[str, dict[str, Any]]] = json.loads(
    (Path(__file__).resolve().parents[2] / "data/class_defaults.json").read_text()
)


def of(recorded: dict[str, dict[str, Any]]) -> list[Any]:
    return [pytest.param(name, figures, id=name) for name, figures in recorded.items()]


@pytest.mark.parametrize(("model_type", "figures"), of(RECORDED["text"]))
def test_the_defaults_of_a_language_model_are_its_classs(model_type: str, figures: dict[str, Any]) -> None:
    stated = text_defaults(model_type)
    assert {"num_hidden_layers", "hidden_size", "vocab_size"} <= set(stated)
    known = {name: figure for name, figure in stated.items() if name in figures}
    assert known == {name: figures[name] for name in known}


@pytest.mark.parametrize(("model_type", "figures"), of(RECORDED["towers"]))
def test_a_tower_of_which_the_config_says_nothing_is_its_classs(model_type: str, figures: dict[str, Any]) -> None:
    tower = read_vision_tower(
        {
            "model_type": model_type,
            "vision_config": {},
            "vision_feature_layer": -1,  # all blocks are built
            "text_config": {"hidden_size": 4096, "model_type": "llama"},
        }
    )
    assert tower is not None
    assert {name: getattr(tower, name) for name in figures} == figures


def test_a_tower_puts_out_the_width_that_the_class_of_the_language_model_has() -> None:
    config = {"model_type": "llava", "vision_config": {"model_type": "clip_vision_model"}, "vision_feature_layer": -2}
    tower = read_vision_tower({**config, "text_config": {"model_type": "llama"}})
    assert tower is not None
    assert tower.output_size == text_defaults("llama")["hidden_size"] == 4096


@pytest.mark.parametrize(
    ("given", "width"),
    [
        pytest.param({}, 512, id="left out: the class's"),
        pytest.param({"shared_expert_intermediate_size": 1024}, 1024, id="given"),
    ],
)
def test_the_shared_expert_of_a_config_that_names_none_is_its_classs(given: dict[str, int], width: int) -> None:
    config = {
        "architectures": ["Qwen3_5MoeForCausalLM"],
        "model_type": "qwen3_5_moe_text",
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 512,
        "num_hidden_layers": 8,
        "hidden_size": 2048,
        "vocab_size": 248064,
        "num_attention_heads": 16,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "linear_conv_kernel_dim": 4,
        "linear_key_head_dim": 128,
        "linear_value_head_dim": 128,
        "linear_num_key_heads": 16,
        "linear_num_value_heads": 32,
        "max_position_embeddings": 4096,
        **given,
    }
    experts = read_model_facts(config, model="m", source="test").text.experts
    assert experts is not None
    assert experts.shared_intermediate_size == width
