"""Making described items smaller: which caps are offered, at which sizes, at which price, and which nobody notices."""

from __future__ import annotations

import json
from typing import Any

import pytest

from builders import qwen3_vl
from vlm_operator.capacity.multimodal.caps import Cap
from vlm_operator.engine.processor_options import FLAT_SIZE_SINCE, SCOPES_SINCE
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.planning.intent import Images, Intent, Videos, Workload
from vlm_operator.planning.item_levers import cap_arguments, item_levers
from vlm_operator.planning.lever import Bounds, Lever
from vlm_operator.planning.workload import wanted_context
from vlm_operator.sources import load_model

BASE = EngineSettings(max_model_len=65_536)
NO_VIDEOS = BASE.with_(limit_mm_per_prompt=(("video", ModalityLimit(0)),))
BOUNDS = Bounds(0.9, lambda settings: 1024, lambda settings: settings, None, 0.9)


def offered(intent: Intent, base: EngineSettings = BASE, pinned: frozenset[str] = frozenset()) -> dict[str, Lever]:
    """Levers by flag and modality."""
    request = wanted_context(qwen3_vl(), intent, base).request
    found = item_levers(qwen3_vl(), intent, base, request, pinned=pinned)
    return {f"{lever.flag}/{lever.subject}": lever for lever in found}


def prices(lever: Lever) -> list[tuple[float, bool, str]]:
    return [(level.weight, level.mild, level.cost) for level in lever.levels]


def caps(lever: Lever, base: EngineSettings = BASE) -> list[Any]:
    return [json.loads(level.apply(base, BOUNDS).mm_processor_kwargs or "{}") for level in lever.levels]


def images(*pixels: int) -> list[Any]:
    """Caps of an image's pixels."""
    return [{"images_kwargs": {"size": {"longest_edge": most, "shortest_edge": 65_536}}} for most in pixels]


def videos(*pixels: int) -> list[Any]:
    """Caps of the pixels of a whole video."""
    return [{"videos_kwargs": {"size": {"longest_edge": most, "shortest_edge": 4096}}} for most in pixels]


PHOTOS = Intent(workload=Workload(images=Images(2, 1920, 1080)))
CLIP = Intent(workload=Workload(videos=Videos(1, 10.0, 1280, 720)))
MINUTE = Intent(workload=Workload(videos=Videos(1, 60.0, 1280, 720)))


@pytest.mark.parametrize(
    ("intent", "base", "sizes", "expected"),
    [
        pytest.param(Intent(), BASE, images(2**22, 2**21, 2**20, 2**19),
                     [(5, True), (8, True), (11, False), (20, False)],
                     id="nobody described images: what keeps a Full HD image is mild"),
        pytest.param(PHOTOS, NO_VIDEOS, images(2_088_960, 2**20, 2**19), [(1.5, True), (11, False), (20, False)],
                     id="the described size first, which those images do not notice"),
        pytest.param(Intent(workload=Workload(images=Images(2, 4096, 4096))), NO_VIDEOS,
                     images(2**22, 2**21, 2**20, 2**19), [(5, False), (8, False), (11, False), (20, False)],
                     id="described images that are the largest possible: every cap is noticed"),
        pytest.param(Intent(workload=Workload(images=Images(1, 512, 512))), NO_VIDEOS, images(262_144), [(1.5, True)],
                     id="small images: nothing below them is offered"),
    ],
)  # fmt: skip
def test_images_are_capped(
    intent: Intent, base: EngineSettings, sizes: list[Any], expected: list[tuple[float, bool]]
) -> None:
    lever = offered(intent, base)["mm_processor_kwargs/image"]
    assert caps(lever, base) == sizes
    assert [(weight, mild) for weight, mild, _ in prices(lever)] == expected
    noticed = [not cost.endswith("; those in the workload are not") for _, _, cost in prices(lever)]
    assert noticed == [weight != 1.5 for weight, _ in expected]


@pytest.mark.parametrize(
    ("intent", "sizes"),
    [
        pytest.param(CLIP, videos(18_022_400, 9_011_200, 4_505_600), id="ten seconds"),
        pytest.param(MINUTE, videos(23_347_200, 11_673_600, 5_836_800), id="a minute"),
    ],
)
def test_a_videos_pixels_are_capped_at_the_described_size_a_half_and_a_quarter(
    intent: Intent, sizes: list[Any]
) -> None:
    lever = offered(intent)["mm_processor_kwargs/video"]
    assert caps(lever) == sizes
    (unnoticed, *noticed) = prices(lever)
    assert unnoticed[:2] == (1.5, True)
    assert unnoticed[2].endswith("; those in the workload are not")
    assert [(weight, mild) for weight, mild, _ in noticed] == [(4, False), (8, False)]
    assert not [cost for _, _, cost in noticed if "those in the workload" in cost]


@pytest.mark.parametrize(
    ("intent", "kept"),
    [
        pytest.param(CLIP, [(10, 5, "1.0")], id="of 20 frames half: never below eight"),
        pytest.param(MINUTE, [(60, 5, "1.0"), (30, 9, "2.0"), (15, 16, "4.0")], id="of 120 down to an eighth"),
    ],
)
def test_frames_are_thinned_out_and_the_price_says_how_far_apart_they_are(
    intent: Intent, kept: list[tuple[int, float, str]]
) -> None:
    lever = offered(intent)["media_io_kwargs/"]
    options = [json.loads(level.apply(BASE, BOUNDS).media_io_kwargs or "") for level in lever.levels]
    assert options == [{"video": {"max_frames": frames}} for frames, _, _ in kept]
    assert [(weight, mild) for weight, mild, _ in prices(lever)] == [(weight, False) for _, weight, _ in kept]
    for (frames, _, apart), (_, _, cost) in zip(kept, prices(lever), strict=True):
        assert cost.startswith(f"{frames} frames are sampled from each video instead of")
        assert cost.endswith(f", one every {apart} s")


def test_a_cap_is_merged_into_what_is_given() -> None:
    given = BASE.with_(mm_processor_kwargs='{"do_sample_frames":false}')
    first = offered(Intent(), given)["mm_processor_kwargs/image"].levels[0]
    assert json.loads(first.apply(given, BOUNDS).mm_processor_kwargs or "") == {
        "do_sample_frames": False,
        **images(2**22)[0],
    }


@pytest.mark.parametrize(
    ("pinned", "left"),
    [
        pytest.param({"mm_processor_kwargs"}, {"media_io_kwargs/"}, id="pixels pinned"),
        pytest.param(
            {"media_io_kwargs"}, {"mm_processor_kwargs/image", "mm_processor_kwargs/video"}, id="frames pinned"
        ),
        pytest.param({"media_io_kwargs", "mm_processor_kwargs"}, set(), id="both"),
    ],
)
def test_what_is_pinned_is_not_offered(pinned: set[str], left: set[str]) -> None:
    assert set(offered(CLIP, pinned=frozenset(pinned))) == left


def test_a_text_model_has_no_items() -> None:
    text = load_model("Qwen/Qwen3-14B", offline=True)
    assert item_levers(text, Intent(), BASE, None, pinned=frozenset()) == ()


@pytest.mark.parametrize(
    ("version", "base", "expected"),
    [
        pytest.param(SCOPES_SINCE, BASE, "scoped", id="scopes are understood"),
        pytest.param(FLAT_SIZE_SINCE, NO_VIDEOS, "flat", id="a flat size, which reaches the only modality"),
        pytest.param(FLAT_SIZE_SINCE, BASE, None, id="a flat size would reach videos, too"),
        pytest.param(EngineVersion(0, 17), NO_VIDEOS, None, id="before flat sizes"),
    ],
)
def test_a_cap_is_written_in_words_that_the_release_understands(
    version: EngineVersion, base: EngineSettings, expected: str | None
) -> None:
    size = {"size": {"longest_edge": 2**20, "shortest_edge": 65_536}}
    words = {"scoped": {"images_kwargs": size}, "flat": size, None: None}
    cap = Cap(json.dumps({"images_kwargs": size}), 1024, 2**20, "a price")
    assert cap_arguments(cap, "image", base, version) == words[expected]
