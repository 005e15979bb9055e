"""Which token rules a config describes."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from token_rules import PUBLISHED
from vlm_operator.errors import InputError, UnknownFact, VlmOperatorError
from vlm_operator.model import registry
from vlm_operator.model.multimodal import read_multimodal, read_vision_tower
from vlm_operator.model.processors import AspectTiles, NativePatches, SmartResize, VolumeResize
from vlm_operator.sources.token_rules import reduced_configs


def test_a_text_model_has_no_token_rules() -> None:
    assert read_multimodal({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}) is None
    assert read_vision_tower({"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3"}) is None


def test_a_family_not_known_is_named_by_its_model_type() -> None:
    config = {"architectures": ["WonderForConditionalGeneration"], "model_type": "wonder_vl", "vision_config": {}}
    with pytest.raises(UnknownFact, match="wonder_vl") as error:
        read_multimodal(config)
    assert error.value.hint


def test_a_quantised_or_renamed_checkpoint_is_read_by_architecture() -> None:
    facts = read_multimodal({"architectures": ["Unheard", "Qwen2VLForConditionalGeneration"]})
    assert facts is not None
    assert facts.family == "qwen2_vl"


def test_the_preprocessor_file_wins_over_published_defaults() -> None:
    config = {"architectures": ["Qwen2VLForConditionalGeneration"], "model_type": "qwen2_vl"}
    facts = read_multimodal(config, {"min_pixels": 3136, "max_pixels": 1003520})
    assert facts is not None
    assert isinstance(facts.processor, SmartResize)
    assert facts.processor.image_max_pixels == 1003520


def test_glm_4_6v_writes_times_as_fractions_and_4_5v_does_not() -> None:
    glm45v = read_multimodal({"architectures": ["Glm4vMoeForConditionalGeneration"], "model_type": "glm4v_moe"})
    glm46v = PUBLISHED["zai-org/GLM-4.6V-Flash"]
    assert glm45v is not None
    assert isinstance(glm45v.processor, VolumeResize)
    assert isinstance(glm46v.processor, VolumeResize)
    assert (glm45v.processor.fractional_timestamps, glm46v.processor.fractional_timestamps) == (False, True)


def test_tiles_come_from_the_config_of_internvl() -> None:
    config = dict(reduced_configs()["OpenGVLab/InternVL3-8B"])
    facts = read_multimodal(config | {"max_dynamic_patch": 6})
    assert facts is not None
    assert isinstance(facts.processor, AspectTiles)
    assert facts.processor.max_tiles == 6


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_facts_are_hashable_and_made_of_plain_parts(name: str) -> None:
    facts = PUBLISHED[name]
    assert hash(facts) == hash(dataclasses.replace(facts))


SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
FIELDS = st.sampled_from(
    (
        "vision_config",
        "patch_size",
        "spatial_merge_size",
        "image_size",
        "max_dynamic_patch",
        "text_config",
        "image_grid_pinpoints",
        "candidate_resolutions",
        "query_num",
        "version",
        "downsample_ratio",
        "slice_config",
        "size",
        "max_pixels",
        "min_pixels",
        "max_patches",
        "crop_size",
        "max_image_size",
        "merge_size",
        "pixel_shuffle_ratio",
        "downsample_rate",
        "vit_config",
        "args",
        "overlap_margins",
        "pooling_size",
        "media_proc_cfg",
    )
)
ARCHITECTURES = sorted(variant.architecture for family in registry.families() for variant in family.variants)
OBJECTS = st.dictionaries(FIELDS, VALUES | st.dictionaries(FIELDS, VALUES, max_size=4), max_size=5)


@given(architecture=st.sampled_from(ARCHITECTURES), fields=OBJECTS, preprocessor=OBJECTS)
def test_damaged_configs_are_refused_with_a_reason(
    architecture: str, fields: dict[str, Any], preprocessor: dict[str, Any]
) -> None:
    with contextlib.suppress(VlmOperatorError):
        read_multimodal({"architectures": [architecture], **fields}, preprocessor)


def siglip(**fields: Any) -> dict[str, Any]:
    return {"vision_config": {"model_type": "siglip_vision_model", "image_size": 384, "patch_size": 14}, **fields}


@pytest.mark.parametrize(
    ("architecture", "fields", "match"),
    [
        pytest.param(
            "Llama4ForConditionalGeneration",
            {"vision_config": {"pixel_shuffle_ratio": 1e-200}},
            r"pixel_shuffle_ratio: 1e-200 is not between",
            id="a-ratio-whose-square-is-zero",
        ),
        pytest.param(
            "Llama4ForConditionalGeneration",
            {"vision_config": {"image_size": 336, "patch_size": 337}},
            r"vision_config\.patch_size: patches of 337 pixels do not fit into an image of 336",
            id="a-patch-larger-than-the-image",
        ),
        pytest.param("InternVLChatModel", {"downsample_ratio": 1e308}, "downsample_ratio", id="a-ratio-above-one"),
        pytest.param(
            "InternVLChatModel",
            {"vision_config": {"image_size": 14, "patch_size": 14}, "downsample_ratio": 0.5},
            "leaves no token of 1 patches a side",
            id="a-tile-without-tokens",
        ),
        pytest.param("InternVLChatModel", {"max_dynamic_patch": "12"}, "max_dynamic_patch", id="a-number-as-text"),
        pytest.param("DeepseekVLV2ForCausalLM", {"candidate_resolutions": []}, "is empty", id="no-canvas"),
        pytest.param(
            "LlavaNextForConditionalGeneration",
            siglip(image_grid_pinpoints=[[1, 1]]),
            "a side of 1 pixels is smaller than a view of 384",
            id="a-resolution-below-one-tile",
        ),
        pytest.param(
            "Granite4VisionForConditionalGeneration",
            siglip(image_grid_pinpoints=[[384, 384]], downsample_rate="4/0"),
            "downsample_rate: '4/0' is not a ratio",
            id="a-ratio-by-zero",
        ),
        pytest.param(
            "NemotronH_Nano_VL_V2",
            {"downsample_ratio": 0.25, "vision_config": {"args": {"min_num_patches": 4}}},
            "downsample_ratio: 0.25 is not 0.5",
            id="a-ratio-vllm-does-not-take",
        ),
    ],
)
def test_figures_that_no_model_can_have_are_refused_by_name(
    architecture: str, fields: dict[str, Any], match: str
) -> None:
    with pytest.raises(InputError, match=match):
        read_multimodal({"architectures": [architecture], **fields})


def test_a_tower_of_endless_width_is_refused() -> None:
    tower = {"depth": 2, "embed_dim": 64, "num_heads": 2, "patch_size": 14, "mlp_ratio": 1e308, "hidden_size": 64}
    with pytest.raises(InputError, match=r"vision_config\.mlp_ratio"):
        read_vision_tower({"model_type": "qwen2_vl", "vision_config": tower})


def test_crops_of_molmo_2_stand_in_its_preprocessor_files_only() -> None:
    config = {"architectures": ["Molmo2ForConditionalGeneration"]}
    with pytest.raises(UnknownFact, match="preprocessor_config") as error:
        read_multimodal(config)
    assert error.value.hint
    with pytest.raises(UnknownFact, match="processor_config"):
        read_multimodal(config, {"max_crops": 8})


def test_the_tiled_and_the_native_nemotron_are_told_apart_by_their_config() -> None:
    tiled = read_multimodal({"architectures": ["NemotronH_Nano_VL_V2"]})
    native = read_multimodal(
        {
            "architectures": ["NemotronH_Nano_Omni_Reasoning_V3"],
            "vision_config": {"args": {"min_num_patches": 1024, "max_num_patches": 13312}},
            "sound_config": {"hidden_size": 64},
        }
    )
    assert tiled is not None
    assert native is not None
    assert isinstance(tiled.processor, AspectTiles)
    assert isinstance(native.processor, NativePatches)
    assert native.modalities == ("image", "video", "audio")


def test_bounds_without_a_published_default_must_be_given() -> None:
    config = {"architectures": ["InternS1ProForConditionalGeneration"], "model_type": "interns1_pro"}
    with pytest.raises(UnknownFact, match=r"preprocessor_config\.json is missing"):
        read_multimodal(config)
    assert read_multimodal(config, {"size": {"shortest_edge": 65536, "longest_edge": 16777216}}) is not None


def test_resolutions_of_r_4b_and_bee_come_from_the_config() -> None:
    config = {"architectures": ["BeeForConditionalGeneration"], "vision_config": {"model_type": "siglip_vision_model"}}
    with pytest.raises(UnknownFact, match="image_grid_pinpoints"):
        read_multimodal(config)
    assert read_multimodal(config | {"image_grid_pinpoints": [[384, 768], [768, 384]]}) is not None
