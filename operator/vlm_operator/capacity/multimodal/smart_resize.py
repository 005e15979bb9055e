"""Smart resize: sides in whole cells, frames in temporal patches, times as text where frames carry them.

Sources: vLLM 0.32 and transformers 5: ``…ProcessingInfo``, ``get_video_repl``, image and video processors of the
families whose records fill ``SmartResize``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from vlm_operator.capacity.multimodal.counting import count_image, count_video, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request, whole_number
from vlm_operator.capacity.multimodal.resize import MAX_ASPECT_RATIO, enlarged, smart_resize, smart_resize_video
from vlm_operator.capacity.multimodal.timestamps import whole_digits
from vlm_operator.engine.item_rules import (
    FACTORED_SIZE_SINCE,
    OUTER_MARKS_SINCE,
    TEXT_FACTOR_UNTIL,
    TWO_FRAME_DUMMY_SINCE,
    VIDEO_PIXEL_KNOBS_SINCE,
)
from vlm_operator.engine.version import EngineVersion
from vlm_operator.engine.video_sampling import SampledFrames, VideoSource, even_frames
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.processors import PixelBounds, SmartResize, ThinSide

_IMAGE_KNOBS = ("size", "min_pixels", "max_pixels", "cap_pixels_per_frame", "fps", "num_frames", "max_frames")
_EDGE_ALIASES = {"min_pixels": "shortest_edge", "max_pixels": "longest_edge"}
_LARGEST_VIDEO_FRAMES = 14
"""vLLM ``qwen2_vl.py: _MAX_FRAMES_PER_VIDEO``."""
_MOST_COUNTED_FRAMES = 24_576
"""``_MAX_FRAMES_PER_VIDEO`` of 0.11.2 to 0.14.1."""
_HUGE_SIDE = 9_999_999
_MOST_LONG_VIDEO_FRAMES = 24576
"""vLLM ``_MAX_FRAMES_PER_VIDEO`` through 0.14."""
_CAPPED_SHARE = 0.9
_CAPPED_VIDEO_TOKENS = 128_000
_CAPPED_FRAME_TOKENS = 768


@count_image.register
def _(processor: SmartResize, image: Image, request: Request) -> ItemTokens:
    request.allow(*_IMAGE_KNOBS)
    least, most = pixel_bounds(processor, "image", request)
    cell = processor.patch_size * processor.merge_size
    width, height = image.width, image.height
    if processor.thin_side is ThinSide.ENLARGE:
        width, height = enlarged(width, height, cell)
    width, height = smart_resize(width, height, cell, min_pixels=least, max_pixels=most)
    tokens = (width // cell) * (height // cell)
    return ItemTokens(tokens + processor.image_wrapper_tokens, tokens, None, (width, height))


@count_video.register
def _(processor: SmartResize, source: VideoSource, frame: Image, request: Request) -> ItemTokens:
    request.allow(*_IMAGE_KNOBS, modality="video")
    frames = request.sample(source)
    if processor.timestamps and frames.complete:
        frames = _sampled_again(source, request)
    width, height = video_size(processor, frame, frames.count, request)
    cell = processor.patch_size * processor.merge_size
    patches = -(-frames.count // processor.temporal_patch_size)
    tokens = patches * (width // cell) * (height // cell)
    text = _timestamp_tokens(frames, patches, processor.temporal_patch_size) if processor.timestamps else 0
    marks = 0 if processor.timestamps and request.version < OUTER_MARKS_SINCE else processor.video_wrapper_tokens
    return ItemTokens(tokens + text + marks, tokens, frames.count, (width, height))


@largest_items.register
def _(processor: SmartResize, request: Request) -> Mapping[str, int]:
    least, most = pixel_bounds(processor, "image", request)
    cell = processor.patch_size * processor.merge_size
    if processor.thin_side is ThinSide.ENLARGE:
        stated = request.scoped("image").get("max_pixels")  # "size" does not reach PaddleOCR-VL's dummy
        dummy = _near_square(cell, processor.image_max_pixels if stated is None else most)
    else:
        dummy = _largest_dummy(cell, least, most, request.version)
    width, height = smart_resize(*dummy, cell, min_pixels=least, max_pixels=most)
    largest = {"image": (width // cell) * (height // cell)}
    if "video" in request.facts.modalities:
        largest["video"] = (
            _largest_whole_video(processor, request)
            if processor.video_bounds is PixelBounds.VIDEO
            else _largest_framewise_video(processor, request)
        )
    return largest


def pixel_bounds(
    processor: SmartResize, modality: str, request: Request, *, defaults: str | None = None
) -> tuple[int, int]:
    """(min, max) pixels: the processor's (for ``defaults``, if another modality's count), then what flags say."""
    options = request.scoped(modality)
    if processor.video_bounds is PixelBounds.VIDEO and request.version >= VIDEO_PIXEL_KNOBS_SINCE:
        _require_no_scoped_pixels(request)
    if modality == "video" and processor.video_bounds is PixelBounds.VIDEO:
        _require_video_knobs(options, request.version)
    if (defaults or modality) == "image":
        least, most = processor.image_min_pixels, processor.image_max_pixels
    else:
        least, most = _video_defaults(processor, request)
    size = options.get("size")
    if size is not None:
        if not isinstance(size, Mapping):
            raise InputError(
                f"mm-processor-kwargs.size: {str(size)[:40]!r} is not an object",
                field="mm-processor-kwargs.size",
                hint='for instance {"size": {"shortest_edge": 65536, "longest_edge": 4194304}}',
            )
        _require_whole_size(processor, options)
        least = _bound("size.shortest_edge", size.get("shortest_edge"), least)
        most = _bound("size.longest_edge", size.get("longest_edge"), most)
    least = _bound("min_pixels", options.get("min_pixels"), least)
    most = _bound("max_pixels", options.get("max_pixels"), most)
    return least, most


def _video_defaults(processor: SmartResize, request: Request) -> tuple[int, int]:
    """(min, max) pixels of a video where flags leave one of them open."""
    stated = any(request.processor_kwargs.get(key) is not None for key in ("size", *_EDGE_ALIASES))
    if stated and processor.stated_video_bounds is not None:
        return processor.stated_video_bounds
    return processor.video_min_pixels, processor.video_max_pixels


def _require_whole_size(processor: SmartResize, options: Mapping[str, Any]) -> None:
    """Processors without timestamps fail on a ``size`` with one edge, those with them fill in the other."""
    given = {edge for edge in ("shortest_edge", "longest_edge") if options["size"].get(edge) is not None}
    given |= {edge for key, edge in _EDGE_ALIASES.items() if options.get(key) is not None}
    if processor.video_bounds is PixelBounds.FRAME and len(given) < 2:
        raise InputError(
            "mm-processor-kwargs.size: the processor fails without both 'shortest_edge' and 'longest_edge'",
            field="mm-processor-kwargs.size",
            hint=f'for instance {{"size": {{"shortest_edge": {processor.image_min_pixels},'
            f' "longest_edge": {processor.image_max_pixels}}}}}',
        )


def _require_no_scoped_pixels(request: Request) -> None:
    """The video processor with timestamps takes no ``min_pixels``, ``max_pixels``; flat ones go into ``size``."""
    scope = request.processor_kwargs.get("videos_kwargs")
    for key, edge in _EDGE_ALIASES.items():
        if isinstance(scope, Mapping) and scope.get(key) is not None:
            raise InputError(
                f"mm-processor-kwargs.videos_kwargs.{key}: the video processor takes no such argument, and every"
                " request fails",
                field=f"mm-processor-kwargs.videos_kwargs.{key}",
                hint=f'give {{"videos_kwargs": {{"size": {{"{edge}": …}}}}}}',
            )


def _require_video_knobs(options: Mapping[str, object], version: EngineVersion) -> None:
    if version < VIDEO_PIXEL_KNOBS_SINCE and options.keys() & {"min_pixels", "max_pixels"}:
        raise UnknownFact(
            f"mm-processor-kwargs.max_pixels: its effect on videos in vLLM {version} is not known",
            field="mm-processor-kwargs.max_pixels",
            hint='scope it to images: {"images_kwargs": {"max_pixels": …}}, or give "size"',
        )


def _bound(key: str, value: object, default: int) -> int:
    return default if value is None else whole_number(f"mm-processor-kwargs.{key}", value)


def video_size(processor: SmartResize, frame: Image, frames: int, request: Request) -> tuple[int, int]:
    """(width, height) each frame is resized to."""
    least, most = pixel_bounds(processor, "video", request)
    cell = processor.patch_size * processor.merge_size
    capped = request.boolean("video", "cap_pixels_per_frame", False)
    if processor.video_bounds is PixelBounds.FRAME:
        if capped:
            budget = int(_CAPPED_VIDEO_TOKENS * cell * cell * _CAPPED_SHARE)
            most = max(min(most, budget * processor.temporal_patch_size // frames), int(least * 1.05))
        return smart_resize(frame.width, frame.height, cell, min_pixels=least, max_pixels=most, field="video")
    if capped:
        most = max(min(_CAPPED_FRAME_TOKENS * cell * cell, most // frames), int(least * 1.05)) * frames
    return smart_resize_video(
        frame,
        frames,
        cell,
        frames_per_patch=processor.temporal_patch_size,
        min_pixels=least,
        max_pixels=most,
        field="video",
    )


def _sampled_again(source: VideoSource, request: Request) -> SampledFrames:
    """The processor with timestamps samples once more where the loader kept every frame (``do_sample_frames``)."""
    options = request.scoped("video")
    if options.get("num_frames") is not None:
        raise UnknownFact(
            "mm-processor-kwargs.num_frames: its effect on a video that is loaded whole is not known",
            field="mm-processor-kwargs.num_frames",
            hint="choose frames with --media-io-kwargs instead",
        )
    fps = options.get("fps")
    if fps is not None and (isinstance(fps, bool) or not isinstance(fps, int | float) or not 0 < fps <= 2**20):
        raise InputError(
            f"mm-processor-kwargs.fps: {str(fps)[:40]!r} is not a number above zero", field="mm-processor-kwargs.fps"
        )
    return even_frames(source, 2 if fps is None else min(fps, 30))


def _timestamp_tokens(frames: SampledFrames, patches: int, frames_per_patch: int) -> int:
    """``<T.T seconds>`` and begin and end tokens around every temporal patch; T is the mean of its first and last."""
    last = frames.count - 1

    def moment(patch: int) -> float:
        first = patch * frames_per_patch
        return (frames.second(first) + frames.second(min(first + frames_per_patch - 1, last))) / 2

    return patches * (2 + 5) + whole_digits(patches, moment)


@lru_cache(maxsize=256)
def largest_size(cell: int, max_pixels: int) -> tuple[int, int]:
    """(width, height) with most cells within ``max_pixels`` that is not too elongated.

    Source: vLLM ``qwen2_vl.py: get_image_size_with_most_features``.
    """
    for cells in range(max_pixels // (cell * cell), 0, -1):
        rows = next(side for side in range(math.isqrt(cells), 0, -1) if cells % side == 0)
        if cells // rows / rows <= MAX_ASPECT_RATIO:
            return cell * (cells // rows), cell * rows
    raise InputError(
        f"mm-processor-kwargs: {max_pixels} pixels are less than one cell of {cell}x{cell}",
        field="mm-processor-kwargs.max_pixels",
        hint=f"allow at least {cell * cell} pixels",
    )


def _largest_dummy(cell: int, least: int, most: int, version: EngineVersion) -> tuple[int, int]:
    """(width, height) that a release takes for the largest image."""
    if version >= FACTORED_SIZE_SINCE:
        return largest_size(cell, most)
    return smart_resize(_HUGE_SIDE, _HUGE_SIDE, cell, min_pixels=least, max_pixels=most)


def _near_square(cell: int, max_pixels: int) -> tuple[int, int]:
    """(width, height): as many rows as a square would have, and whole columns (``paddleocr_vl.py``)."""
    cells = max(1, max_pixels // (cell * cell))
    rows = math.isqrt(cells)
    return cells // rows * cell, rows * cell


def _largest_framewise_video(processor: SmartResize, request: Request) -> int:
    """Frames of the largest image size, as many as the context holds, at most 14."""
    image_bounds = pixel_bounds(processor, "image", request)
    least, most = pixel_bounds(processor, "video", request, defaults="image")  # start-up asks the image processor
    cell = processor.patch_size * processor.merge_size
    width, height = smart_resize(
        *_largest_dummy(cell, *image_bounds, request.version), cell, min_pixels=least, max_pixels=most, field="video"
    )
    patch_tokens = (width // cell) * (height // cell)
    held = max(1, processor.temporal_patch_size * (request.max_model_len() // patch_tokens))
    frames = max(1, min(held, _LARGEST_VIDEO_FRAMES))
    return -(-frames // processor.temporal_patch_size) * patch_tokens


def _largest_whole_video(processor: SmartResize, request: Request) -> int:
    """Two frames that use up the whole video's bound."""
    if request.version < TWO_FRAME_DUMMY_SINCE:
        return _largest_counted_video(processor, request)
    least, most = pixel_bounds(processor, "video", request)
    cell = processor.patch_size * processor.merge_size
    frame = Image(*largest_size(cell, most // processor.temporal_patch_size))
    return _whole_video_tokens(processor, frame, 2, (least, most))


def _largest_counted_video(processor: SmartResize, request: Request) -> int:
    """Through 0.14: frames of the largest image size are added while they fit the context."""
    image_bounds = pixel_bounds(processor, "image", request)
    bounds = pixel_bounds(processor, "video", request)
    cell = processor.patch_size * processor.merge_size
    frame = Image(*_largest_dummy(cell, *image_bounds, request.version))
    frames = 2
    room = request.max_model_len()
    while frames < _MOST_COUNTED_FRAMES and _whole_video_tokens(processor, frame, frames + 1, bounds) <= room:
        frames += 1
    tokens = _whole_video_tokens(processor, frame, frames, bounds)
    return int(tokens * 12.5) if request.version < TEXT_FACTOR_UNTIL else tokens


def _whole_video_tokens(processor: SmartResize, frame: Image, frames: int, bounds: tuple[int, int]) -> int:
    cell = processor.patch_size * processor.merge_size
    per_patch = processor.temporal_patch_size
    width, height = smart_resize_video(
        frame, frames, cell, frames_per_patch=per_patch, min_pixels=bounds[0], max_pixels=bounds[1], field="video"
    )
    return -(-frames // per_patch) * (width // cell) * (height // cell)
