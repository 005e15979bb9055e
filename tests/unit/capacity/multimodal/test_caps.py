"""Caps keep their word: with the knob set, no item takes more tokens than asked for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from token_rules import PUBLISHED
from vlm_operator.capacity.multimodal import (
    Image,
    RefusedItem,
    Video,
    cap_for_tokens,
    frame_cap_for_tokens,
    image_tokens,
    video_tokens,
)
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.multimodal import read_multimodal
from vlm_operator.model.processors import MultimodalFacts

VERSION = EngineVersion(0, 32)


def facts_of(architecture: str, **fields: Any) -> MultimodalFacts:
    facts = read_multimodal({"architectures": [architecture], **fields})
    assert facts is not None
    return facts


QWEN2 = facts_of("Qwen2VLForConditionalGeneration", model_type="qwen2_vl")
QWEN3 = facts_of("Qwen3VLForConditionalGeneration", model_type="qwen3_vl")
CAPPED = {
    "qwen2-vl": QWEN2,
    "qwen3-vl": QWEN3,
    "glm-4.6v": PUBLISHED["zai-org/GLM-4.6V-Flash"],
    "glm-4.5v": facts_of("Glm4vMoeForConditionalGeneration", model_type="glm4v_moe"),
    "llama4": facts_of("Llama4ForConditionalGeneration"),
    "minicpm-v-4.6": facts_of("MiniCPMV4_6ForConditionalGeneration"),
    "gemma4": facts_of("Gemma4ForConditionalGeneration"),
    "mistral3": PUBLISHED["mistralai/Mistral-Small-3.1-24B-Instruct-2503"],
    "kimi-vl": PUBLISHED["moonshotai/Kimi-VL-A3B-Instruct"],
    "llama4-like-tiles": PUBLISHED["CohereLabs/command-a-vision-07-2025"],
}


@given(
    family=st.sampled_from(sorted(CAPPED)),
    tokens=st.integers(1, 20_000),
    width=st.integers(1, 6000),
    height=st.integers(1, 6000),
)
def test_no_image_exceeds_its_cap(family: str, tokens: int, width: int, height: int) -> None:
    cap = cap_for_tokens(CAPPED[family], "image", tokens, VERSION)
    if cap is None:
        return
    assert cap.tokens <= tokens
    settings = EngineSettings(mm_processor_kwargs=cap.processor_kwargs)
    try:
        item = image_tokens(CAPPED[family], Image(width, height), settings, VERSION)
    except RefusedItem:
        return
    assert item.encoder_tokens <= cap.tokens


@given(
    tokens=st.integers(64, 20_000),
    seconds=st.integers(1, 4000),
    width=st.integers(64, 4000),
    height=st.integers(64, 4000),
)
def test_no_video_of_qwen3_vl_exceeds_its_cap(tokens: int, seconds: int, width: int, height: int) -> None:
    cap = cap_for_tokens(QWEN3, "video", tokens, VERSION)
    assert cap is not None
    settings = EngineSettings(mm_processor_kwargs=cap.processor_kwargs)
    item = video_tokens(QWEN3, Video(seconds, 30, width, height), settings, VERSION)
    patches = -(-(item.frames_sampled or 0) // 2)
    if max(width / height, height / width) * patches <= cap.tokens:  # else a frame is one row of cells
        assert item.encoder_tokens <= cap.tokens


def test_a_pair_of_frames_of_qwen2_vl_can_be_capped_though_the_video_cannot() -> None:
    assert cap_for_tokens(QWEN2, "video", 5000, VERSION) is None
    cap = frame_cap_for_tokens(QWEN2, 100, VERSION)
    assert cap is not None
    settings = EngineSettings(mm_processor_kwargs=cap.processor_kwargs)
    item = video_tokens(QWEN2, Video(10, 30, 1920, 1080), settings, VERSION)
    assert item.encoder_tokens // ((item.frames_sampled or 0) // 2) <= cap.tokens == 100


def test_a_cap_states_its_price_in_megapixels() -> None:
    cap = cap_for_tokens(QWEN3, "image", 1024, VERSION)
    assert cap is not None
    assert cap.megapixels == pytest.approx(1.048576)
    assert "1.0 megapixels" in cap.price


def test_a_family_without_a_knob_has_no_cap() -> None:
    gemma3 = facts_of("Gemma3ForConditionalGeneration")
    assert cap_for_tokens(gemma3, "image", 100, VERSION) is None
    assert cap_for_tokens(PUBLISHED["OpenGVLab/InternVL3-8B"], "image", 512, VERSION) is None
    assert cap_for_tokens(gemma3, "video", 100, VERSION) is None


def test_kimi_k2_5_has_no_flag_for_the_patches_of_an_image() -> None:
    kimi = read_multimodal({"architectures": ["KimiK25ForConditionalGeneration"], "model_type": "kimi_k25"})
    assert kimi is not None
    assert cap_for_tokens(kimi, "image", 1024, VERSION) is None
    assert cap_for_tokens(CAPPED["kimi-vl"], "image", 1024, VERSION) is not None
