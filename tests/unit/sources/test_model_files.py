"""What lies beside a config counts as vLLM counts it: quantisation of its own, and the model's preprocessor files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from model_files import model_folder, safetensors_bytes, tensor

from vlm_operator.errors import InputError
from vlm_operator.model.processors import MultimodalFacts, SmartResize
from vlm_operator.sources import load_model

QWEN2_VL: dict[str, Any] = {
    "architectures": ["Qwen2VLForConditionalGeneration"],
    "model_type": "qwen2_vl",
    "rope_scaling": {"type": "mrope", "mrope_section": [2, 3, 3]},
    "vision_config": {
        "depth": 2,
        "embed_dim": 32,
        "num_heads": 2,
        "hidden_size": 64,
        "patch_size": 14,
        "spatial_merge_size": 2,
    },
}


def largest_image(path: Path, **options: Any) -> int:
    facts = load_model(str(path), **options)
    assert isinstance(facts.multimodal, MultimodalFacts)
    assert isinstance(facts.multimodal.processor, SmartResize)
    return facts.multimodal.processor.image_max_pixels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return model_folder(tmp_path / "model", **QWEN2_VL)


def test_the_models_preprocessor_file_comes_before_its_familys_published_values(folder: Path) -> None:
    assert largest_image(folder) == 12_845_056
    (folder / "preprocessor_config.json").write_text(json.dumps({"min_pixels": 3136, "max_pixels": 1_003_520}))
    assert largest_image(folder) == 1_003_520
    assert largest_image(folder / "config.json") == 1_003_520
    assert load_model(str(folder)).source == f"{folder}: config.json, preprocessor_config.json, no weights"


def test_a_config_of_another_name_is_taken_alone(folder: Path) -> None:
    (folder / "preprocessor_config.json").write_text(json.dumps({"max_pixels": 1_003_520}))
    (folder / "config.json").rename(folder / "other.json")
    assert largest_image(folder / "other.json") == 12_845_056


def test_overrides_and_preprocessor_files_hold_together(folder: Path) -> None:
    (folder / "preprocessor_config.json").write_text(json.dumps({"max_pixels": 1_003_520}))
    options = {"hf_overrides": {"max_position_embeddings": 256}}
    assert largest_image(folder, **options) == 1_003_520
    assert load_model(str(folder), **options).derived_max_model_len == 256


def test_a_preprocessor_file_that_is_wrong_is_named(folder: Path) -> None:
    (folder / "preprocessor_config.json").write_text(json.dumps({"max_pixels": "many"}))
    with pytest.raises(InputError, match=r"preprocessor_config\.max_pixels"):
        load_model(str(folder))


def test_headers_are_counted_in_the_source(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(safetensors_bytes({"a": tensor(2, 2), "b": tensor(2)}))
    assert load_model(str(folder)).source == f"{folder}: config.json, headers of 2 tensors"


def test_headers_give_the_checkpoints_bytes_by_part_and_element_type(folder: Path) -> None:
    tensors = {
        "model.embed_tokens.weight": tensor(256, 64),
        "model.layers.0.self_attn.q_proj.weight": tensor(64, 64, dtype="F8_E4M3"),
        "model.layers.9.self_attn.q_proj.weight": tensor(64, 64),  # past the two layers of the config: not loaded
        "visual.blocks.0.attn.qkv.weight": tensor(96, 32, dtype="F32"),
    }
    (folder / "model.safetensors").write_bytes(safetensors_bytes(tensors))
    checkpoint = load_model(str(folder)).checkpoint_bytes
    assert checkpoint is not None
    assert {(part.component.value, part.dtype): part.size_bytes for part in checkpoint.parts} == {
        ("embedding", "BF16"): 256 * 64 * 2,
        ("languageLayers", "F8_E4M3"): 64 * 64,
        ("visionTower", "F32"): 96 * 32 * 4,
    }


def test_an_element_type_that_does_not_exist_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(safetensors_bytes({"a": tensor(2, dtype="BF17")}))
    with pytest.raises(InputError, match="BF17"):
        load_model(str(folder))


def test_quantisation_in_a_file_of_its_own_counts_where_the_config_states_none(folder: Path) -> None:
    quantization = {
        "producer": {"name": "modelopt"},
        "quantization": {"quant_algo": "FP8", "exclude_modules": ["lm_head"]},
    }
    (folder / "hf_quant_config.json").write_text(json.dumps(quantization))
    found = load_model(str(folder)).quantization
    assert found is not None
    assert found.method == "modelopt"


def test_a_model_of_sentence_transformers_serves_embeddings(folder: Path) -> None:
    assert not load_model(str(folder)).pooling
    (folder / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Pooling"}]))
    assert load_model(str(folder)).pooling
