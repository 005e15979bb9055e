"""Weights of models that hear equal those of vLLM's own classes.

``tests/data/audio_weights.jsonl`` holds bytes of all parameters and buffers of the classes of vLLM 0.33, built on the
``meta`` device of PyTorch for one rank from the configs beside them (sizes of published checkpoints).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlm_operator.capacity.weights.weight_bytes import weight_bytes
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.facts import Component
from vlm_operator.model.reader import read_model_facts

RECORDED = Path(__file__).resolve().parents[3] / "data" / "audio_weights.jsonl"
HEAD, *ROWS = (json.loads(line) for line in RECORDED.read_text(encoding="utf-8").splitlines())
VERSION = EngineVersion.parse(HEAD["release"])
EVERY_ROW = pytest.mark.parametrize("row", [pytest.param(row, id=row["family"]) for row in ROWS])


@EVERY_ROW
def test_weights_are_what_vllm_builds(row: dict[str, Any]) -> None:
    model = read_model_facts(row["config"], model=row["family"], source="test")
    assert weight_bytes(model, EngineSettings(), VERSION).total == row["bytes"]


@EVERY_ROW
def test_the_encoder_is_called_one_of_sound(row: dict[str, Any]) -> None:
    model = read_model_facts(row["config"], model=row["family"], source="test")
    parts = weight_bytes(model, EngineSettings(), VERSION).by_component
    assert parts.get(Component.AUDIO_TOWER, 0) > 0
    assert Component.VISION_TOWER not in parts


def test_voxtral_has_the_encoder_and_adapter_that_vllm_builds() -> None:
    """Its tokenizer is the checkpoint's, so vLLM's classes of these two parts were built alone (``meta`` device)."""
    text = {"model_type": "llama", "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 30}
    heads = {"num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "vocab_size": 131072}
    config = {
        "architectures": ["VoxtralForConditionalGeneration"],
        "model_type": "voxtral",
        "text_config": text | heads | {"max_position_embeddings": 131072},
        "audio_config": {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_mel_bins": 128},
    }
    parts = weight_bytes(read_model_facts(config, model="m", source="test"), EngineSettings(), VERSION).by_component
    assert parts[Component.AUDIO_TOWER] + parts[Component.PROJECTOR] == 1_328_294_400
