"""Counts of further families, each figure given by vLLM 0.32.0's own code for that config, item and flag.

The file named above each group (under ``vllm/``) is where that release counts. Its processor was run on blank items;
where a checkpoint brings its own processor, vLLM's count function was called.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from vlm_operator.capacity.multimodal import Image, Video, image_tokens, largest_item_tokens, video_tokens
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.multimodal import read_multimodal
from vlm_operator.model.processors import MultimodalFacts

VERSION = EngineVersion(0, 32)
Object = Mapping[str, Any]


def facts_of(
    architecture: str, config: Object | None = None, image: Object | None = None, processor: Object | None = None
) -> MultimodalFacts:
    """Facts of an architecture, given what its config and preprocessor files say beyond their defaults."""
    facts = read_multimodal({"architectures": [architecture], **(config or {})}, image, processor=processor)
    assert facts is not None
    return facts


def settings(
    knobs: Object | None = None, length: int = 32768, limits: Mapping[str, int] | None = None
) -> EngineSettings:
    return EngineSettings(
        max_model_len=length,
        mm_processor_kwargs=json.dumps(knobs) if knobs else None,
        limit_mm_per_prompt=tuple((name, ModalityLimit(count)) for name, count in (limits or {}).items()) or None,
    )


SMOLVLM = facts_of(
    "SmolVLMForConditionalGeneration", {"scale_factor": 4, "vision_config": {"image_size": 512, "patch_size": 16}}
)
IDEFICS3 = facts_of("Idefics3ForConditionalGeneration")
KIMI_K25 = facts_of("KimiK25ForConditionalGeneration")
ERNIE = facts_of("Ernie4_5_VLMoeForConditionalGeneration", {"model_type": "ernie4_5_vl_moe"})
KEYE = facts_of("KeyeForConditionalGeneration", {}, {"min_pixels": 3136, "max_pixels": 1003520})
KEYE15 = facts_of("KeyeVL1_5ForConditionalGeneration", {}, {"min_pixels": 3136, "max_pixels": 1003520})
GRANITE4 = facts_of(
    "Granite4VisionForConditionalGeneration",
    {
        "downsample_rate": "4/8",
        "image_grid_pinpoints": [
            [384 * rows, 384 * columns] for rows in range(1, 11) for columns in range(1, 11) if rows * columns <= 10
        ],
        "vision_config": {"model_type": "siglip_vision_model", "image_size": 384, "patch_size": 16},
    },
)
NEMOTRON_OMNI = facts_of(
    "NemotronH_Nano_Omni_Reasoning_V3",
    {
        "vision_config": {
            "args": {"min_num_patches": 1024, "max_num_patches": 13312},
            "video_target_num_patches": 1024,
            "video_temporal_patch_size": 2,
            "video_maintain_aspect_ratio": True,
        }
    },
)
NEMOTRON_SQUARE_FRAMES = facts_of(
    "NemotronH_Nano_VL_V2",
    {"vision_config": {"args": {"min_num_patches": 256, "max_num_patches": 4096}, "video_temporal_patch_size": 3}},
)
ISAAC = facts_of("IsaacForConditionalGeneration", {"vision_max_num_patches": 6144, "pixel_shuffle_scale": 2})
GLM45V = facts_of("Glm4vMoeForConditionalGeneration", {"model_type": "glm4v_moe"})
GLM46V = facts_of("Glm46VForConditionalGeneration", {"model_type": "glm46v"})
GLM_OCR = facts_of(
    "GlmOcrForConditionalGeneration", {"model_type": "glm_ocr"}, {}, {"processor_class": "Glm46VProcessor"}
)
MINICPM46 = facts_of("MiniCPMV4_6ForConditionalGeneration")
MINICPM47 = facts_of("MiniCPMV4_7ForConditionalGeneration")
OMNI = facts_of("Qwen2_5OmniModel", {"model_type": "qwen2_5_omni"}, {"min_pixels": 3136, "max_pixels": 12845056})
LFM2 = facts_of("Lfm2VlForConditionalGeneration")
INTERNVL_LLAMA = facts_of(
    "InternVLChatModel", {"llm_config": {"model_type": "llama"}, "max_dynamic_patch": 6, "use_thumbnail": True}
)
INTERNVL_HF = facts_of(
    "InternVLForConditionalGeneration",
    {"vision_config": {"image_size": [448, 448], "patch_size": [14, 14]}},
    {"crop_to_patches": False, "min_patches": 1, "max_patches": 12},
)
HUNYUAN = facts_of("HunYuanVLForConditionalGeneration", {"model_type": "hunyuan_vl"})
MUSE = facts_of(
    "MuseGlimmerForConditionalGeneration",
    {"model_type": "muse_glimmer", "vision_config": {"model_type": "muse_glimmer_vision"}},
)
MOLMO2 = facts_of(
    "Molmo2ForConditionalGeneration",
    {},
    {"size": {"height": 378, "width": 378}, "max_crops": 8},
    {"image_use_col_tokens": True, "use_single_crop_col_tokens": False},
)


@pytest.mark.parametrize(
    ("facts", "size", "knobs", "prompt", "encoder"),
    [
        # model_executor/models/idefics3.py: Idefics3ProcessingInfo.get_image_repl
        pytest.param(SMOLVLM, (1280, 720), None, 862, 832, id="smolvlm"),
        pytest.param(IDEFICS3, (1280, 720), {"size": {"longest_edge": 728}}, 858, 845, id="idefics3-smaller-edge"),
        # transformers_utils/processors/kimi_k25_vision_fused.py: navit_resize_image
        pytest.param(KIMI_K25, (4032, 3024), None, 4148, 4144, id="kimi-k2.5-shrunk-to-16384-patches"),
        pytest.param(KIMI_K25, (20000, 50), None, 260, 256, id="kimi-k2.5-512-patches-along-a-side"),
        pytest.param(KIMI_K25, (31, 63), None, 10, 6, id="kimi-k2.5-padded-up"),
        # model_executor/models/ernie45_vl.py: smart_resize, Ernie4_5_VLProcessingInfo.get_num_image_tokens
        pytest.param(ERNIE, (1920, 1080), None, 2693, 2691, id="ernie-4.5-hd"),
        pytest.param(ERNIE, (1, 100), None, 6, 4, id="ernie-4.5-thin-side-is-one-cell"),
        # model_executor/models/granite4_vision.py: Granite4VisionProcessingInfo.get_num_image_tokens
        pytest.param(GRANITE4, (1280, 720), None, 1176, 1176, id="granite-4-vision"),
        # transformers_utils/processors/nano_nemotron_vl.py: DynamicResolutionImageTiler
        pytest.param(NEMOTRON_OMNI, (1920, 1080), None, 2042, 2040, id="nemotron-omni-hd"),
        pytest.param(NEMOTRON_OMNI, (224, 224), None, 258, 256, id="nemotron-omni-enlarged-to-1024-patches"),
        pytest.param(NEMOTRON_OMNI, (4000, 40), None, 296, 294, id="nemotron-omni-strip"),
        # transformers_utils/processors/isaac.py: get_image_size_for_max_num_patches
        pytest.param(ISAAC, (1920, 1080), None, 1508, 1508, id="isaac-scaled-down"),
        pytest.param(ISAAC, (31, 63), None, 66, 66, id="isaac-scaled-up"),
        # model_executor/models/bagel.py, moondream3.py
        pytest.param(facts_of("BagelForConditionalGeneration"), (640, 480), None, 4900, 4900, id="bagel"),
        # model_executor/models/glm4_1v.py, glm_ocr.py: Glm4vProcessingInfo
        pytest.param(GLM45V, (1920, 1080), None, 2693, 2691, id="glm-4.5v"),
        pytest.param(GLM45V, (1920, 1080), {"max_pixels": 1003520}, 2693, 2691, id="glm-max-pixels-reaches-no-item"),
        pytest.param(GLM_OCR, (2480, 3508), None, 6047, 6045, id="glm-ocr-a4-at-300-dpi"),
        # model_executor/models/lfm2_vl.py: Lfm2VLProcessingInfo.get_num_image_tokens
        pytest.param(LFM2, (1280, 720), None, 769, 764, id="lfm2-vl"),
        pytest.param(LFM2, (1280, 720), {"max_image_tokens": 128}, 637, 632, id="lfm2-vl-smaller-thumbnail"),
        # transformers_utils/processors/internvl.py: InternVLImageProcessor.resolve_min_max_num
        pytest.param(INTERNVL_LLAMA, (224, 224), {"min_dynamic_patch": 2}, 1282, 1280, id="internvl-at-least-two"),
        pytest.param(INTERNVL_LLAMA, (1280, 720), {"use_thumbnail": False}, 514, 512, id="internvl-no-thumbnail"),
        pytest.param(INTERNVL_LLAMA, (1280, 720), {"dynamic_image_size": False}, 258, 256, id="internvl-one-tile"),
        # model_executor/models/interns1.py: InternS1ProcessingInfo.get_num_image_tokens
        pytest.param(INTERNVL_HF, (1280, 720), None, 2306, 2304, id="internvl-hf-crops-whatever-its-file-says"),
        pytest.param(INTERNVL_HF, (1280, 720), {"crop_to_patches": False}, 258, 256, id="internvl-hf-one-tile"),
        pytest.param(
            INTERNVL_HF, (1, 1), {"images_kwargs": {"max_patches": 3, "min_patches": 2}}, 770, 768, id="internvl-hf-two"
        ),
        # model_executor/models/molmo2.py: Molmo2ProcessingInfo.get_num_image_tokens
        pytest.param(MOLMO2, (1280, 720), None, 1189, 1189, id="molmo2"),
        pytest.param(MOLMO2, (112, 500), None, 545, 545, id="molmo2-nothing-between-the-margins"),
        # transformers 5, models/hunyuan_vl: HunYuanVLProcessor._get_num_multimodal_tokens (vLLM 0.32)
        pytest.param(HUNYUAN, (1920, 1080), None, 2078, 2076, id="hunyuan-ocr-hd"),
        pytest.param(HUNYUAN, (64, 64), None, 276, 274, id="hunyuan-ocr-enlarged"),
        pytest.param(HUNYUAN, (3000, 200), None, 574, 572, id="hunyuan-ocr-strip"),
        # transformers 5, models/muse_glimmer/image_processing_muse_glimmer.py: smart_resize (vLLM 0.33)
        pytest.param(MUSE, (1920, 1080), None, 2693, 2691, id="muse-glimmer-hd"),
        pytest.param(MUSE, (1920, 1080), {"max_image_tokens": 256}, 254, 252, id="muse-glimmer-capped"),
        pytest.param(MUSE, (1, 1), None, 3, 1, id="muse-glimmer-one-cell"),
        # model_executor/models/step_vl.py: the processor of step3_vl.py
        pytest.param(facts_of("StepVLForConditionalGeneration"), (1920, 1080), None, 836, 817, id="step3-vl-10b"),
        # model_executor/models/deepseek_ocr.py, h2ovl.py, gemma3n_mm.py
        pytest.param(facts_of("DeepseekOCRForCausalLM"), (1920, 1080), None, 483, 483, id="deepseek-ocr"),
        pytest.param(facts_of("Gemma3nForConditionalGeneration"), (640, 480), None, 260, 256, id="gemma-3n"),
    ],
)
def test_an_image_costs_what_vllm_counts(
    facts: MultimodalFacts, size: tuple[int, int], knobs: Object | None, prompt: int, encoder: int
) -> None:
    counted = image_tokens(facts, Image(*size), settings(knobs), VERSION)
    assert (counted.prompt_tokens, counted.encoder_tokens) == (prompt, encoder)


@pytest.mark.parametrize(
    ("facts", "video", "knobs", "prompt", "encoder"),
    [
        # model_executor/models/qwen2_5_omni_thinker.py: _get_hf_mm_inputs
        pytest.param(OMNI, Video(4, 30, 320, 180), None, 578, 576, id="qwen-omni-frames-of-128-tokens-at-least"),
        pytest.param(OMNI, Video(4, 30, 320, 180), {"max_pixels": 602112}, 266, 264, id="qwen-omni-capped-loses-floor"),
        # transformers_utils/processors/nano_nemotron_vl.py: get_video_repl
        pytest.param(NEMOTRON_OMNI, Video(4, 30, 320, 180), None, 4502, 4502, id="nemotron-omni-pairs-of-frames"),
        pytest.param(NEMOTRON_SQUARE_FRAMES, Video(7.3, 24, 31, 97), None, 3266, 3266, id="nemotron-triples-of-frames"),
        # model_executor/models/minicpmv4_6.py, minicpmv4_7.py
        pytest.param(MINICPM46, Video(3, 5, 640, 360), {"max_slice_nums": 1}, 1023, 990, id="minicpm-4.6-unsliced"),
        pytest.param(MINICPM47, Video(3, 5, 640, 360), None, 3000, 2910, id="minicpm-4.7-has-no-number"),
        # model_executor/models/glm4_1v.py
        pytest.param(GLM45V, Video(4, 30, 320, 180), None, 278, 264, id="glm-4.5v"),
        pytest.param(GLM_OCR, Video(4, 30, 320, 180), None, 866, 792, id="glm-ocr-samples-as-4.6v"),
    ],
)
def test_a_video_costs_what_vllm_counts(
    facts: MultimodalFacts, video: Video, knobs: Object | None, prompt: int, encoder: int
) -> None:
    counted = video_tokens(facts, video, settings(knobs), VERSION)
    assert (counted.prompt_tokens, counted.encoder_tokens) == (prompt, encoder)


GLM_IMAGES_CAPPED = {"images_kwargs": {"size": {"shortest_edge": 12544, "longest_edge": 1003520}}}
GLM_VIDEOS_CAPPED = {"videos_kwargs": {"size": {"shortest_edge": 12544, "longest_edge": 1003520}}}


@pytest.mark.parametrize(
    ("facts", "flags", "largest"),
    [
        # multimodal/encoder_budget.py: get_mm_max_toks_per_item asks each ProcessingInfo or processes its dummy
        pytest.param(KIMI_K25, settings(), {"image": 4225}, id="kimi-k2.5-3000-pixels-square"),
        pytest.param(ERNIE, settings(length=16384), {"image": 6084, "video": 6084}, id="ernie-4.5"),
        pytest.param(GRANITE4, settings(), {"image": 1704}, id="granite-4-vision"),
        pytest.param(NEMOTRON_OMNI, settings(), {"image": 32761, "video": 32768}, id="nemotron-omni-fills-the-context"),
        pytest.param(ISAAC, settings(), {"image": 1536}, id="isaac"),
        pytest.param(
            GLM45V, settings(GLM_IMAGES_CAPPED, 16384), {"image": 625, "video": 6084}, id="glm-4.5v-scoped-to-images"
        ),
        pytest.param(
            GLM46V, settings(GLM_VIDEOS_CAPPED, 16384), {"image": 6084, "video": 32562}, id="glm-4.6v-reads-flat-keys"
        ),
        pytest.param(
            GLM46V, settings({"max_pixels": 1003520}, 16384), {"image": 625, "video": 3202}, id="glm-4.6v-max-pixels"
        ),
        pytest.param(
            MINICPM46, settings({"max_slice_nums": 4}), {"image": 312, "video": 5120}, id="minicpm-4.6-high-dummy"
        ),
        pytest.param(
            MINICPM47, settings({"max_slice_nums": 4}), {"image": 320, "video": 5120}, id="minicpm-4.7-dummy-follows"
        ),
        pytest.param(
            MINICPM46, settings({"downsample_mode": "4x"}), {"image": 2592, "video": 28512}, id="minicpm-4.6-4x"
        ),
        pytest.param(LFM2, settings({"min_image_tokens": 32, "max_image_tokens": 64}), {"image": 64}, id="lfm2-vl"),
        pytest.param(INTERNVL_LLAMA, settings({"min_dynamic_patch": 2}), {"image": 1792}, id="internvl-at-least-two"),
        pytest.param(
            INTERNVL_HF,
            settings({"crop_to_patches": True}, 8192),
            {"image": 3328, "video": 4864},
            id="internvl-hf-crops-in-start-up-too",
        ),
        pytest.param(
            INTERNVL_HF,
            settings({"images_kwargs": {"max_patches": 3, "min_patches": 2}}, 8192),
            {"image": 768, "video": 7936},
            id="internvl-hf-scoped-options-leave-the-videos-room",
        ),
        pytest.param(MOLMO2, settings(), {"image": 1400, "video": 31872}, id="molmo2"),
        pytest.param(HUNYUAN, settings(), {"image": 4162}, id="hunyuan-ocr"),
        pytest.param(MUSE, settings(), {"image": 4096, "video": 6912}, id="muse-glimmer-96-frames"),
        pytest.param(
            MUSE, settings(length=1000), {"image": 4096, "video": 864}, id="muse-glimmer-as-the-context-holds"
        ),
    ],
)
def test_the_largest_items_are_those_that_vllm_assumes(
    facts: MultimodalFacts, flags: EngineSettings, largest: Mapping[str, int]
) -> None:
    assert largest_item_tokens(facts, flags, VERSION) == largest


def test_an_image_of_nemotron_omni_costs_as_much_as_the_context_holds() -> None:
    hd = Image(1920, 1080)
    unbounded = image_tokens(NEMOTRON_OMNI, hd, EngineSettings(), VERSION)
    assert unbounded == image_tokens(NEMOTRON_OMNI, hd, settings(length=4096), VERSION)
    assert image_tokens(NEMOTRON_OMNI, hd, settings(length=1024), VERSION).encoder_tokens <= 1024 - 4


def test_keye_reserves_room_for_every_image_of_a_prompt() -> None:
    """vLLM ``keye.py: get_num_frames_with_most_features``: unset limits leave no room for a second frame."""
    image = largest_item_tokens(KEYE, settings(), VERSION)["image"]
    assert largest_item_tokens(KEYE, settings(), VERSION)["video"] == image
    one_each = settings(limits={"image": 1, "video": 1})
    assert largest_item_tokens(KEYE, one_each, VERSION)["video"] == 16 * image
    assert largest_item_tokens(KEYE15, one_each, VERSION)["video"] == (32768 // image - 1) * image


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        pytest.param(ERNIE, "checkpoint's own", id="ernie"),
        pytest.param(KEYE, "checkpoint's own", id="keye"),
        pytest.param(MOLMO2, "which frames", id="molmo2"),
        pytest.param(MUSE, "times between frames", id="muse-glimmer"),
    ],
)
def test_videos_whose_processor_only_the_checkpoint_has_are_unknown(facts: MultimodalFacts, reason: str) -> None:
    with pytest.raises(UnknownFact, match=reason):
        video_tokens(facts, Video(4, 30, 320, 180), settings(), VERSION)


@pytest.mark.parametrize(
    ("facts", "knobs", "match"),
    [
        pytest.param(
            IDEFICS3,
            {"images_kwargs": {"size": {"longest_edge": 400}}},
            r"images_kwargs\.size: .* requests fail",
            id="idefics3-count-reads-flat-keys-only",
        ),
        pytest.param(
            facts_of("Qwen3VLForConditionalGeneration"),
            {"videos_kwargs": {"max_pixels": 3010560}},
            r"videos_kwargs\.max_pixels: the video processor takes no such argument",
            id="qwen3-vl-video-processor-knows-size-only",
        ),
        pytest.param(
            facts_of("Llama4ForConditionalGeneration"), {"max_patches": 10**9}, "1000000000 tiles", id="endless-tiles"
        ),
    ],
)
def test_an_option_with_which_requests_fail_is_refused(facts: MultimodalFacts, knobs: Object, match: str) -> None:
    with pytest.raises(InputError, match=match):
        image_tokens(facts, Image(640, 480), settings(knobs), VERSION)
