"""What start-up profiles of the encoder, and which items a running server refuses."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from token_rules import PUBLISHED
from vlm_operator.capacity.multimodal import (
    Image,
    ItemTokens,
    Video,
    encoder_budget,
    fitting_items,
    image_tokens,
    max_item_tokens,
    rejected,
    video_tokens,
)
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.model.multimodal import read_multimodal
from vlm_operator.model.processors import MultimodalFacts

VERSION = EngineVersion(0, 32)
RESOLVED = EngineSettings(max_model_len=32768, max_num_batched_tokens=8192, max_num_seqs=256, runner="V1")
INTERNVL = PUBLISHED["OpenGVLab/InternVL3-8B"]


def facts_of(architecture: str, **fields: Any) -> MultimodalFacts:
    facts = read_multimodal({"architectures": [architecture], **fields})
    assert facts is not None
    return facts


QWEN2 = facts_of("Qwen2VLForConditionalGeneration", model_type="qwen2_vl")


def changed(**fields: Any) -> EngineSettings:
    return dataclasses.replace(RESOLVED, **fields)


def limited(**counts: int) -> EngineSettings:
    return changed(limit_mm_per_prompt=tuple((name, ModalityLimit(count)) for name, count in counts.items()))


def test_the_modality_with_the_largest_item_is_profiled_as_often_as_the_budget_holds_it() -> None:
    budget = encoder_budget(INTERNVL, RESOLVED, VERSION)
    assert (budget.modality, budget.tokens_per_item) == ("video", 29440)
    assert budget.budget_tokens == 29440
    assert budget.items == 1
    assert budget.profiled


def test_a_modality_switched_off_is_not_profiled() -> None:
    budget = encoder_budget(INTERNVL, limited(video=0), VERSION)
    assert (budget.modality, budget.tokens_per_item) == ("image", 3328)
    assert budget.budget_tokens == 8192
    assert budget.items == 8192 // 3328


def test_without_any_modality_nothing_is_set_aside() -> None:
    assert max_item_tokens(INTERNVL, limited(image=0, video=0), VERSION) == {}
    budget = encoder_budget(INTERNVL, limited(image=0, video=0), VERSION)
    assert (budget.modality, budget.budget_tokens, budget.profiled) == (None, 0, False)


def test_few_sequences_of_few_items_bound_what_is_run() -> None:
    one_of_one = dataclasses.replace(limited(image=1, video=0), max_num_seqs=1)
    assert encoder_budget(INTERNVL, one_of_one, VERSION).items == 1


@pytest.mark.parametrize(("version", "profiled"), [("0.22.1", False), ("0.26.0", False), ("0.27.0", True)])
def test_the_v2_runner_did_not_profile_the_encoder_before_0_27(version: str, profiled: bool) -> None:
    budget = encoder_budget(INTERNVL, changed(runner="V2"), EngineVersion.parse(version))
    assert budget.profiled is profiled


def test_a_video_may_exceed_what_start_up_took_for_the_largest() -> None:
    budget = encoder_budget(QWEN2, RESOLVED, VERSION)
    long_video = video_tokens(QWEN2, Video(600, 30, 1280, 720), RESOLVED, VERSION)
    assert long_video.encoder_tokens > budget.tokens_per_item
    assert rejected(long_video, budget)
    assert not rejected(image_tokens(QWEN2, Image(1920, 1080), RESOLVED, VERSION), budget)


def test_an_item_of_just_the_budget_is_served() -> None:
    budget = encoder_budget(QWEN2, RESOLVED, VERSION)
    assert not rejected(ItemTokens(1, budget.budget_tokens), budget)
    assert rejected(ItemTokens(1, budget.budget_tokens + 1), budget)


@pytest.mark.parametrize("field", ["max_num_batched_tokens", "max_num_seqs", "max_model_len"])
def test_what_the_budget_depends_on_must_be_resolved(field: str) -> None:
    with pytest.raises(InputError) as error:
        encoder_budget(INTERNVL, changed(**{field: None}), VERSION)
    assert error.value.field == field.replace("_", "-")


def test_items_that_fit_a_prompt_are_counted_with_their_text() -> None:
    item = image_tokens(INTERNVL, Image(640, 480), RESOLVED, VERSION)
    assert fitting_items(item, item.prompt_tokens * 3 - 1) == 2
    assert fitting_items(item, -1) == 0


def test_without_chunked_prefill_no_more_items_are_profiled_than_one_batch_holds() -> None:
    images = {
        "max_model_len": 131_072,
        "max_num_batched_tokens": 32_768,
        "limit_mm_per_prompt": (("video", ModalityLimit(0)),),
    }
    chunked = encoder_budget(INTERNVL, changed(**images), VERSION)
    whole = encoder_budget(INTERNVL, changed(**images, enable_chunked_prefill=False, max_num_seqs=1024), VERSION)
    assert (chunked.items, whole.items) == (32_768 // 3328, 32_768 // 3328)
    few = encoder_budget(INTERNVL, changed(**images, enable_chunked_prefill=False, max_num_seqs=1), VERSION)
    assert few.items == min(32_768 // 3328, 131_072 // 3328)
