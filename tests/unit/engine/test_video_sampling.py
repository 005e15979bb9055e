"""Which frames a release keeps."""

from __future__ import annotations

import contextlib
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_operator.engine.version import EngineVersion
from vlm_operator.engine.video_sampling import FrameLoader, VideoSource, loader_of, sample
from vlm_operator.errors import InputError, UnknownFact

MINUTE = VideoSource(1800, 30.0)


@pytest.mark.parametrize(
    ("version", "family", "expected"),
    [
        ("0.11.2", FrameLoader.EVEN_ROUNDED, FrameLoader.UNIFORM),
        ("0.22.1", FrameLoader.TIERED, FrameLoader.UNIFORM),
        ("0.25.0", FrameLoader.EVEN_ROUNDED, FrameLoader.EVEN_ROUNDED),
        ("0.32.0", FrameLoader.DYNAMIC, FrameLoader.DYNAMIC),
        ("0.24.0", FrameLoader.UNIFORM, FrameLoader.UNIFORM),
    ],
)
def test_families_have_loaders_of_their_own_from_0_25_on(
    version: str, family: FrameLoader, expected: FrameLoader
) -> None:
    assert loader_of(family, None, EngineVersion.parse(version)) is expected


def test_a_named_loader_is_used_whatever_the_family_and_release() -> None:
    assert loader_of(FrameLoader.EVEN_ROUNDED, "opencv", EngineVersion(0, 23)) is FrameLoader.UNIFORM


def test_a_loader_whose_sampling_is_not_known_is_named() -> None:
    with pytest.raises(UnknownFact, match="video_backend 'nemotron'"):
        loader_of(FrameLoader.UNIFORM, "nemotron", EngineVersion(0, 32))


@pytest.mark.parametrize(
    ("loader", "source", "options", "count"),
    [
        pytest.param(FrameLoader.UNIFORM, MINUTE, {}, 32, id="uniform-32"),
        pytest.param(FrameLoader.UNIFORM, VideoSource(10, 30.0), {}, 10, id="uniform-keeps-a-short-video-whole"),
        pytest.param(FrameLoader.UNIFORM, MINUTE, {"num_frames": -1}, 1800, id="uniform-all"),
        pytest.param(FrameLoader.UNIFORM, MINUTE, {"num_frames": -1, "fps": 1}, 60, id="uniform-by-rate"),
        pytest.param(FrameLoader.UNIFORM, MINUTE, {"fps": 0.1}, 6, id="uniform-rate-below-32-frames"),
        pytest.param(FrameLoader.EVEN_ROUNDED, MINUTE, {}, 120, id="qwen-two-a-second"),
        pytest.param(FrameLoader.EVEN_ROUNDED, VideoSource(30, 30.0), {}, 4, id="qwen-four-at-least"),
        pytest.param(FrameLoader.EVEN_ROUNDED, VideoSource(108_000, 30.0), {}, 768, id="qwen-768-at-most"),
        pytest.param(FrameLoader.EVEN_PAIRS, VideoSource(27, 9.0), {}, 6, id="qwen2-whole-temporal-patches"),
        pytest.param(FrameLoader.DYNAMIC, MINUTE, {}, 120, id="dynamic-two-a-second"),
        pytest.param(FrameLoader.TIERED, VideoSource(300, 30.0), {}, 60, id="glm46v-six-a-second-when-short"),
        pytest.param(FrameLoader.TIERED, MINUTE, {"fps": 25}, 120, id="glm46v-ignores-fps"),
    ],
)
def test_frames_kept(loader: FrameLoader, source: VideoSource, options: dict[str, float], count: int) -> None:
    assert sample(loader, source, options).count == count


@given(
    loader=st.sampled_from(FrameLoader),
    total=st.integers(2, 10**6),
    rate=st.sampled_from([1.0, 7.5, 23.976, 24.0, 29.97, 30.0, 60.0, 240.0]),
)
def test_kept_frames_exist_and_ascend(loader: FrameLoader, total: int, rate: float) -> None:
    try:
        frames = sample(loader, VideoSource(total, rate), {})
    except InputError:
        return  # too short for that loader
    kept = [frames.index(position) for position in range(frames.count)]
    assert kept == sorted(set(kept)) or (loader is FrameLoader.EVEN_PAIRS and kept == sorted(kept))
    assert kept[0] >= 0
    assert kept[-1] < total


@pytest.mark.parametrize("loader", list(FrameLoader))
@pytest.mark.parametrize("total", [1, 2, 10**9, 2**40])
def test_any_length_is_answered_in_bounded_time(loader: FrameLoader, total: int) -> None:
    began = time.process_time()
    too_short = contextlib.suppress(InputError) if total <= 2 else contextlib.nullcontext()
    with too_short:
        assert 1 <= sample(loader, VideoSource(total, 30.0), {}).count <= 768
    assert time.process_time() - began < 1


@pytest.mark.parametrize("options", [{"fps": "two"}, {"num_frames": True}, {"fps": float("nan")}, {"fps": 10**20}])
def test_an_option_that_is_no_number_is_named(options: dict[str, object]) -> None:
    with pytest.raises(InputError) as error:
        sample(FrameLoader.UNIFORM, MINUTE, options)
    assert next(iter(options)) in (error.value.field or "")


@pytest.mark.parametrize("loader", [FrameLoader.DYNAMIC, FrameLoader.WALKED])
def test_a_loader_that_samples_by_rate_refuses_a_rate_of_zero(loader: FrameLoader) -> None:
    with pytest.raises(InputError, match="not above zero"):
        sample(loader, MINUTE, {"fps": 0})


def test_all_frames_of_a_very_long_video_are_not_counted() -> None:
    with pytest.raises(InputError, match="more than 1048576"):
        sample(FrameLoader.UNIFORM, VideoSource(10**9, 30.0), {"num_frames": -1})
