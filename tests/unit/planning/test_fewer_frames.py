"""Fewer frames of a video, by the option that the family's loader honours."""

from __future__ import annotations

from typing import Any

import pytest

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import DEFAULT
from vlm_operator.planning.intent import Videos
from vlm_operator.planning.item_levers import frame_options
from vlm_operator.planning.workload import family_of
from vlm_operator.sources import load_model


@pytest.mark.parametrize(
    ("name", "seconds", "frames", "options"),
    [
        pytest.param("google/gemma-4-E2B-it", 60.0, 15, {"num_frames": 15}, id="the uniform loader: a number"),
        pytest.param("Qwen/Qwen3-VL-8B-Instruct", 60.0, 15, {"max_frames": 15}, id="Qwen's: a bound"),
        pytest.param("zai-org/GLM-4.5V", 60.0, 15, {"fps": 0.25}, id="GLM's: 15 frames in a minute are one in four s"),
        pytest.param("zai-org/GLM-4.5V", 60.0, 20, {"fps": 0.333}, id="a rate of three decimals"),
        pytest.param("zai-org/GLM-4.5V", 90.0, 7, {"fps": 0.078}, id="of a longer video"),
    ],
)
def test_frames_are_bounded_by_the_option_that_the_loader_honours(
    name: str, seconds: float, frames: int, options: dict[str, Any]
) -> None:
    family = family_of(load_model(name, offline=True))
    assert family is not None
    flags = EngineSettings(max_model_len=65_536)
    assert frame_options(family, flags, Videos(1, seconds), frames, DEFAULT) == options
