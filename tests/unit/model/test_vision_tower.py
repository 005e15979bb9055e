"""How large a vision tower is: the config's figures, its class's defaults, and those that vLLM fixes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vlm_operator.engine.tower_traits import Activation, PositionsKept, Rotation, TowerKind, TowerTraits
from vlm_operator.errors import InputError
from vlm_operator.model import registry
from vlm_operator.model.facts import VisionTower
from vlm_operator.model.multimodal import read_multimodal, read_vision_tower
from vlm_operator.model.reader import read_model_facts

CLIP = {"layers": 24, "hidden_size": 1024, "intermediate_size": 4096, "attention_heads": 16, "patch_size": 14}
SO400M = {"layers": 27, "hidden_size": 1152, "intermediate_size": 4304, "attention_heads": 16, "patch_size": 14}
KIMI = {
    "merge_kernel_size": [2, 2],
    "mm_hidden_size": 1152,
    "model_type": "",
    "patch_size": 14,
    "vt_hidden_size": 1152,
    "vt_num_hidden_layers": 27,
}
JOINED = TowerTraits(rotation=Rotation.SHARED_JOINED, activation=Activation.QUICK_GELU)
POSITIONED = TowerTraits(rotation=Rotation.SHARED, positions_kept=PositionsKept.ALWAYS)
FUSED = TowerTraits(
    gated=True,
    rotation=Rotation.SHARED,
    fused_norms=True,
    activation=Activation.SILU_AND_MUL,
    projections_kept=True,
)
DOWNSAMPLED = TowerTraits(
    gated=True,
    rotation=Rotation.SHARED_SEPARATE,
    fused_norms=True,
    activation=Activation.SILU_AND_MUL,
    positions_kept=PositionsKept.LATER,
)
EMBEDDED = TowerTraits(rotation=Rotation.NONE, embeddings_kept=1)
QUICK = replace(EMBEDDED, activation=Activation.QUICK_GELU)
NATIVE_ROWS = TowerTraits(
    gated=True, activation=Activation.GELU_AND_MUL, embeddings_kept=2, attention_kept=True, projections_kept=True
)
OMNI = {"model_type": "qwen2_5_omni_vision_encoder", "embed_dim": 1280, "hidden_size": 1280, "out_hidden_size": 3584}


def tower(figures: dict[str, int], **changes: Any) -> VisionTower:
    return VisionTower(**(figures | {"merge_size": 1, "output_size": 0} | changes))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        pytest.param(
            {"model_type": "smolvlm", "scale_factor": 4, "text_config": {"hidden_size": 960},
             "vision_config": {"model_type": "smolvlm_vision", "hidden_size": 768, "num_attention_heads": 12,
                               "patch_size": 16}},
            VisionTower(12, 768, 3072, 12, 16, 4, 960, traits=EMBEDDED),
            id="SmolVLM2 500M leaves blocks and MLP to transformers' SmolVLMVisionConfig",
        ),
        pytest.param(
            {"model_type": "qwen2_vl", "hidden_size": 1536,
             "vision_config": {"model_type": "qwen2_vl", "hidden_size": 1536, "in_chans": 3, "spatial_patch_size": 14}},
            VisionTower(32, 1280, 5120, 16, 14, 2, 1536, traits=JOINED, frames=2),
            id="Qwen2-VL AWQ states its output only, Qwen2VLVisionConfig the rest",
        ),
        pytest.param(
            {"model_type": "qwen2_vl", "vision_config": {"in_chans": 3}},
            VisionTower(32, 1280, 5120, 16, 14, 2, 3584, traits=JOINED, frames=2),
            id="without a type the tower is that of the whole",
        ),
        pytest.param(
            {"model_type": "qwen2_5_omni",
             "thinker_config": {"model_type": "qwen2_5_omni_thinker", "vision_config": OMNI}},
            VisionTower(32, 1280, 3420, 16, 14, 2, 3584, traits=FUSED, frames=2),
            id="Qwen2.5-Omni keeps its tower in the thinker",
        ),
        pytest.param(
            {"model_type": "qwen3_vl_moe",
             "vision_config": {"depth": 27, "hidden_size": 1152, "num_heads": 16, "intermediate_size": 4304,
                               "patch_size": 16, "out_hidden_size": 4096, "spatial_merge_size": 2}},
            VisionTower(27, 1152, 4304, 16, 16, 2, 4096, deepstack_levels=3, traits=POSITIONED, frames=2),
            id="Qwen3-VL stacks three levels unless it says otherwise (Qwen3VLMoeVisionConfig)",
        ),
        pytest.param(
            {"model_type": "glm4v_moe", "vision_config": {"intermediate_size": 10944, "out_hidden_size": 4096}},
            VisionTower(24, 1536, 4096, 12, 14, 2, 4096, traits=DOWNSAMPLED, frames=2),
            id="GLM-4V's blocks are as wide inside as its output, the config's width is the merger's (glm4_1v.py)",
        ),
        pytest.param(
            {"model_type": "glm_ocr", "vision_config": {"intermediate_size": 4096, "out_hidden_size": 1536}},
            VisionTower(24, 1024, 4096, 16, 14, 2, 1536, traits=DOWNSAMPLED, frames=2),
            id="GLM-OCR's blocks have the config's width (glm_ocr.py)",
        ),
        pytest.param(
            {"model_type": "gemma4", "text_config": {"hidden_size": 5376}, "vision_config": {}},
            VisionTower(16, 768, 3072, 12, 16, 3, 5376, traits=TowerTraits(
                gated=True, reckoned_patch_bytes=327_680, item_patches=2520)),
            id="Gemma 4 reckons four one-hot positions a patch (gemma4_mm.py: _encoder_chunk)",
        ),
        pytest.param(
            {"model_type": "kimi_k25", "text_config": {"hidden_size": 7168}, "vision_config": KIMI},
            tower(SO400M, merge_size=2, output_size=7168, traits=TowerTraits(
                rotation=Rotation.COMPLEX_IN_TIME, embeddings_kept=1)),
            id="Kimi K2.5 names its figures as no class reads them (KimiK25VisionConfig)",
        ),
        pytest.param(
            {"model_type": "llava", "vision_feature_layer": -1, "text_config": {"hidden_size": 5120},
             "vision_config": {"model_type": "pixtral", "image_size": 1024, "patch_size": 16, "head_dim": 64}},
            tower(CLIP, patch_size=16, output_size=5120, traits=NATIVE_ROWS),
            id="Pixtral inside LLaVA has gated MLPs (PixtralVisionConfig)",
        ),
        pytest.param(
            {"model_type": "dots_ocr", "hidden_size": 1536, "vision_config": {"embed_dim": 1536}},
            VisionTower(42, 1536, 4224, 12, 14, 2, 1536, traits=TowerTraits(
                gated=True, rotation=Rotation.FLOAT32, activation=Activation.SILU_AND_MUL)),
            id="dots.ocr (vLLM's DotsVisionConfig)",
        ),
        pytest.param(
            {"model_type": "hunyuan_vl", "text_config": {"hidden_size": 1024}, "vision_config": {"patch_size": 16}},
            VisionTower(27, 1152, 4304, 16, 16, 2, 1024, traits=TowerTraits(rotation=Rotation.NONE)),
            id="HunyuanOCR (HunYuanVLVisionConfig)",
        ),
        pytest.param(
            {"model_type": "muse_glimmer", "text_config": {"hidden_size": 6656}, "vision_config": {"patch_size": 14}},
            VisionTower(50, 1536, 8960, 16, 14, 2, 6656, frames=2, traits=TowerTraits(
                rotation=Rotation.FLOAT32_STACKED, embeddings_kept=2)),
            id="Muse Glimmer (MuseGlimmerVisionConfig)",
        ),
        pytest.param(
            {"model_type": "kimi_vl", "text_config": {"hidden_size": 2048}, "vision_config": {"model_type": "moonvit"}},
            tower(SO400M, merge_size=2, output_size=2048, traits=TowerTraits(
                rotation=Rotation.COMPLEX, embeddings_kept=1)),
            id="MoonViT (vLLM's MoonViTConfig)",
        ),
        pytest.param(
            {"architectures": ["MolmoForCausalLM"], "model_type": "molmo", "hidden_size": 3584},
            tower(CLIP, layers=23, merge_size=2, output_size=3584, traits=TowerTraits(
                TowerKind.EVERY_BLOCK_KEPT, rotation=Rotation.NONE, activation=Activation.QUICK_GELU)),
            id="Molmo has no vision section (vLLM's molmo.py: VisionBackboneConfig)",
        ),
        pytest.param(
            {"architectures": ["Phi3VForCausalLM"], "model_type": "phi3_v", "hidden_size": 3072},
            replace(tower(CLIP, merge_size=2, output_size=3072, traits=QUICK), layers=23),
            id="Phi-3-vision names CLIP (vLLM's phi3v.py: CLIP_VIT_LARGE_PATCH14_336_CONFIG)",
        ),
        pytest.param(
            {"architectures": ["Phi4MMForCausalLM"], "model_type": "phi4mm", "hidden_size": 3072},
            replace(tower(SO400M, merge_size=2, output_size=3072, traits=EMBEDDED), layers=26),
            id="Phi-4-multimodal (vLLM's phi4mm.py: get_navit_vision_model)",
        ),
        pytest.param(
            {"architectures": ["DeepseekOCRForCausalLM"], "model_type": "deepseek_vl_v2",
             "language_config": {"hidden_size": 1280}, "vision_config": {"width": {"sam_vit_b": {"width": 768}}}},
            VisionTower(12, 768, 3072, 12, 16, 4, 1280, traits=TowerTraits(TowerKind.WINDOWS)),
            id="DeepSeek-OCR sees with SAM first (vLLM's deepencoder.py: build_sam_vit_b)",
        ),
        pytest.param(
            {"architectures": ["DeepseekVLV2ForCausalLM"], "model_type": "deepseek_vl_v2",
             "language_config": {"hidden_size": 2560}, "vision_config": {"width": 1152, "layers": 27}},
            tower(SO400M, merge_size=2, output_size=2560, traits=TowerTraits(TowerKind.ATTENTION_WHOLE)),
            id="DeepSeek-VL2 (vLLM's deepseek_vl2.py: siglip_so400m_patch14_384 of PyTorch Image Models)",
        ),
        pytest.param(
            {"architectures": ["Gemma3nForConditionalGeneration"], "text_config": {"hidden_size": 2048}},
            VisionTower(1, 2048, 2048, 1, 48, 1, 2048, traits=TowerTraits(TowerKind.CONVOLUTIONS)),
            id="Gemma 3n (Gemma3nVisionConfig, mobilenetv5_300m_enc of PyTorch Image Models)",
        ),
    ],
)  # fmt: skip
def test_what_a_config_leaves_out_is_what_its_class_or_vllm_takes(
    config: dict[str, Any], expected: VisionTower
) -> None:
    assert read_vision_tower(config) == expected


@pytest.mark.parametrize(
    "config",
    [
        pytest.param({"model_type": "qwen3"}, id="text"),
        pytest.param({"model_type": "llava", "vision_config": {"model_type": "some_tower"}}, id="a-tower-of-no-class"),
        pytest.param({"model_type": "new", "vision_config": {"hidden_size": 64}}, id="a-family-not-known"),
        pytest.param(
            {"architectures": ["Gemma3nForConditionalGeneration"], "vision_config": {"architecture": "resnet50"}},
            id="another-network-in-gemma-3n",
        ),
    ],
)
def test_dimensions_that_nobody_states_are_not_known(config: dict[str, Any]) -> None:
    assert read_vision_tower(config) is None


MODEL_TYPES = sorted(
    {name for f in registry.families() if f.tower for variant in f.variants for name in variant.model_types}
)
STATED_ONLY = frozenset({
    "Llama_Nemotron_Nano_VL", "NVLM_D", "NemotronH_Nano_Omni_Reasoning_V3", "NemotronH_Nano_VL_V2",
    "granite4_vision", "h2ovl_chat", "internvl_chat", "minimax_m3_vl",
    "opencua", "ovis", "ovis2_5", "step3p7",
    "step_robotics",
})  # fmt: skip
"""Types of whole configs whose tower no class fills in."""


@pytest.mark.parametrize("whole", MODEL_TYPES)
def test_a_tower_is_whole_where_its_class_has_defaults(whole: str) -> None:
    found = read_vision_tower({"model_type": whole, "vision_config": {"hidden_act": "gelu"}})
    assert (found is None) == (whole in STATED_ONLY)
    if found is None:
        return
    assert found.hidden_size % found.attention_heads == 0


@pytest.mark.parametrize(("stated", "layers"), [({"num_hidden_layers": 5}, 24), ({"depth": 6}, 6), ({}, 24)])
def test_a_figure_counts_under_the_name_that_the_class_reads(stated: dict[str, int], layers: int) -> None:
    found = read_vision_tower({"model_type": "glm4v", "vision_config": stated})
    assert found is not None
    assert found.layers == layers


def test_sides_written_as_pairs_are_read() -> None:
    vision = {"hidden_size": 1024, "image_size": [448, 448], "patch_size": [14, 14]}
    config = {"architectures": ["InternVLForConditionalGeneration"], "model_type": "internvl", "vision_config": vision}
    plain = config | {"vision_config": vision | {"image_size": 448, "patch_size": 14}}
    assert read_vision_tower(config) == read_vision_tower(plain)
    assert read_multimodal(config) == read_multimodal(plain)


def test_sides_that_differ_are_not_known_and_three_are_refused() -> None:
    config = {"model_type": "internvl", "vision_config": {"patch_size": [14, 16]}}
    assert read_vision_tower(config) is None
    with pytest.raises(InputError, match=r"vision_config\.patch_size"):
        read_vision_tower({"model_type": "internvl", "vision_config": {"patch_size": [14, 14, 14]}})


DEEPSEEK_OCR = {
    "architectures": ["DeepseekOCRForCausalLM"],
    "model_type": "deepseek_vl_v2",
    "projector_config": {"projector_type": "linear", "n_embed": 1280, "input_dim": 2048},
    "language_config": {
        "architectures": ["DeepseekV2ForCausalLM"], "first_k_dense_replace": 1, "hidden_size": 1280,
        "intermediate_size": 6848, "kv_lora_rank": None, "max_position_embeddings": 8192,
        "moe_intermediate_size": 896, "n_routed_experts": 64, "n_shared_experts": 2, "num_attention_heads": 10,
        "num_experts_per_tok": 6, "num_hidden_layers": 12, "num_key_value_heads": 10, "q_lora_rank": None,
        "qk_nope_head_dim": 0, "qk_rope_head_dim": 0, "use_mla": False, "v_head_dim": 0, "vocab_size": 129280,
    },
}  # fmt: skip


def test_a_language_model_of_deepseek_ocr_without_type_is_deepseek_v2() -> None:
    named = DEEPSEEK_OCR | {"language_config": DEEPSEEK_OCR["language_config"] | {"model_type": "deepseek_v2"}}
    facts = read_model_facts(DEEPSEEK_OCR, model="m", source="test")
    assert facts == read_model_facts(named, model="m", source="test")
    assert facts.weights is not None


def test_the_tower_is_known_where_only_preprocessor_files_tell_the_tokens() -> None:
    config = {
        "architectures": ["DotsOCRForCausalLM"], "model_type": "dots_ocr", "hidden_size": 1536,
        "intermediate_size": 8960, "num_hidden_layers": 28, "num_attention_heads": 12, "num_key_value_heads": 2,
        "max_position_embeddings": 131072, "vocab_size": 151936, "vision_config": {"embed_dim": 1536},
    }  # fmt: skip
    facts = read_model_facts(config, model="m", source="test")
    assert facts.multimodal is None
    assert facts.multimodal_unknown is not None
    assert facts.vision == read_vision_tower(config)


@pytest.mark.parametrize(
    ("config", "merge"),
    [
        pytest.param({"model_type": "minicpmv", "query_num": 64}, 4, id="64 queries for the 1,024 patches of a slice"),
        pytest.param({"model_type": "minicpmv", "query_num": 256}, 2, id="256 queries"),
        pytest.param({"model_type": "minicpmv4_6"}, 4, id="MiniCPM-V 4.6 merges in the tower and after it"),
        pytest.param({"model_type": "step3_vl", "understand_projector_stride": 2}, 4, id="Step3 strides twice"),
        pytest.param({"model_type": "step3_vl"}, 4, id="Step3 without a word"),
        pytest.param(
            {"architectures": ["GLM4VForCausalLM"], "model_type": "chatglm"}, 2, id="GLM-4V 9B convolves two by two"
        ),
        pytest.param({"model_type": "mistral3"}, 2, id="Mistral3Config"),
        pytest.param({"model_type": "mistral3", "spatial_merge_size": 3}, 3, id="the config wins"),
        pytest.param({"model_type": "llava"}, 1, id="LLaVA takes every patch"),
    ],
)
def test_how_many_patches_become_a_token(config: dict[str, Any], merge: int) -> None:
    vision = {"hidden_size": 1152, "intermediate_size": 4304, "num_attention_heads": 16, "num_hidden_layers": 27}
    vision |= {"patch_size": 14, "num_heads": 16, "num_positions": 6401}
    found = read_vision_tower(config | {"vision_config": vision})
    assert found is not None
    assert found.merge_size == merge


def test_a_stride_of_ovis_merges_patches() -> None:
    vit = {"hidden_size": 1152, "intermediate_size": 4304, "num_attention_heads": 16, "num_hidden_layers": 27}
    found = read_vision_tower({"model_type": "ovis2_5", "vit_config": vit | {"patch_size": 16, "hidden_stride": 2}})
    assert found is not None
    assert found.merge_size == 2
