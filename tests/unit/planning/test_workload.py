"""How many tokens one request takes, and the context a person would choose for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from builders import qwen3, qwen3_vl
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import DEFAULT
from vlm_operator.errors import InputError
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.intent import Audios, Images, Intent, Videos, Workload
from vlm_operator.planning.workload import (
    RequestSize,
    WorkloadTokens,
    request_size,
    round_context,
    rule_of_thumb_context,
    wanted_context,
)

LONGEST = 262144
"""What the model of the tests supports, tokens."""


def size(workload: Workload, **flags: object) -> RequestSize:
    return request_size(qwen3_vl(), workload, EngineSettings(**flags), DEFAULT)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tokens", "context"),
    [
        (-1, 2048), (0, 2048), (2048, 2048), (2049, 3072), (3072, 3072), (3073, 4096), (4096, 4096), (4097, 6144),
        (6144, 6144), (6145, 8192), (8192, 8192), (98304, 98304), (98305, 131072),
    ],
)  # fmt: skip
def test_a_context_is_a_power_of_two_or_one_and_a_half_times_one(tokens: int, context: int) -> None:
    assert round_context(tokens) == context


OFF = ModalityLimit(0)
NO_VIDEO, NO_ITEMS = (("video", OFF),), (("image", OFF), ("video", OFF))


@pytest.mark.parametrize(
    ("model", "limits", "expected"),
    [
        pytest.param(qwen3_vl(), None, (16_384, "the default for short videos"), id="videos"),
        pytest.param(qwen3_vl(), NO_VIDEO, (8192, "the default for images"), id="videos switched off"),
        pytest.param(qwen3_vl(), NO_ITEMS, (8192, "8,192 tokens"), id="images too"),
        pytest.param(qwen3(), None, (8192, "8,192 tokens"), id="a text model"),
    ],
)
def test_where_no_workload_is_described_a_rule_of_thumb_says_the_context(
    model: ModelFacts, limits: Any, expected: tuple[int, str]
) -> None:
    context, words = rule_of_thumb_context(model, EngineSettings(limit_mm_per_prompt=limits))
    assert context == expected[0]
    assert words.endswith(expected[1])
    assert words.startswith("no workload is described: ")


def test_a_request_of_text_alone_has_no_items() -> None:
    assert size(Workload(prompt_tokens=100, output_tokens=50)) == RequestSize(WorkloadTokens(100, output_tokens=50))
    plain = RequestSize(WorkloadTokens(100, output_tokens=50))
    assert (plain.tokens_per_image, plain.tokens_per_video, plain.tokens_per_audio) == (0, 0, 0)


def test_a_request_is_its_parts() -> None:
    found = size(
        Workload(
            prompt_tokens=100,
            output_tokens=20,
            images=Images(3, 640, 480),
            videos=Videos(2, 10.0),
            tokens_per_image=7,
            tokens_per_video=50,
        )
    )
    assert (found.tokens.prompt_tokens, found.tokens.output_tokens) == (100, 20)
    assert (found.tokens.image_tokens, found.tokens.video_tokens) == (21, 100)
    assert found.tokens.total_tokens == 241
    assert (found.tokens_per_image, found.tokens_per_video) == (7, 50)
    # what the user stated says nothing about the encoder
    assert (found.image_encoder_tokens, found.video_encoder_tokens, found.frames_per_video) == (None, None, None)
    assert found.largest_encoder_tokens == 0


def test_items_are_counted_by_the_familys_own_arithmetic() -> None:
    """A photo of 1920 x 1080 becomes 60 x 34 cells of 32 pixels; the prompt adds a start and an end."""
    found = size(Workload(prompt_tokens=1, output_tokens=1, images=Images(2, 1920, 1080)))
    assert found.image_pixels == (1920, 1088)
    assert found.image_encoder_tokens == 60 * 34
    assert found.tokens_per_image == 60 * 34 + 2
    assert found.tokens.image_tokens == 2 * (60 * 34 + 2)
    assert found.largest_encoder_tokens == 60 * 34


def test_the_largest_item_is_that_of_either_modality() -> None:
    found = size(Workload(images=Images(1, 1920, 1080), videos=Videos(1, 60.0)))
    assert found.frames_per_video is not None
    assert found.video_encoder_tokens is not None
    assert found.largest_encoder_tokens == max(60 * 34, found.video_encoder_tokens) > 60 * 34


def test_items_that_are_not_there_cost_nothing() -> None:
    found = size(Workload(prompt_tokens=5, output_tokens=6, images=Images(0, 64, 64), videos=Videos(0, 1.0)))
    assert found.tokens.total_tokens == 11


@pytest.mark.parametrize(
    ("workload", "field"),
    [
        pytest.param(Workload(prompt_tokens=-1), "workload.promptTokens", id="a negative prompt"),
        pytest.param(Workload(prompt_tokens=2**40 + 1), "workload.promptTokens", id="a prompt past all bounds"),
        pytest.param(Workload(output_tokens=-1), "workload.outputTokens", id="a negative answer"),
        pytest.param(Workload(images=Images(-1, 64, 64)), "workload.images.count", id="less than no image"),
        pytest.param(Workload(images=Images(1_000_001, 64, 64)), "workload.images.count", id="more than a million"),
        pytest.param(Workload(videos=Videos(-1, 1.0)), "workload.videos.count", id="less than no video"),
    ],
)
def test_numbers_that_cannot_be_meant_are_refused_by_their_field(workload: Workload, field: str) -> None:
    with pytest.raises(InputError) as refusal:
        size(workload)
    assert refusal.value.field == field


@pytest.mark.parametrize("tokens", [0, 2**40])
def test_the_bounds_themselves_are_taken(tokens: int) -> None:
    assert size(Workload(prompt_tokens=tokens, output_tokens=0)).tokens.total_tokens == tokens


def test_audio_is_refused_by_a_model_that_does_not_hear() -> None:
    with pytest.raises(InputError, match="does not support audio") as refusal:
        size(Workload(audios=Audios(1)))
    assert refusal.value.field == "workload.audios"
    assert size(Workload(audios=Audios(0))).tokens.total_tokens == 2048


@pytest.mark.parametrize(("count", "taken"), [(1, True), (2, True), (3, False)])
def test_no_more_items_than_a_pinned_limit_allows(count: int, taken: bool) -> None:
    workload = Workload(images=Images(count, 64, 64))
    limits = (("image", ModalityLimit(2)),)
    if taken:
        assert size(workload, limit_mm_per_prompt=limits).tokens.image_tokens > 0
        return
    with pytest.raises(InputError, match="limit-mm-per-prompt allows 2") as refusal:
        size(workload, limit_mm_per_prompt=limits)
    assert refusal.value.field == "workload.images.count"


@pytest.mark.parametrize(
    ("modalities", "takes"),
    [
        (("image",), "text and images"),
        (("image", "audio"), "text and images and audio"),
        (("audio",), "text and audio"),
    ],
)
def test_a_modality_that_the_family_does_not_take_is_refused_with_those_it_does(
    modalities: tuple[str, ...], takes: str
) -> None:
    family = qwen3_vl().multimodal
    assert family is not None
    model = replace(qwen3_vl(), multimodal=replace(family, modalities=modalities))
    with pytest.raises(InputError, match=f"does not support videos .it supports {takes}.") as refusal:
        request_size(model, Workload(videos=Videos(1, 1.0)), EngineSettings(), DEFAULT)
    assert refusal.value.field == "workload.videos"


@pytest.mark.parametrize(("count", "taken"), [(2, True), (3, False)])
def test_no_more_items_than_the_model_itself_takes(count: int, taken: bool) -> None:
    family = qwen3_vl().multimodal
    assert family is not None
    model = replace(qwen3_vl(), multimodal=replace(family, item_limits=(("image", 2),)))
    workload = Workload(images=Images(count, 64, 64))
    if taken:
        assert request_size(model, workload, EngineSettings(), DEFAULT).tokens.image_tokens > 0
        return
    with pytest.raises(InputError, match="supports at most 2") as refusal:
        request_size(model, workload, EngineSettings(), DEFAULT)
    assert refusal.value.field == "workload.images.count"


def test_a_text_model_takes_no_images() -> None:
    with pytest.raises(InputError, match="supports text only"):
        request_size(qwen3(), Workload(images=Images(1, 64, 64)), EngineSettings(), DEFAULT)


@pytest.mark.parametrize(
    ("intent", "flags", "wanted", "least", "cap"),
    [
        pytest.param(Intent(), {}, 16384, 1024, LONGEST, id="videos are taken: 16,384 tokens"),
        pytest.param(
            Intent(),
            {"limit_mm_per_prompt": (("video", ModalityLimit(0)),)},
            8192,
            1024,
            LONGEST,
            id="images alone: 8,192",
        ),
        pytest.param(Intent(maximum_context=4096), {}, 4096, 1024, 4096, id="never above the cap"),
        pytest.param(Intent(maximum_context=512), {}, 512, 512, 512, id="a cap below the shortest"),
        pytest.param(Intent(minimum_context=50_000), {}, 50_000, 50_000, LONGEST, id="never below the floor"),
        pytest.param(Intent(minimum_context=500), {}, 16384, 500, LONGEST, id="a low floor is what may be"),
        pytest.param(Intent(minimum_context=10**9), {}, LONGEST, LONGEST, LONGEST, id="a floor above the model"),
        pytest.param(Intent(maximum_context=10**9), {}, 16384, 1024, LONGEST, id="a cap above the model"),
        pytest.param(
            Intent(workload=Workload(prompt_tokens=2000, output_tokens=49)), {}, 3072, 2049, LONGEST, id="one request"
        ),
        pytest.param(
            Intent(workload=Workload(prompt_tokens=0, output_tokens=0)), {}, 2048, 1, LONGEST, id="an empty request"
        ),
        pytest.param(
            Intent(workload=Workload(prompt_tokens=2000, output_tokens=49), minimum_context=2100),
            {},
            3072,
            2100,
            LONGEST,
            id="a floor above the request",
        ),
    ],
)
def test_the_context_follows_from_workload_floor_and_cap(
    intent: Intent, flags: dict[str, object], wanted: int, least: int, cap: int
) -> None:
    found = wanted_context(qwen3_vl(), intent, EngineSettings(**flags))  # type: ignore[arg-type]
    assert (found.wanted, found.least, found.cap) == (wanted, least, cap)
    assert found.model_maximum == LONGEST
    assert (found.request is None) == (intent.workload is None)


def test_a_text_model_without_a_workload_gets_8192_tokens() -> None:
    assert wanted_context(qwen3(), Intent(), EngineSettings()).wanted == 8192
