"""``vlmctl tokens`` and ``plan`` have one set of token rules for a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from vlm_operator.errors import InputError, SourceUnavailable, UnknownFact
from vlm_operator.model.multimodal import read_multimodal
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.sources import catalogue, load_model
from vlm_operator.sources.token_rules import load_token_rules, reduced_configs

ENTRIES = sorted((entry for entry in catalogue.entries().values() if entry.modalities), key=lambda entry: entry.id)


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.id)
def test_tokens_and_plan_count_by_the_same_rules(entry: catalogue.CatalogueEntry) -> None:
    facts = load_model(entry.id, offline=True)
    rules = load_token_rules(entry.id, offline=True)
    assert isinstance(facts.multimodal, MultimodalFacts)
    assert rules == (facts.multimodal, facts.derived_max_model_len)


@pytest.mark.parametrize("name", sorted(reduced_configs()))
def test_a_reduced_config_says_what_the_catalogue_says(name: str) -> None:
    rules = read_multimodal(reduced_configs()[name])
    assert rules is not None
    entry = catalogue.find(name)
    if entry is not None:
        assert rules == catalogue.load(entry).multimodal


def test_a_model_of_the_catalogue_can_be_counted_with_overrides_without_a_network() -> None:
    rules = load_token_rules("opengvlab/internvl3-8b", offline=True, hf_overrides={"max_dynamic_patch": 1})
    assert rules.facts == read_multimodal({**reduced_configs()["OpenGVLab/InternVL3-8B"], "max_dynamic_patch": 1})


def test_a_model_that_nobody_has_is_refused_as_by_plan() -> None:
    with pytest.raises(SourceUnavailable) as by_plan:
        load_model("nobody/has-this", offline=True)
    with pytest.raises(SourceUnavailable) as by_tokens:
        load_token_rules("nobody/has-this", offline=True)
    assert by_plan.value.message == by_tokens.value.message


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(
            {
                "architectures": ["Moondream3ForCausalLM"],
                "model_type": "moondream3",
                "max_position_embeddings": 4096,
                "config": {"text": {"dim": 1024}},
            },
            id="a language model under names that nobody read",
        ),
        pytest.param(
            {
                "architectures": ["Qwen2VLForConditionalGeneration"],
                "model_type": "qwen2_vl",
                "max_position_embeddings": 4096,
                "num_hidden_layers": -1,
            },
            id="a field that is wrong and not counted with",
        ),
    ],
)
def test_a_layout_that_is_not_known_does_not_keep_tokens_from_being_counted(
    config: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises((InputError, UnknownFact)):
        load_model(str(tmp_path), offline=True)
    rules = load_token_rules(str(tmp_path), offline=True)
    assert (rules.facts.family, rules.context_tokens) == (config["model_type"], 4096)


PARAMS: dict[str, Any] = {
    "dim": 1024,
    "n_layers": 4,
    "head_dim": 64,
    "hidden_dim": 4096,
    "n_heads": 16,
    "n_kv_heads": 8,
    "vocab_size": 131072,
    "rope_theta": 1e9,
    "max_position_embeddings": 131072,
    "vision_encoder": {"patch_size": 14, "spatial_merge_size": 2, "image_size": 1540, "mm_projector_id": "patch_merge"},
}


def test_a_folder_in_mistrals_own_format_is_counted_and_planned(tmp_path: Path) -> None:
    (tmp_path / "params.json").write_text(json.dumps(PARAMS))
    assert load_token_rules(str(tmp_path)).facts.family == "pixtral_mistral"
    model = load_model(str(tmp_path))
    assert (model.architecture, model.text.hidden_size) == ("PixtralForConditionalGeneration", 1024)
    assert model.weights
    assert model.derived_max_model_len == 131072


@pytest.mark.parametrize("part", ["moe", "qk_nope_head_dim", "llama_4_scaling", "quantization", "multimodal"])
def test_a_part_of_mistrals_own_format_that_is_not_read_is_named(part: str, tmp_path: Path) -> None:
    (tmp_path / "params.json").write_text(json.dumps(PARAMS | {part: {"num_experts": 8}}))
    with pytest.raises(UnknownFact, match=rf"params\.json: {part}"):
        load_model(str(tmp_path))


def test_a_text_model_takes_no_items() -> None:
    with pytest.raises(InputError, match="supports neither images nor videos"):
        load_token_rules("Qwen/Qwen3-8B", offline=True)
