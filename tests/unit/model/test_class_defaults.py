"""What a config leaves out is what its class in transformers says: figures recorded from the classes themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlm_operator.model.config_defaults import text_defaults
from vlm_operator.model.multimodal import read_vision_tower

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
