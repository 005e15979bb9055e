"""Which of the described items a context holds, and the next step where it holds too few."""

from __future__ import annotations

import re
from typing import Any

import pytest

from builders import qwen3_vl
from vlm_operator.capacity.multimodal import Video, video_tokens
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import DEFAULT
from vlm_operator.planning.fitting import fitting_seconds, items_that_fit, what_would_fit
from vlm_operator.planning.intent import Images, Intent, Videos, Workload
from vlm_operator.planning.workload import family_of, request_size, wanted_context
from vlm_operator.sources import load_model

PHOTO = 60 * 34 + 2
"""Tokens of 1920 x 1080."""


def held(workload: Workload, context: int) -> str:
    request = request_size(qwen3_vl(), workload, EngineSettings(), DEFAULT)
    return items_that_fit(qwen3_vl(), Intent(workload=workload), request, EngineSettings(), context)


@pytest.mark.parametrize(
    ("context", "words"),
    [
        pytest.param(150 + 3 * PHOTO, "3 such images", id="exactly three"),
        pytest.param(150 + 3 * PHOTO - 1, "2 such images", id="a token short of three"),
        pytest.param(150 + PHOTO, "1 such image", id="one"),
        pytest.param(149, "0 such images", id="not even prompt and answer"),
    ],
)
def test_images_that_fit_beside_prompt_and_answer(context: int, words: str) -> None:
    assert held(Workload(prompt_tokens=100, output_tokens=50, images=Images(4, 1920, 1080)), context) == words


def test_where_no_whole_video_fits_its_seconds_are_counted() -> None:
    family = family_of(qwen3_vl())
    assert family is not None
    minute = Video(60.0, 30.0, 1280, 720)
    seconds = fitting_seconds(family, minute, 5000, EngineSettings(), DEFAULT)
    assert 0 < seconds < 60
    assert video_tokens(family, Video(seconds, 30.0, 1280, 720), EngineSettings(), DEFAULT).prompt_tokens <= 5000
    assert video_tokens(family, Video(seconds + 1, 30.0, 1280, 720), EngineSettings(), DEFAULT).prompt_tokens > 5000
    workload = Workload(prompt_tokens=0, output_tokens=0, videos=Videos(1, 60.0))
    assert held(workload, 5000) == f"{seconds} s of that video"
    assert held(workload, 10**6).endswith("such videos")


def test_a_video_of_which_no_second_fits_fits_for_no_second() -> None:
    family = family_of(qwen3_vl())
    assert family is not None
    assert fitting_seconds(family, Video(60.0, 30.0, 1280, 720), 1, EngineSettings(), DEFAULT) == 0
    assert fitting_seconds(family, Video(60.0, 30.0, 1280, 720), 10**9, EngineSettings(), DEFAULT) == 60


def test_each_kind_is_counted_alone() -> None:
    workload = Workload(
        prompt_tokens=0,
        output_tokens=0,
        images=Images(9, 640, 480),
        videos=Videos(9, 10.0),
        tokens_per_image=100,
        tokens_per_video=300,
    )
    assert held(workload, 650) == "6 such images, or 2 such videos"


def advice(workload: Workload, bound: int, flags: dict[str, Any] | None = None) -> str:
    given = flags or {}
    settings = EngineSettings(**given)
    intent = Intent(workload=workload, settings=settings, pinned=frozenset(given))
    return what_would_fit(qwen3_vl(), intent, wanted_context(qwen3_vl(), intent, settings), settings, bound)


FOUR_PHOTOS = Workload(prompt_tokens=100, output_tokens=100, images=Images(4, 1920, 1080))
A_MINUTE = Workload(prompt_tokens=100, output_tokens=100, videos=Videos(1, 60.0))


def test_the_next_step_names_what_fits_a_cap_and_the_context_that_is_enough() -> None:
    words = advice(FOUR_PHOTOS, 4096)
    assert "4,096 tokens hold 1 such image" in words
    assert "set --mm-processor-kwargs to" in words
    assert f"raise the context to at least {200 + 4 * PHOTO:,} tokens" in words


def test_a_cap_that_is_pinned_is_not_proposed() -> None:
    assert "--mm-processor-kwargs" not in advice(FOUR_PHOTOS, 4096, {"mm_processor_kwargs": "{}"})
    assert "--media-io-kwargs" in advice(A_MINUTE, 12_000)
    assert "--media-io-kwargs" not in advice(A_MINUTE, 12_000, {"media_io_kwargs": "{}"})


def test_a_cap_below_a_thumbnail_is_not_proposed() -> None:
    assert "--mm-processor-kwargs" not in advice(FOUR_PHOTOS, 200 + 4 * 250)


def test_a_request_longer_than_the_model_asks_for_another_model() -> None:
    words = advice(Workload(prompt_tokens=300_000, output_tokens=0), 4096)
    assert words == "choose a model that supports 300,000 tokens, not 262,144"


def test_the_smallest_item_needs_its_token_too() -> None:
    assert held(Workload(prompt_tokens=5, output_tokens=5, images=Images(4), tokens_per_image=1), 9) == "0 such images"
    assert held(Workload(prompt_tokens=5, output_tokens=5, images=Images(4), tokens_per_image=1), 11) == "1 such image"


def capped(bound: int) -> int | None:
    """Encoder tokens of the image cap that is proposed for four photos in so many tokens, None where none is."""
    words = advice(FOUR_PHOTOS, bound)
    found = re.search(r'"longest_edge":(\d+)', words)
    return int(found[1]) // 1024 if found else None


def test_a_cap_leaves_each_image_its_share_and_is_no_thumbnail() -> None:
    beside = 200 + 4 * 2
    assert capped(beside + 4 * 256) == 256
    assert capped(beside + 4 * 256 - 1) is None
    assert capped(beside + 4 * 1000 + 3) == 1000


@pytest.mark.parametrize(
    ("name", "videos"),
    [
        pytest.param("Qwen/Qwen3-VL-8B-Instruct", Videos(1, 60.0), id="a timestamp before each frame"),
        pytest.param("Qwen/Qwen3-VL-8B-Instruct", Videos(3, 20.0), id="three clips"),
        pytest.param("zai-org/GLM-4.1V-9B-Thinking", Videos(1, 60.0), id="frames by rate"),
    ],
)
def test_a_number_of_frames_is_proposed_wherever_one_helps_and_it_does(name: str, videos: Videos) -> None:
    model, settings = load_model(name, offline=True), EngineSettings()
    workload = Workload(prompt_tokens=100, output_tokens=100, videos=videos)
    intent = Intent(workload=workload)
    context = wanted_context(model, intent, settings)
    assert context.request is not None
    whole = context.request.tokens.total_tokens
    for bound in range(whole // 2, whole - 100, whole // 40):
        words = what_would_fit(model, intent, context, settings, bound)
        found = re.search(r"set --media-io-kwargs to (\{.*?\}\}) ", words)
        assert found is not None, words
        capped = settings.with_(media_io_kwargs=found[1])
        assert request_size(model, workload, capped, intent.version).tokens.total_tokens <= bound


def test_a_cap_that_leaves_a_request_just_as_long_as_the_context_is_proposed() -> None:
    """Four images of 256 tokens, two tokens around each, and 200 of text: 1,232."""
    assert capped(200 + 4 * (256 + 2)) == 256


def test_a_request_as_long_as_the_models_maximum_asks_for_that_context() -> None:
    words = advice(Workload(prompt_tokens=262_144, output_tokens=0), 4096)
    assert words == "raise the context to at least 262,144 tokens"
