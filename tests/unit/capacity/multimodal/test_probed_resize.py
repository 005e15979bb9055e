"""ERNIE 4.5 VL and Keye: images in whole cells within pixel bounds, and the frames that start-up assumes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vlm_operator.capacity.multimodal import Image, RefusedItem, Video, image_tokens, max_item_tokens, video_tokens
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.engine.video_sampling import FrameLoader
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.processors import MultimodalFacts, ProbedResize, ThinSide

VERSION = EngineVersion(0, 32)
CELL = 28
PLAIN = ProbedResize(
    patch_size=14, merge_size=2, temporal_patch_size=2, min_pixels=4 * CELL**2, max_pixels=100 * CELL**2,
    even_frames=False, min_frames=1,
)  # fmt: skip


def facts(**changes: Any) -> MultimodalFacts:
    return MultimodalFacts("probed", ("image", "video"), replace(PLAIN, **changes), FrameLoader.UNIFORM)


def counted(width: int, height: int, kwargs: str | None = None, **changes: Any) -> tuple[int, tuple[int, int] | None]:
    item = image_tokens(facts(**changes), Image(width, height), EngineSettings(mm_processor_kwargs=kwargs), VERSION)
    assert item.prompt_tokens == item.encoder_tokens + changes.get("wrapper_tokens", 2)
    return item.encoder_tokens, item.scaled_to


@pytest.mark.parametrize(
    ("width", "height", "tokens"),
    [
        pytest.param(10 * CELL, 10 * CELL, 100, id="the largest as it is"),
        pytest.param(10 * CELL + 13, 9 * CELL + 15, 100, id="sides are rounded to cells"),
        pytest.param(20 * CELL, 20 * CELL, 100, id="scaled down"),
        pytest.param(20 * CELL, 10 * CELL, 98, id="scaled down to whole cells"),
        pytest.param(CELL, CELL, 4, id="scaled up"),
        pytest.param(2 * CELL, 2 * CELL, 4, id="the smallest as it is"),
    ],
)
def test_images_are_counted_in_whole_cells(width: int, height: int, tokens: int) -> None:
    assert counted(width, height)[0] == tokens
    assert counted(width, height, thin_side=ThinSide.CLIP)[0] == tokens


@pytest.mark.parametrize(
    ("kwargs", "tokens"),
    [
        pytest.param('{"max_pixels": 19600}', 25, id="max_pixels"),
        pytest.param('{"size": {"longest_edge": 19600}}', 25, id="longest_edge"),
        pytest.param('{"max_pixels": 19600, "size": {"longest_edge": 78400}}', 25, id="max_pixels goes first"),
        pytest.param('{"min_pixels": 78400}', 100, id="min_pixels"),
        pytest.param('{"size": {"shortest_edge": 78400}}', 100, id="shortest_edge"),
        pytest.param("{}", 64, id="none"),
    ],
)
def test_bounds_are_those_of_the_flag(kwargs: str, tokens: int) -> None:
    assert counted(8 * CELL, 8 * CELL, kwargs)[0] == tokens


def test_a_size_that_is_no_object_is_refused() -> None:
    with pytest.raises(InputError, match="is not an object"):
        counted(100, 100, '{"size": 5}')


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [
        pytest.param(200 * CELL, CELL, (200 * CELL, CELL), id="200:1 is not clipped"),
        pytest.param(201 * CELL, CELL, (200 * CELL, CELL), id="201:1 is"),
        pytest.param(CELL, 300 * CELL, (CELL, 200 * CELL), id="whichever side is the longer"),
        pytest.param(9000, 10, (200 * CELL, CELL), id="the shorter side is a cell at least"),
        pytest.param(10, 40, (CELL, 4 * CELL), id="a small image is scaled up"),
    ],
)
def test_elongated_images_are_clipped_to_200_to_1(width: int, height: int, expected: tuple[int, int]) -> None:
    assert counted(width, height, thin_side=ThinSide.CLIP, max_pixels=200 * CELL**2)[1] == expected


def test_a_thin_side_is_enlarged_where_the_family_does_so() -> None:
    assert counted(CELL // 2, 2 * CELL, thin_side=ThinSide.ENLARGE, min_pixels=1)[0] == 1 * 4


def test_bounds_that_whole_cells_cannot_meet_refuse_the_image() -> None:
    with pytest.raises(RefusedItem):
        counted(CELL * 200, CELL, thin_side=ThinSide.CLIP)


def largest(length: int = 1000, limits: tuple[tuple[str, ModalityLimit], ...] | None = None, **changes: Any) -> int:
    settings = EngineSettings(max_model_len=length, limit_mm_per_prompt=limits)
    found = max_item_tokens(facts(**changes), settings, VERSION)
    assert found["image"] == 100
    return found["video"]


@pytest.mark.parametrize(
    ("length", "changes", "tokens"),
    [
        pytest.param(1000, {}, 900, id="nine temporal patches beside an image"),
        pytest.param(999, {}, 800, id="a token short"),
        pytest.param(199, {}, 100, id="no room: one patch all the same"),
        pytest.param(1000, {"temporal_patch_size": 1}, 900, id="each frame a patch"),
        pytest.param(1000, {"temporal_patch_size": 1, "even_frames": True}, 800, id="an odd frame is dropped"),
        pytest.param(1000, {"max_frames": 6}, 300, id="at most six frames"),
        pytest.param(100, {"min_frames": 16}, 800, id="at least sixteen frames"),
    ],
)
def test_start_up_adds_frames_while_they_fit(length: int, changes: dict[str, Any], tokens: int) -> None:
    assert largest(length, **changes) == tokens


@pytest.mark.parametrize(
    ("limits", "tokens"),
    [
        pytest.param((("image", ModalityLimit(2)), ("video", ModalityLimit(1))), 800, id="room for two images"),
        pytest.param((("image", ModalityLimit(2)), ("video", ModalityLimit(2))), 400, id="shared by two videos"),
        pytest.param(None, 100, id="999 images leave none"),
    ],
)
def test_room_for_every_image_of_a_prompt(limits: tuple[tuple[str, ModalityLimit], ...] | None, tokens: int) -> None:
    assert largest(1000, limits, reserves_every_image=True) == tokens


def test_the_tokens_of_a_video_are_not_known() -> None:
    with pytest.raises(UnknownFact, match="the checkpoint's own"):
        video_tokens(facts(), Video(10.0, 30.0, 640, 360), EngineSettings(), VERSION)
