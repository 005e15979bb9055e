"""Items nobody should send get an answer or a reason, soon."""

from __future__ import annotations

import contextlib
import json
import math
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from token_rules import PUBLISHED
from vlm_operator.capacity.multimodal import Image, Video, image_tokens, max_item_tokens, video_tokens
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError, VlmOperatorError
from vlm_operator.model.multimodal import read_multimodal
from vlm_operator.model.processors import MultimodalFacts

VERSION = EngineVersion(0, 32)
SETTINGS = EngineSettings(max_model_len=32768)
ARCHITECTURES = (
    "Qwen2VLForConditionalGeneration",
    "Qwen3VLForConditionalGeneration",
    "Gemma3ForConditionalGeneration",
    "Gemma4ForConditionalGeneration",
    "Llama4ForConditionalGeneration",
    "KimiK25ForConditionalGeneration",
    "Ernie4_5_VLMoeForConditionalGeneration",
    "IsaacForConditionalGeneration",
    "Lfm2VlForConditionalGeneration",
    "SmolVLMForConditionalGeneration",
    "H2OVLChatModel",
    "InternVLForConditionalGeneration",
    "Qwen2_5OmniModel",
    "Glm4vMoeForConditionalGeneration",
    "MiniCPMV4_7ForConditionalGeneration",
    "DeepseekOCRForCausalLM",
    "Phi4MMForCausalLM",
)
NATIVE_PATCHES = {"vision_config": {"args": {"min_num_patches": 1024, "max_num_patches": 13312}}}


def facts_of(architecture: str, fields: dict[str, Any] | None = None) -> MultimodalFacts:
    facts = read_multimodal({"architectures": [architecture], **(fields or {})})
    assert facts is not None
    return facts


FACTS = [*PUBLISHED.values(), *map(facts_of, ARCHITECTURES), facts_of("NemotronH_Nano_VL_V2", NATIVE_PATCHES)]
each_family = pytest.mark.parametrize("facts", FACTS, ids=[facts.family for facts in FACTS])


@each_family
@pytest.mark.parametrize("size", [(0, 0), (-1, 100), (100, 0), (2**24 + 1, 1), (10**12, 10**12)])
def test_sizes_no_image_has_are_refused(facts: MultimodalFacts, size: tuple[int, int]) -> None:
    with pytest.raises(InputError):
        image_tokens(facts, Image(*size), SETTINGS, VERSION)


@each_family
@pytest.mark.parametrize("size", [(1, 1), (1, 100_000), (100_000, 1), (13_000, 13_000), (3, 597), (2**24, 1)])
def test_extreme_sizes_are_counted_or_refused_with_a_reason_at_once(
    facts: MultimodalFacts, size: tuple[int, int]
) -> None:
    began = time.process_time()
    with contextlib.suppress(VlmOperatorError):
        counted = image_tokens(facts, Image(*size), SETTINGS, VERSION)
        assert counted.prompt_tokens >= counted.encoder_tokens >= 1
    assert time.process_time() - began < 0.5


VIDEO_FACTS = [facts for facts in FACTS if "video" in facts.modalities]


@pytest.mark.parametrize("facts", VIDEO_FACTS, ids=[facts.family for facts in VIDEO_FACTS])
@pytest.mark.parametrize(
    "video",
    [
        Video(0, 30, 640, 480),
        Video(-1, 30, 640, 480),
        Video(math.nan, 30, 640, 480),
        Video(math.inf, 30, 640, 480),
        Video(10, 0, 640, 480),
        Video(10, math.nan, 640, 480),
        Video(1e300, 1e300, 640, 480),
        Video(10, 30, 0, 480),
    ],
)
def test_videos_that_cannot_be_are_refused(facts: MultimodalFacts, video: Video) -> None:
    with pytest.raises(InputError):
        video_tokens(facts, video, SETTINGS, VERSION)


@pytest.mark.parametrize("facts", VIDEO_FACTS, ids=[facts.family for facts in VIDEO_FACTS])
@pytest.mark.parametrize(
    "video", [Video(1e9 / 30, 30, 640, 480), Video(0.001, 30, 64, 64), Video(10**9, 1e-3, 64, 64), Video(1, 1, 7, 9)]
)
def test_very_long_and_very_short_videos_are_answered_at_once(facts: MultimodalFacts, video: Video) -> None:
    began = time.process_time()
    with contextlib.suppress(VlmOperatorError):
        counted = video_tokens(facts, video, SETTINGS, VERSION)
        assert counted.encoder_tokens >= 1
    assert time.process_time() - began < 1


SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)
KNOBS = st.sampled_from(
    (
        "size",
        "min_pixels",
        "max_pixels",
        "fps",
        "num_frames",
        "max_soft_tokens",
        "max_patches",
        "do_pan_and_scan",
        "images_kwargs",
        "videos_kwargs",
        "max_slice_nums",
        "max_dynamic_patch",
        "max_num_tiles",
        "max_crops",
        "max_tiles",
        "min_patches",
        "crop_to_patches",
        "max_image_tokens",
        "dynamic_hd",
        "in_token_limit",
        "cap_pixels_per_frame",
    )
)


@given(facts=st.sampled_from(FACTS), knobs=st.dictionaries(KNOBS, VALUES, max_size=3))
def test_any_processor_option_is_applied_or_refused(facts: MultimodalFacts, knobs: dict[str, Any]) -> None:
    settings = EngineSettings(max_model_len=32768, mm_processor_kwargs=json.dumps(knobs))
    for count in (
        lambda: image_tokens(facts, Image(640, 480), settings, VERSION),
        lambda: video_tokens(facts, Video(4, 30, 640, 480), settings, VERSION),
        lambda: max_item_tokens(facts, settings, VERSION),
    ):
        with contextlib.suppress(VlmOperatorError):
            count()
