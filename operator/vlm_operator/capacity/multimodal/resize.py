"""The resizing that many processors share: whole cells, bounded area, kept aspect ratio."""

from __future__ import annotations

import math
from typing import Final

from vlm_operator.capacity.multimodal.items import Image, RefusedItem

MAX_ASPECT_RATIO: Final = 200
"""transformers ``models/qwen2_vl/image_processing_qwen2_vl.py: smart_resize`` refuses more elongated items."""


def require_aspect_ratio(width: int, height: int, field: str) -> None:
    """Refuse items more elongated than 200 to 1, with the processor's own reason."""
    ratio = max(height, width) / min(height, width)
    if ratio > MAX_ASPECT_RATIO:
        raise RefusedItem(
            f"{field}: the processor refuses {width}x{height}: absolute aspect ratio must be smaller than"
            f" {MAX_ASPECT_RATIO}, got {ratio}",
            field=field,
            hint="crop it, or add a margin to its short side",
        )


def smart_resize(
    width: int, height: int, cell: int, *, min_pixels: int, max_pixels: int, field: str = "image"
) -> tuple[int, int]:
    """(width, height) rounded to whole cells, area between the bounds.

    Raises:
        RefusedItem: more elongated than 200 to 1.

    >>> smart_resize(1920, 1080, 28, min_pixels=3136, max_pixels=12845056)
    (1932, 1092)
    """
    require_aspect_ratio(width, height, field)
    columns, rows = round(width / cell) * cell, round(height / cell) * cell
    if columns * rows > max_pixels:
        shrink = math.sqrt(height * width / max_pixels)
        columns = max(cell, math.floor(width / shrink / cell) * cell)
        rows = max(cell, math.floor(height / shrink / cell) * cell)
    elif columns * rows < min_pixels:
        grow = math.sqrt(min_pixels / (height * width))
        columns = math.ceil(width * grow / cell) * cell
        rows = math.ceil(height * grow / cell) * cell
    return columns, rows


def enlarged(width: int, height: int, cell: int) -> tuple[int, int]:
    """(width, height) with no side below one cell, aspect kept: first by height, then by width."""
    if height < cell:
        width, height = round(width * cell / height), cell
    if width < cell:
        width, height = cell, round(height * cell / width)
    return width, height


def smart_resize_video(
    frame: Image, frames: int, cell: int, *, frames_per_patch: int, min_pixels: int, max_pixels: int, field: str
) -> tuple[int, int]:
    """As ``smart_resize``, with bounds on frames x width x height; a side below one cell is enlarged first.

    Source: transformers, ``smart_resize`` of the video processors with bounds over a whole video.
    """
    width, height = frame.width, frame.height
    if frames < frames_per_patch:
        raise RefusedItem(
            f"{field}: the processor refuses {frames} frame(s): t:{frames} must be larger than"
            f" temporal_factor:{frames_per_patch}",
            field=field,
            hint=f"give a video of at least {frames_per_patch} frames",
        )
    if height < cell or width < cell:
        scale = max(cell / height, cell / width)
        width, height = int(width * scale), int(height * scale)
    require_aspect_ratio(width, height, field)
    columns, rows = round(width / cell) * cell, round(height / cell) * cell
    depth = round(frames / frames_per_patch) * frames_per_patch
    if depth * columns * rows > max_pixels:
        shrink = math.sqrt(frames * height * width / max_pixels)
        columns = max(cell, math.floor(width / shrink / cell) * cell)
        rows = max(cell, math.floor(height / shrink / cell) * cell)
    elif depth * columns * rows < min_pixels:
        grow = math.sqrt(min_pixels / (frames * height * width))
        columns = math.ceil(width * grow / cell) * cell
        rows = math.ceil(height * grow / cell) * cell
    return columns, rows
