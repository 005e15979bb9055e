"""Which models have an encoder to profile, and which cannot be answered."""

from __future__ import annotations

import dataclasses

import pytest
from startup_shapes import TOWER, gpu, model, resolved

from vlm_operator.capacity.startup.profiled_encoder import profiled_encoder
from vlm_operator.engine.settings import ModalityLimit
from vlm_operator.errors import UnknownFact
from vlm_operator.model.multimodal import read_multimodal
from vlm_operator.model.reader import read_model_facts

OFF = tuple((name, ModalityLimit(0)) for name in ("audio", "image", "video"))


def test_a_text_model_has_none() -> None:
    settings, version = resolved("0.32.0", model(), gpu())
    assert profiled_encoder(model(), settings, version) is None


def test_a_tower_without_token_rules_is_unknown_and_names_the_way_out() -> None:
    unknown = dataclasses.replace(model(vision=TOWER), multimodal_unknown="no rules for the family test")
    settings, version = resolved("0.32.0", unknown, gpu())
    with pytest.raises(UnknownFact, match="no rules for the family test") as caught:
        profiled_encoder(unknown, settings, version)
    assert "--limit-mm-per-prompt" in (caught.value.hint or "")


@pytest.mark.parametrize(
    "flags", [{"language_model_only": True}, {"limit_mm_per_prompt": OFF}], ids=["text only", "limits"]
)
def test_switched_off_modalities_need_no_rules(flags: dict[str, object]) -> None:
    unknown = dataclasses.replace(model(vision=TOWER), multimodal_unknown="no rules for the family test")
    settings, version = resolved("0.32.0", unknown, gpu(), **flags)
    assert profiled_encoder(unknown, settings, version) is None


MOLMO = {
    "architectures": ["MolmoForCausalLM"], "model_type": "molmo", "hidden_size": 3584, "intermediate_size": 37888,
    "num_attention_heads": 28, "num_hidden_layers": 28, "num_key_value_heads": 4, "vocab_size": 152064,
    "max_position_embeddings": 4096, "qkv_bias": True,
}  # fmt: skip
GEMMA3N = {
    "architectures": ["Gemma3nForConditionalGeneration"], "model_type": "gemma3n",
    "text_config": {"model_type": "gemma3n_text", "num_hidden_layers": 30, "intermediate_size": 8192},
}  # fmt: skip


def test_molmo_encodes_twelve_crops_and_the_view_whole() -> None:
    molmo = read_model_facts(MOLMO, model="m", source="test")
    settings, version = resolved("0.32.0", molmo, gpu())
    run = profiled_encoder(molmo, settings, version)
    assert run is not None
    assert run.patches_per_item == 13 * 24**2
    assert run.patches_per_item > 1.3 * 4 * run.encoded_tokens_per_item


def test_the_largest_item_of_gemma_3n_is_an_image() -> None:
    gemma = read_model_facts(GEMMA3N, model="m", source="test")
    settings, version = resolved("0.32.0", gemma, gpu())
    run = profiled_encoder(gemma, settings, version)
    assert run is not None
    assert (run.modality, run.encoded_tokens_per_item) == ("image", 256)


def test_audio_alone_is_unknown_where_its_encoder_is_no_transformer_from_the_start() -> None:
    gemma = read_model_facts(GEMMA3N, model="m", source="test")
    settings, version = resolved("0.32.0", gemma, gpu(), limit_mm_per_prompt=(("image", ModalityLimit(0)),))
    with pytest.raises(UnknownFact, match="audio_config") as caught:
        profiled_encoder(gemma, settings, version)
    assert '{"audio": 0}' in (caught.value.hint or "")


def test_audio_of_minicpm_o_has_two_frames_a_token_however_many_patches_an_image_has() -> None:
    rules = read_multimodal({"architectures": ["MiniCPMO"], "version": "2.6", "query_num": 64})
    tower = dataclasses.replace(TOWER, merge_size=4)
    minicpmo = dataclasses.replace(model(vision=tower, model_type="minicpmo"), multimodal=rules)
    settings, version = resolved("0.32.0", minicpmo, gpu(), limit_mm_per_prompt=OFF[1:])
    run = profiled_encoder(minicpmo, settings, version)
    assert run is not None
    assert (run.modality, run.patches_per_item) == ("audio", 2 * run.encoded_tokens_per_item)
