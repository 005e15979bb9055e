"""Pixtral's vision tower, by vLLM 0.32 ``model_executor/models/pixtral.py: PixtralHFTransformer``: gated MLPs."""

from __future__ import annotations

from typing import Any

import pytest

from vlm_operator.capacity.weights import weight_bytes
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.reader import read_model_facts

WIDTH, INNER, LAYERS, PATCH = 1024, 4096, 24, 16
TEXT: dict[str, Any] = {
    "model_type": "mistral",
    "hidden_size": 512,
    "intermediate_size": 1024,
    "num_hidden_layers": 2,
    "num_attention_heads": 8,
    "num_key_value_heads": 2,
    "head_dim": 64,
    "vocab_size": 1024,
    "max_position_embeddings": 2048,
}


def weights(layers: int, *, images: int = 1) -> int:
    """Bytes on one GPU of a model with Pixtral's tower of so many blocks."""
    config = {
        "architectures": ["LlavaForConditionalGeneration"],
        "model_type": "llava",
        "torch_dtype": "bfloat16",
        "text_config": TEXT,
        "vision_config": {
            "model_type": "pixtral",
            "image_size": 1024,
            "patch_size": PATCH,
            "num_hidden_layers": layers,
        },
        "vision_feature_layer": -1,
        "vision_feature_select_strategy": "full",
        "projector_hidden_act": "gelu",
        "multimodal_projector_bias": True,
    }
    model = read_model_facts(config, model="pixtral", source="test")
    limits = (("image", ModalityLimit(images)),)
    return weight_bytes(model, EngineSettings(limit_mm_per_prompt=limits), EngineVersion(0, 32)).total


def test_a_block_has_four_attention_matrices_three_of_its_gated_mlp_and_two_norms() -> None:
    assert weights(LAYERS) - weights(LAYERS - 1) == 2 * (4 * WIDTH * WIDTH + 3 * WIDTH * INNER + 2 * WIDTH)


def test_the_whole_tower_has_the_400_million_parameters_of_its_paper() -> None:
    tower = (weights(LAYERS) - weights(LAYERS, images=0)) / 2
    projector = 2 * 512 * 512 + WIDTH * 512
    assert tower == pytest.approx(400e6 + projector, rel=0.01)
