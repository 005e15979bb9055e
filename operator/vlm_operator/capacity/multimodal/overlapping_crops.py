"""Molmo and Molmo 2: a low-resolution view and crops that overlap by a margin, pooled.

Sources: vLLM 0.32 ``model_executor/models/molmo.py: select_tiling`` (single precision), ``get_num_patches``,
``MolmoMultiModalProcessor._get_prompt_updates``; ``molmo2.py: Molmo2ProcessingInfo.get_num_image_tokens``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

from vlm_operator.capacity.multimodal.counting import count_image, count_video, dummy_image, largest_items
from vlm_operator.capacity.multimodal.float32 import float32
from vlm_operator.capacity.multimodal.items import Image, ItemTokens, RefusedItem
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.engine.video_sampling import VideoSource
from vlm_operator.errors import UnknownFact
from vlm_operator.model.processors import OverlapCrops, PooledCrops


@count_image.register
def _(processor: OverlapCrops, image: Image, request: Request) -> ItemTokens:
    request.allow("max_crops")
    most = request.tiles("max_crops", processor.max_crops)
    columns, rows = _pooled(processor, image, most)
    view = processor.view_side_tokens
    tokens = view * view + columns * rows
    return ItemTokens(tokens + view + rows + 4, tokens)


@largest_items.register
def _(processor: OverlapCrops, request: Request) -> Mapping[str, int]:
    most = request.tiles("max_crops", processor.max_crops)
    side = processor.crop_size
    sizes = [(side * first, side * second) for first, second in _tilings(most)]

    def prompt_tokens(size: tuple[int, int]) -> int:
        columns, rows = _pooled(processor, Image(*size), most)
        return (columns + 1) * rows

    width, height = max(sizes, key=prompt_tokens)
    return {"image": count_image(processor, dummy_image(request, width, height), request).encoder_tokens}


@lru_cache(maxsize=32)
def _tilings(most: int) -> tuple[tuple[int, int], ...]:
    """(rows, columns) of every tiling of at most ``most`` crops, by number of crops."""
    sides = range(1, most + 1)
    tilings = [(rows, columns) for rows in sides for columns in sides if rows * columns <= most]
    return tuple(sorted(tilings, key=lambda tiling: tiling[0] * tiling[1]))


def _pooled(processor: OverlapCrops, image: Image, most: int) -> tuple[int, int]:
    """(columns, rows) of pooled tokens."""
    columns, rows = _tiling(processor, image, most)
    return _pooled_side(processor, columns), _pooled_side(processor, rows)


def _tiling(processor: OverlapCrops | PooledCrops, image: Image, most: int) -> tuple[int, int]:
    """(columns, rows) of crops that need the least upscaling, else the least downscaling."""
    margin = processor.patch_size * (processor.left_margin + processor.right_margin)
    window = processor.crop_size // processor.patch_size * processor.patch_size - margin
    height, width = float(image.height - margin), float(image.width - margin)
    if isinstance(processor, OverlapCrops) and (not height or not width):
        raise RefusedItem(
            f"image: the processor divides by zero on a side of {margin} pixels",
            field="image",
            hint="resize it by a pixel",
        )
    scaled = [
        (min(_scale(rows * window, height), _scale(columns * window, width)), (rows, columns))
        for rows, columns in _tilings(most)
    ]
    if all(scale < 1 for scale, _ in scaled):
        _, (rows, columns) = max(scaled, key=lambda entry: entry[0])
    else:
        # the processor gives tilings that shrink the image a scale of 10e9, first of equals wins
        _, (rows, columns) = min(
            ((10e9 if scale < 1 else scale, tiling) for scale, tiling in scaled), key=lambda e: e[0]
        )
    return columns, rows


def _scale(window: int, length: float) -> float:
    return float32(window / length) if length else math.inf


def _pooled_side(processor: OverlapCrops, crops: int) -> int:
    """Pooled tokens along a side of ``crops`` crops."""
    pool = processor.pooling_size
    patches = processor.crop_size // processor.patch_size

    def whole(count: int) -> int:
        return (count + pool - 1) // pool * pool

    if crops == 1:
        total = whole(patches)
    else:
        window = patches - processor.left_margin - processor.right_margin
        middle = (crops - 2) * whole(window)
        total = whole(window + processor.left_margin) + middle + whole(window + processor.right_margin)
    return (total + 1) // pool


@count_image.register
def _(processor: PooledCrops, image: Image, request: Request) -> ItemTokens:
    request.allow()
    request.tiles("max_crops", processor.max_crops, knob=False)
    tokens = _joint_tokens(processor, image)
    return ItemTokens(tokens, tokens)


@count_video.register
def _(processor: PooledCrops, source: VideoSource, frame: Image, request: Request) -> ItemTokens:
    raise UnknownFact(
        f"video: which frames of a video the loader of {request.facts.family} keeps is not known",
        field="video",
        hint="state the tokens a video takes, measured on a running server",
    )


@largest_items.register
def _(processor: PooledCrops, request: Request) -> Mapping[str, int]:
    largest = {}
    if request.counted("image"):
        margin = processor.patch_size * (processor.left_margin + processor.right_margin)
        window = processor.crop_size // processor.patch_size * processor.patch_size - margin
        sizes = [
            (columns * window + margin, rows * window + margin)
            for rows, columns in _tilings(request.tiles("max_crops", processor.max_crops, knob=False))
        ]
        width, height = max(sizes, key=lambda size: _joint_tokens(processor, Image(*size)))
        largest["image"] = _joint_tokens(processor, dummy_image(request, width, height))
    if request.counted("video"):
        columns, rows = _pooled_view(processor.frame_size, processor.patch_size, processor.frame_pooling)
        per_frame = 2 + rows * (columns + processor.frame_column_marks)
        frames = max(1, min(request.max_model_len() // per_frame, processor.max_video_frames))
        limit = request.limit("video")
        if limit is not None and limit.num_frames:
            frames = max(2, min(frames, limit.num_frames))
        largest["video"] = frames * per_frame
    return largest


def _joint_tokens(processor: PooledCrops, image: Image) -> int:
    view_columns, view_rows = _pooled_view(processor.crop_size, processor.patch_size, processor.pooling)
    crops = _tiling(processor, image, processor.max_crops)
    margins = processor.left_margin + processor.right_margin
    window = processor.crop_size // processor.patch_size - margins
    down, across = processor.pooling
    columns, rows = -(-(crops[0] * window + margins) // across), -(-(crops[1] * window + margins) // down)
    view = 2 + view_rows * (view_columns + processor.view_column_marks)
    return view + 2 + rows * (columns + processor.column_marks)


def _pooled_view(side: int, patch_size: int, pooling: tuple[int, int]) -> tuple[int, int]:
    """(columns, rows) of tokens of a square view."""
    patches = side // patch_size
    down, across = pooling
    return -(-patches // across), -(-patches // down)
