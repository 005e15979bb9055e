"""Counts of images and videos, family by family.

Each figure is what vLLM 0.32.0's own multimodal processor gave for that item.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from token_rules import PUBLISHED
from vlm_operator.capacity.multimodal import Image, RefusedItem, Video, image_tokens, video_tokens
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.multimodal import read_multimodal
from vlm_operator.model.processors import MultimodalFacts

VERSION = EngineVersion(0, 32)


def facts_of(model: str, **fields: Any) -> MultimodalFacts:
    """Facts of a published id, or of an architecture with these config fields."""
    if "/" in model:
        return PUBLISHED[model]
    facts = read_multimodal({"architectures": [model], **fields})
    assert facts is not None
    return facts


def settings(processor: Any = None, video: Any = None) -> EngineSettings:
    return EngineSettings(
        mm_processor_kwargs=json.dumps(processor) if processor else None,
        media_io_kwargs=json.dumps({"video": video}) if video else None,
    )


QWEN2 = facts_of("Qwen2VLForConditionalGeneration", model_type="qwen2_vl")
QWEN3 = facts_of("Qwen3VLForConditionalGeneration", model_type="qwen3_vl")
GEMMA3 = facts_of("Gemma3ForConditionalGeneration")
GEMMA4 = facts_of("Gemma4ForConditionalGeneration")
LLAMA4 = facts_of("Llama4ForConditionalGeneration")
PADDLE_OCR = facts_of("PaddleOCRVLForConditionalGeneration", model_type="paddleocr_vl")
INTERNVL = PUBLISHED["OpenGVLab/InternVL3-8B"]


@pytest.mark.parametrize(
    ("facts", "size", "processor", "prompt", "encoder"),
    [
        pytest.param(QWEN2, (224, 224), None, 66, 64, id="qwen2-vl-64-cells-and-two-marks"),
        pytest.param(QWEN2, (1920, 1080), None, 2693, 2691, id="qwen2-vl-hd"),
        pytest.param(QWEN3, (1920, 1080), None, 2042, 2040, id="qwen3-vl-hd-in-cells-of-32"),
        pytest.param(PADDLE_OCR, (20, 600), None, 230, 228, id="paddleocr-vl-thin-side-enlarged-first"),
        pytest.param(GEMMA3, (1920, 1080), None, 260, 256, id="gemma3-one-view-for-any-size"),
        pytest.param(
            GEMMA3,
            (640, 480),
            {"do_pan_and_scan": True, "pan_and_scan_max_num_crops": 2},
            798,
            768,
            id="gemma3-two-crops-and-a-sentence",
        ),
        pytest.param(LLAMA4, (640, 480), None, 727, 720, id="llama4-four-tiles-and-a-global-one"),
        pytest.param(LLAMA4, (224, 224), None, 147, 144, id="llama4-one-tile"),
        pytest.param(INTERNVL, (1920, 1080), None, 2306, 2304, id="internvl-eight-tiles-and-a-thumbnail"),
        pytest.param(
            PUBLISHED["HuggingFaceM4/Idefics3-8B-Llama3"],
            (1280, 720),
            None,
            2227,
            2197,
            id="idefics3-three-rows-of-four",
        ),
        pytest.param(PUBLISHED["stepfun-ai/step3"], (3840, 2160), None, 2166, 2113, id="step3-view-and-24-windows"),
        pytest.param(PUBLISHED["allenai/Molmo-7B-D-0924"], (1280, 720), None, 1196, 1152, id="molmo-overlapping-crops"),
        pytest.param(PUBLISHED["openbmb/MiniCPM-V-4.6"], (1280, 720), None, 462, 444, id="minicpm-overview-and-slices"),
        pytest.param(PUBLISHED["AIDC-AI/Ovis2.5-9B"], (1, 1), None, 198, 198, id="ovis-marks-are-encoder-output"),
    ],
)
def test_an_image_costs_what_the_processor_counts(
    facts: MultimodalFacts, size: tuple[int, int], processor: Any, prompt: int, encoder: int
) -> None:
    counted = image_tokens(facts, Image(*size), settings(processor), VERSION)
    assert (counted.prompt_tokens, counted.encoder_tokens) == (prompt, encoder)


@pytest.mark.parametrize(
    ("facts", "video", "options", "expected"),
    [
        pytest.param(QWEN3, Video(4, 30, 640, 360), None, (8, 914, 880), id="qwen3-vl-two-frames-a-second"),
        pytest.param(QWEN3, Video(60, 30, 1920, 1080), None, (120, 11932, 11400), id="qwen3-vl-whole-video-bounded"),
        pytest.param(QWEN3, Video(4, 30, 640, 360), {"fps": 1}, (4, 458, 440), id="qwen3-vl-one-frame-a-second"),
        pytest.param(
            QWEN3, Video(300, 30, 640, 360), None, (600, 12492, 9600), id="qwen3-vl-longer-times-cost-more-text"
        ),
        pytest.param(GEMMA4, Video(4, 30, 640, 360), None, (32, 2399, 2112), id="gemma4-32-frames-for-any-length"),
        pytest.param(GEMMA4, Video(4, 30, 640, 360), {"fps": 1}, (4, 299, 264), id="gemma4-fewer-frames-by-fps"),
        pytest.param(INTERNVL, Video(10, 30, 1280, 720), None, (32, 8407, 8192), id="internvl-one-tile-a-frame"),
        pytest.param(
            PUBLISHED["nvidia/NVIDIA-Nemotron-Nano-12B-v2-VL-BF16"],
            Video(300, 30, 640, 360),
            None,
            (32, 8777, 8777),
            id="nemotron-text-counts-as-encoder-output",
        ),
    ],
)
def test_a_video_costs_its_sampled_frames_and_their_text(
    facts: MultimodalFacts, video: Video, options: Any, expected: tuple[int, int, int]
) -> None:
    counted = video_tokens(facts, video, settings(video=options), VERSION)
    assert (counted.frames_sampled, counted.prompt_tokens, counted.encoder_tokens) == expected, (
        "frames, prompt, encoder"
    )


def test_an_image_more_elongated_than_200_to_1_is_refused_with_the_processors_reason() -> None:
    with pytest.raises(RefusedItem, match=r"absolute aspect ratio must be smaller than 200, got 400\.0"):
        image_tokens(QWEN2, Image(8000, 20), settings(), VERSION)


def test_releases_before_family_loaders_take_32_frames_of_any_video() -> None:
    counted = video_tokens(QWEN3, Video(300, 30, 640, 360), settings(), EngineVersion(0, 22, 1))
    assert counted.frames_sampled == 32


def test_releases_whose_loader_was_not_read_are_unknown_unless_one_is_named() -> None:
    video, version = Video(60, 30, 640, 360), EngineVersion(0, 24)
    with pytest.raises(UnknownFact, match=r"0\.24\.0"):
        video_tokens(QWEN3, video, settings(), version)
    named = settings(video={"video_backend": "opencv"})
    assert video_tokens(QWEN3, video, named, version).frames_sampled == 32


def test_max_dynamic_patch_as_processor_argument_breaks_vllm_on_internvl() -> None:
    with pytest.raises(InputError, match="max_dynamic_patch"):
        image_tokens(INTERNVL, Image(1920, 1080), settings({"max_dynamic_patch": 6}), VERSION)


def test_an_option_that_the_family_is_not_known_to_take_is_unknown() -> None:
    with pytest.raises(UnknownFact, match="resolution_boost"):
        image_tokens(GEMMA3, Image(1920, 1080), settings({"resolution_boost": 2}), VERSION)


def test_a_processor_option_scoped_to_one_modality_leaves_the_other_alone() -> None:
    capped = settings({"images_kwargs": {"size": {"longest_edge": 786432, "shortest_edge": 65536}}})
    assert image_tokens(QWEN3, Image(4032, 3024), capped, VERSION).encoder_tokens <= 768
    video = Video(60, 30, 1920, 1080)
    assert video_tokens(QWEN3, video, capped, VERSION) == video_tokens(QWEN3, video, settings(), VERSION)


def test_a_flat_pixel_cap_bounds_the_whole_video_of_qwen3_vl() -> None:
    counted = video_tokens(QWEN3, Video(60, 30, 1920, 1080), settings({"max_pixels": 1310720}), VERSION)
    assert counted.encoder_tokens <= 1310720 // (2 * 32 * 32)
