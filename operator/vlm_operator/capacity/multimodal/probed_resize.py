"""ERNIE 4.5 VL and Keye: smart resize of images; start-up probes a huge square and as many frames of it as fit.

Sources: vLLM 0.32 ``model_executor/models/ernie45_vl.py: Ernie4_5_VLProcessingInfo`` and ``keye.py:
KeyeProcessingInfo``; transformers ``models/ernie4_5_vl_moe``: ``smart_resize``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from vlm_operator.capacity.multimodal.counting import count_image, count_video, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens, RefusedItem
from vlm_operator.capacity.multimodal.request import Request, whole_number
from vlm_operator.capacity.multimodal.resize import MAX_ASPECT_RATIO, enlarged, smart_resize
from vlm_operator.engine.settings import UNLIMITED
from vlm_operator.engine.video_sampling import VideoSource
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.processors import ProbedResize, ThinSide

_KNOBS = ("size", "min_pixels", "max_pixels")
_HUGE_SIDE = 9_999_999


@count_image.register
def _(processor: ProbedResize, image: Image, request: Request) -> ItemTokens:
    request.allow(*_KNOBS)
    least, most = _bounds(processor, request)
    width, height = _resized(processor, image, least, most)
    tokens = _cells(processor, width, height)
    return ItemTokens(tokens + processor.wrapper_tokens, tokens, None, (width, height))


@count_video.register
def _(processor: ProbedResize, source: VideoSource, frame: Image, request: Request) -> ItemTokens:
    raise UnknownFact(
        f"video: the tokens of a video of {request.facts.family} are not known: its processor is the checkpoint's own",
        field="video",
        hint="state the tokens a video takes, measured on a running server",
    )


@largest_items.register
def _(processor: ProbedResize, request: Request) -> Mapping[str, int]:
    least, most = _bounds(processor, request)
    probe = Image(*_resized(processor, Image(_HUGE_SIDE, _HUGE_SIDE), least, most))
    tokens = _cells(processor, *_resized(processor, probe, least, most))
    images = request.counted("image")
    if processor.reserves_every_image:
        limit = request.limit("image")
        images = UNLIMITED if limit is None else limit.count
    room = request.max_model_len() - tokens * images
    frames = _frames_within(processor, tokens, room)
    if processor.reserves_every_image:
        limit = request.limit("video")
        frames //= max(1, UNLIMITED if limit is None else limit.count)
    if processor.max_frames:
        frames = min(frames, processor.max_frames)
    return {"image": tokens, "video": _video_tokens(processor, tokens, max(frames, processor.min_frames))}


def _frames_within(processor: ProbedResize, frame_tokens: int, room: int) -> int:
    """The most frames whose tokens fit into ``room``."""
    if processor.temporal_patch_size == 1:
        frames = max(0, room) // frame_tokens
    else:  # an incomplete temporal patch costs nothing, but the first costs one
        patches = max(0, room) // frame_tokens
        frames = (patches + 1) * processor.temporal_patch_size - 1 if patches else 0
    return frames - frames % 2 if processor.even_frames else frames


def _video_tokens(processor: ProbedResize, frame_tokens: int, frames: int) -> int:
    return max(1, frames // processor.temporal_patch_size) * frame_tokens


def _bounds(processor: ProbedResize, request: Request) -> tuple[int, int]:
    options = request.scoped("image")
    size = options.get("size")
    if size is not None and not isinstance(size, Mapping):
        raise InputError(
            f"mm-processor-kwargs.size: {str(size)[:40]!r} is not an object", field="mm-processor-kwargs.size"
        )
    stated = size or {}
    bounds = []
    for edge, key, default in (
        ("shortest_edge", "min_pixels", processor.min_pixels),
        ("longest_edge", "max_pixels", processor.max_pixels),
    ):
        value = options.get(key, stated.get(edge))
        bounds.append(default if value is None else whole_number(f"mm-processor-kwargs.{key}", value))
    return bounds[0], bounds[1]


def _resized(processor: ProbedResize, image: Image, least: int, most: int) -> tuple[int, int]:
    cell = processor.patch_size * processor.merge_size
    width, height = image.width, image.height
    if processor.thin_side is ThinSide.ENLARGE:
        width, height = enlarged(width, height, cell)
    if processor.thin_side is ThinSide.CLIP:
        return _clipped_resize(width, height, cell, least, most)
    return smart_resize(width, height, cell, min_pixels=least, max_pixels=most)


def _clipped_resize(width: int, height: int, cell: int, least: int, most: int) -> tuple[int, int]:
    """``smart_resize`` of ``ernie45_vl.py``: sides of at least a cell, elongated items clipped.

    Raises:
        RefusedItem: the bounds cannot be met in whole cells.
    """
    if max(width, height) / min(width, height) > MAX_ASPECT_RATIO:
        shorter = max(cell, round(min(width, height) / cell) * cell)
        longer = shorter * MAX_ASPECT_RATIO // cell * cell
        width, height = (shorter, longer) if height > width else (longer, shorter)
    columns, rows = (max(cell, round(side / cell) * cell) for side in (width, height))
    if columns * rows > most:
        shrink = math.sqrt(height * width / most)
        columns, rows = (math.floor(side / shrink / cell) * cell for side in (width, height))
    elif columns * rows < least:
        grow = math.sqrt(least / (height * width))
        columns, rows = (math.ceil(side * grow / cell) * cell for side in (width, height))
    if not least <= columns * rows <= most:
        raise RefusedItem(
            f"image: the processor refuses {width}x{height}: h_bar * w_bar must be between {least} and {most}",
            field="image",
            hint="crop it, or add a margin to its short side",
        )
    return columns, rows


def _cells(processor: ProbedResize, width: int, height: int) -> int:
    cell = processor.patch_size * processor.merge_size
    return (width // cell) * (height // cell)
