"""Which of two spellings of an option counts, options without effect, and items at the edge of a rule."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vlm_operator.capacity.multimodal import (
    Image,
    ItemTokens,
    Video,
    fitting_items,
    image_tokens,
    ineffective_knobs,
    largest_item_tokens,
    videos_bring_sound,
)
from vlm_operator.capacity.multimodal.items import LONGEST_VIDEO_FRAMES, check_video
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.model.multimodal import read_multimodal
from vlm_operator.model.processors import MultimodalFacts

VERSION = EngineVersion(0, 32)


def facts_of(architecture: str, image: Any = None, processor: Any = None, **config: Any) -> MultimodalFacts:
    facts = read_multimodal({"architectures": [architecture], **config}, image, processor=processor)
    assert facts is not None
    return facts


def with_options(options: Any) -> EngineSettings:
    return EngineSettings(max_model_len=32_768, mm_processor_kwargs=json.dumps(options) if options else None)


GEMMA3, GEMMA4 = facts_of("Gemma3ForConditionalGeneration"), facts_of("Gemma4ForConditionalGeneration")
KIMI_K25 = facts_of("KimiK25ForConditionalGeneration")
MOLMO2 = facts_of(
    "Molmo2ForConditionalGeneration",
    {"size": {"height": 378, "width": 378}, "max_crops": 8},
    {"image_use_col_tokens": True, "use_single_crop_col_tokens": False},
)
OVIS25 = facts_of("Ovis2_5", model_type="ovis2_5")
STEP3 = facts_of("Step3VLForConditionalGeneration", model_type="step3_vl")
QWEN3 = facts_of("Qwen3VLForConditionalGeneration", model_type="qwen3_vl")


@pytest.mark.parametrize(
    ("options", "budget"),
    [
        pytest.param(None, 280, id="the model's own"),
        pytest.param({"max_soft_tokens": 140}, 140, id="flat"),
        pytest.param({"images_kwargs": {"max_soft_tokens": 560}}, 560, id="scoped to images"),
        pytest.param({"max_soft_tokens": 140, "images_kwargs": {"max_soft_tokens": 560}}, 140, id="both: flat wins"),
    ],
)
def test_a_budget_of_soft_tokens_is_the_flat_option_before_the_scoped_one(options: Any, budget: int) -> None:
    # An image of 1 to 1 fills a budget of n to the largest square below it.
    side = int(budget**0.5)
    assert image_tokens(GEMMA4, Image(4096, 4096), with_options(options), VERSION).encoder_tokens == side * side
    assert largest_item_tokens(GEMMA4, with_options(options), VERSION)["image"] == budget


@pytest.mark.parametrize(
    ("size", "most", "crops"),
    [
        pytest.param((1190, 1000), 4, 0, id="nearly square"),
        pytest.param((1200, 1000), 4, 2, id="1.2 to 1: at least two crops"),
        pytest.param((1000, 500), 4, 2, id="two to one: two crops of 500"),
        pytest.param((1500, 300), 4, 4, id="five to one: no more than four crops, 375 wide"),
        pytest.param((1500, 300), 2, 2, id="no more than two crops"),
        pytest.param((1000, 200), 4, 0, id="crops would be lower than the least of 256"),
        pytest.param((500, 300), 4, 0, id="crops would be narrower than that"),
    ],
)
def test_an_elongated_image_is_cut_into_crops_that_are_large_enough(
    size: tuple[int, int], most: int, crops: int
) -> None:
    """Gemma3: 256 tokens a view; the number of crops is the rounded ratio, between two and the most."""
    options = {"do_pan_and_scan": True, "pan_and_scan_max_num_crops": most, "pan_and_scan_min_crop_size": 256}
    found = image_tokens(GEMMA3, Image(*size), with_options(options), VERSION)
    assert found.encoder_tokens == 256 * (1 + crops)


@pytest.mark.parametrize(
    ("facts", "options", "word"),
    [
        pytest.param(OVIS25, {"max_pixels": 100_000}, "max_pixels and min_pixels", id="Ovis2.5: most pixels"),
        pytest.param(OVIS25, {"images_kwargs": {"min_pixels": 100}}, "max_pixels and min_pixels", id="least pixels"),
        pytest.param(OVIS25, {"fps": 1}, None, id="another option"),
        pytest.param(STEP3, {"enable_patch": False}, "enable_patch", id="Step3: patches"),
        pytest.param(STEP3, {"max_pixels": 100_000}, None, id="Step3: pixels"),
        pytest.param(QWEN3, {"fps": 1}, "mm-processor-kwargs.fps", id="Qwen3-VL: frames a second"),
        pytest.param(QWEN3, {"videos_kwargs": {"fps": 1}}, "mm-processor-kwargs.fps", id="scoped to videos"),
        pytest.param(QWEN3, {"max_pixels": 100_000}, None, id="Qwen3-VL: pixels count"),
        pytest.param(QWEN3, None, None, id="nothing given"),
    ],
)
def test_an_option_that_changes_no_count_is_named(facts: MultimodalFacts, options: Any, word: str | None) -> None:
    said = ineffective_knobs(facts, with_options(options), VERSION)
    assert len(said) == (word is not None)
    assert word is None or word in said[0]


def test_the_largest_image_of_molmo2_does_not_follow_the_option_that_requests_are_refused_for() -> None:
    assert largest_item_tokens(MOLMO2, with_options({"max_crops": 2}), VERSION) == largest_item_tokens(
        MOLMO2, with_options(None), VERSION
    )


@pytest.mark.parametrize(
    ("size", "scaled"),
    [
        pytest.param((1, 2**20), (1, 512 * 14), id="as thin as a pixel"),
        pytest.param((2**20, 1), (512 * 14, 1), id="as low as a pixel"),
        pytest.param((700, 280), (700, 280), id="within the limits"),
    ],
)
def test_no_side_is_scaled_to_nothing(size: tuple[int, int], scaled: tuple[int, int]) -> None:
    """Kimi-K2.5: at most 512 patches of 14 pixels a side."""
    assert image_tokens(KIMI_K25, Image(*size), EngineSettings(), VERSION).scaled_to == scaled


@pytest.mark.parametrize(
    ("side", "tiles"),
    [
        pytest.param(512, 1, id="a tile's own size"),
        pytest.param(645, 1, id="a tile covers 0.63 of it: more than 0.6 counts as 0.6, and no grid is better"),
        pytest.param(670, 5, id="a tile covers 0.58: four cover more, and a thumbnail is beside them"),
    ],
)
def test_a_grid_that_covers_three_fifths_is_as_good_as_any(side: int, tiles: int) -> None:
    """``nvidia/Llama-3.1-Nemotron-Nano-VL-8B-V1`` ``image_processing.py: dynamic_preprocess``: 256 tokens a tile."""
    facts = facts_of("Llama_Nemotron_Nano_VL", force_image_size=512, use_thumbnail=True, max_dynamic_patch=12)
    found = image_tokens(facts, Image(side, side), EngineSettings(), VERSION)
    assert found.encoder_tokens == tiles * 256


def test_a_video_has_no_more_frames_than_a_file_holds() -> None:
    assert LONGEST_VIDEO_FRAMES == 2**40
    assert check_video(Video(2.0**40, 1.0, 64, 64)).total_frames == 2**40
    with pytest.raises(InputError, match="more frames than a file holds"):
        check_video(Video(2.0**40 + 1, 1.0, 64, 64))


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        pytest.param(None, False, id="nothing given"),
        pytest.param('{"use_audio_in_video": true}', True, id="flat"),
        pytest.param('{"videos_kwargs": {"use_audio_in_video": true}}', True, id="scoped to videos"),
        pytest.param('{"images_kwargs": {"use_audio_in_video": true}}', False, id="scoped to images"),
        pytest.param('{"use_audio_in_video": false}', False, id="switched off"),
        pytest.param('{"use_audio_in_video": 1}', False, id="neither true nor false"),
        pytest.param('{"videos_kwargs": true}', False, id="a scope that is none"),
        pytest.param("[]", False, id="no object"),
        pytest.param("{", False, id="no JSON"),
    ],
)
def test_videos_bring_their_sound_where_the_flags_ask_for_it(options: str | None, asked: bool) -> None:
    assert videos_bring_sound(EngineSettings(mm_processor_kwargs=options)) is asked


@pytest.mark.parametrize(
    ("prompt", "tokens", "count"),
    [(100, 1000, 10), (100, 999, 9), (100, 99, 0), (100, -5, 0), (0, 7, 7)],
)
def test_as_many_items_fit_as_their_prompts_take(prompt: int, tokens: int, count: int) -> None:
    assert fitting_items(ItemTokens(prompt, prompt), tokens) == count


@pytest.mark.parametrize(
    ("twice", "tiles"),
    [
        pytest.param(False, 2 + 1, id="once: two tiles and a thumbnail"),
        pytest.param(True, 2 + 6 + 1, id="twice: the second grid divides neither side of the first, so 3 x 2"),
    ],
)
def test_an_image_of_h2ovl_is_cut_once_or_twice(twice: bool, tiles: int) -> None:
    """``models/h2ovl.py: get_h2ovl_target_ratios``, image of 2 to 1, at most six tiles of 256 tokens."""
    facts = facts_of(
        "H2OVLChatModel",
        model_type="h2ovl_chat",
        max_dynamic_patch=6,
        use_thumbnail=True,
        use_msac=twice,
        force_image_size=448,
        downsample_ratio=0.5,
        vision_config={"image_size": 448, "patch_size": 14},
    )
    assert image_tokens(facts, Image(896, 448), EngineSettings(), VERSION).encoder_tokens == tiles * 256
