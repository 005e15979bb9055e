"""MiniCPM-V: an overview and slices whose grid follows the aspect ratio.

Sources: vLLM 0.32 ``model_executor/models/minicpmv.py: MiniCPMVProcessingInfo`` and ``minicpmv4_6.py:
MiniCPMV4_6ProcessingInfo``; transformers ``models/minicpmv4_6/image_processing_minicpmv4_6.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from vlm_operator.capacity.multimodal.counting import count_image, count_video, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.engine.video_sampling import VideoSource
from vlm_operator.errors import InputError
from vlm_operator.model.processors import SliceLayout, Slices

_KNOBS = ("max_slice_nums", "downsample_mode")
_ID_TOKENS = 3
"""``<image_id>0</image_id>``; the number is a digit for the first ten items."""


@count_image.register
def _(processor: Slices, image: Image, request: Request) -> ItemTokens:
    request.allow(*_KNOBS)
    most = request.tiles("max_slice_nums", processor.max_slices)
    tokens, text = _view(processor, image, most, _divisor(request, "image"))
    return ItemTokens(tokens + text + (_ID_TOKENS if processor.numbered else 0), tokens)


@count_video.register
def _(processor: Slices, source: VideoSource, frame: Image, request: Request) -> ItemTokens:
    request.allow(*_KNOBS, modality="video")
    frames = request.sample(source).count
    tokens, text = _view(processor, frame, _video_slices(processor, request), _divisor(request, "video"))
    numbered = _ID_TOKENS if processor.layout is SliceLayout.MERGED and processor.numbered_video else 0
    return ItemTokens(frames * (tokens + text) + numbered, frames * tokens, frames)


@largest_items.register
def _(processor: Slices, request: Request) -> Mapping[str, int]:
    most = request.tiles("max_slice_nums", processor.max_slices)
    # 4.7's dummy is as high as the knob says, that of the others as the config says
    dummy_slices = processor.dummy_slices if processor.numbered_video or most == processor.max_slices else most
    image = Image(processor.dummy_side, processor.dummy_side * dummy_slices)
    largest = {"image": _view(processor, image, most, _divisor(request, "image"))[0]}
    if "video" in request.facts.modalities:
        slices = _video_slices(processor, request)
        frame = Image(processor.dummy_side, processor.dummy_side * slices)
        frame_tokens = _view(processor, frame, slices, _divisor(request, "video"))[0]
        room = request.max_model_len() - largest["image"] * request.counted("image")
        frames = max(1, min(room // frame_tokens // max(1, request.counted("video")), processor.max_video_frames))
        largest["video"] = frame_tokens * frames
    return largest


def _video_slices(processor: Slices, request: Request) -> int:
    """Most slices of a frame: up to 4.5 vLLM fixes it, later the knob sets it for images and videos alike."""
    if processor.layout is SliceLayout.RESAMPLED:
        return processor.video_slices
    return request.integer("video", "max_slice_nums", processor.video_slices)


def _divisor(request: Request, modality: str) -> int:
    """Patches that become one token: 16, or 4 with ``downsample_mode`` 4x."""
    mode = request.scoped(modality).get("downsample_mode")
    if mode is None or mode == "16x":
        return 16
    if mode == "4x":
        return 4
    raise InputError(
        f"mm-processor-kwargs.downsample_mode: {str(mode)[:40]!r} is neither 16x nor 4x",
        field="mm-processor-kwargs.downsample_mode",
    )


def _view(processor: Slices, image: Image, most: int, divisor: int) -> tuple[int, int]:
    """(encoder tokens, tokens of marks and newlines) of one image or frame."""
    grid = _grid(processor, image, most)
    rows, columns = grid or (0, 0)
    slices = rows * columns
    marks = 2 + 2 * slices + max(0, rows - 1)
    if processor.layout is SliceLayout.RESAMPLED:
        return (slices + 1) * processor.tokens_per_slice, marks
    cell = processor.patch_size * 4
    per_token = processor.patch_size**2 * divisor
    height, width = _fit(processor, image.height, image.width, cell, enlarge=grid is None)
    tokens = height * width // per_token
    if grid is not None:
        refined = _whole(image.height, rows) / rows, _whole(image.width, columns) / columns
        height, width = _fit(processor, *refined, cell, enlarge=True)
        tokens += slices * (height * width // per_token)
    return tokens, marks


def _grid(processor: Slices, image: Image, most: int) -> tuple[int, int] | None:
    """(rows, columns) of slices, None where the overview is enough."""
    ratio = image.width * image.height / processor.scale_resolution**2
    multiple = min(math.ceil(ratio), most)
    if multiple <= 1:
        return None
    wanted = math.log(image.width / image.height)
    best, least_error = (1, 1), math.inf
    for slices in (multiple - 1, multiple, multiple + 1):
        if slices == 1 or slices > most:
            continue
        for first in range(1, slices + 1):
            if slices % first:
                continue
            rows, columns = _oriented(processor, first, slices // first)
            error = abs(wanted - math.log(columns / rows))
            taller = processor.layout is SliceLayout.MERGED and error == least_error and rows > best[0]
            if error < least_error or taller:
                best, least_error = (rows, columns), error
    return best


def _oriented(processor: Slices, first: int, second: int) -> tuple[int, int]:
    """(rows, columns): the processors up to 4.5 try column counts upwards, that of 4.6 row counts."""
    return (first, second) if processor.layout is SliceLayout.MERGED else (second, first)


def _whole(length: float, divisor: int) -> int:
    return max(round(length / divisor) * divisor, divisor)


def _fit(processor: Slices, height: float, width: float, cell: int, *, enlarge: bool) -> tuple[int, int]:
    """(height, width) about as large as one slice, in whole cells."""
    if enlarge or height * width > processor.scale_resolution**2:
        aspect = width / height
        height = int(processor.scale_resolution / math.sqrt(aspect))
        width = int(height * aspect)
    return _whole(height, cell), _whole(width, cell)
