"""LLaVA-NeXT and LLaVA-OneVision: a base view and an unpadded grid of tiles of the best listed resolution.

Sources: vLLM 0.32 ``model_executor/models/llava_next.py: LlavaNextProcessingInfo`` and ``llava_onevision.py:
LlavaOnevisionProcessingInfo``; transformers ``image_processing_utils.py: select_best_resolution``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from vlm_operator.capacity.multimodal.counting import count_image, count_video, dummy_image, dummy_video, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens, RefusedItem
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.engine.video_sampling import VideoSource
from vlm_operator.model.processors import AnyResolution

_VIDEO_NEWLINE_TOKENS = 1


@count_image.register
def _(processor: AnyResolution, image: Image, request: Request) -> ItemTokens:
    request.allow()
    tokens = _image_tokens(processor, image)
    return ItemTokens(tokens, tokens)


@count_video.register
def _(processor: AnyResolution, source: VideoSource, frame: Image, request: Request) -> ItemTokens:
    request.allow(modality="video")
    frames = request.sample(source).count
    tokens = frames * processor.frame_tokens + _VIDEO_NEWLINE_TOKENS
    return ItemTokens(tokens, tokens, frames)


@largest_items.register
def _(processor: AnyResolution, request: Request) -> Mapping[str, int]:
    largest = {}
    if request.counted("image"):
        image = dummy_image(request, *(processor.largest_image or _largest_pinpoint(processor)))
        largest["image"] = _image_tokens(processor, image)
    if request.counted("video"):
        held = (request.max_model_len() - _VIDEO_NEWLINE_TOKENS) // processor.frame_tokens
        frames = max(1, min(held, processor.max_video_frames))
        _, frames = dummy_video(request, 1, 1, frames)
        largest["video"] = frames * processor.frame_tokens + _VIDEO_NEWLINE_TOKENS
    return largest


def best_resolution(image: Image, resolutions: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The listed (height, width) that keeps most of the image's pixels, of equals the one that wastes least.

    Raises:
        RefusedItem: so elongated that no resolution keeps a pixel.
    """
    best: tuple[int, int] | None = None
    most_kept, least_wasted = 0, math.inf
    for height, width in resolutions:
        scale = min(width / image.width, height / image.height)
        kept = min(int(image.width * scale) * int(image.height * scale), image.width * image.height)
        wasted = width * height - kept
        if kept > most_kept or (kept == most_kept and wasted < least_wasted):
            best, most_kept, least_wasted = (height, width), kept, wasted
    if best is None:
        raise RefusedItem(
            f"image: {image.width}x{image.height} is too elongated for every resolution of the model",
            field="image",
            hint="crop it, or add a margin to its short side",
        )
    return best


def _image_tokens(processor: AnyResolution, image: Image) -> int:
    height, width = best_resolution(image, processor.grid_pinpoints)
    side = processor.patches_per_side
    rows, columns = side * (height // processor.tile_size), side * (width // processor.tile_size)
    if image.width / image.height > columns / rows:
        kept = int(round(image.height * (columns / image.width), 7))
        rows -= 2 * ((rows - kept) // 2)
    else:
        kept = int(round(image.width * (rows / image.height), 7))
        columns -= 2 * ((columns - kept) // 2)
    if processor.max_tiles:
        ratio = math.sqrt(rows * columns / (processor.max_tiles * side**2))
        if ratio > 1.1:
            rows, columns = int(rows // ratio), int(columns // ratio)
    return processor.base_tokens + rows * columns + rows


def _largest_pinpoint(processor: AnyResolution) -> tuple[int, int]:
    """(width, height) of the first listed resolution with most tokens."""
    height, width = max(processor.grid_pinpoints, key=lambda size: _image_tokens(processor, Image(size[1], size[0])))
    return width, height
