"""Sizes of images and frames that vLLM refuses to decode."""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.version import EngineVersion

MAX_IMAGE_PIXELS: Final = 178_956_970
"""Default of ``VLLM_MAX_IMAGE_PIXELS`` (vLLM 0.25.1 to 0.32.0 ``envs.py``); larger images and frames are refused."""

MAX_IMAGE_PIXELS_SINCE: Final = EngineVersion(0, 25)
"""First release read with that limit; 0.22.1 has none."""


def max_image_pixels(version: EngineVersion) -> int | None:
    """Pixels above which ``version`` refuses an image or a frame, None where it has no limit."""
    return MAX_IMAGE_PIXELS if version >= MAX_IMAGE_PIXELS_SINCE else None
