"""Phi-3-vision (crops with a separator column) and Phi-4-multimodal (crops without their padding).

Sources: ``microsoft/Phi-3.5-vision-instruct`` ``image_processing_phi3_v.py: calc_hd_transform_size,
calc_num_image_tokens_from_image_size``; vLLM 0.32 ``model_executor/models/phi4mm.py: Phi4MMProcessingInfo``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import lru_cache

from vlm_operator.capacity.multimodal.counting import count_image, dummy_image, largest_items
from vlm_operator.capacity.multimodal.grids import closest_grid
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.model.processors import DynamicHd, HdTransform

_PHI3_DUMMY = (50, 8000)
"""(width, height) of the image that start-up takes for the largest (``phi3v.py``)."""


@count_image.register
def _(processor: HdTransform, image: Image, request: Request) -> ItemTokens:
    request.allow("num_crops")
    longer, shorter = max(image.width, image.height), min(image.width, image.height)
    most = request.tiles("num_crops", processor.max_crops)
    ratio = longer / shorter
    crops = 1
    while (crops + 1) * math.ceil((crops + 1) / ratio) <= most:
        crops += 1
    across = crops * processor.crop_size
    down = math.ceil(int(across / ratio) / processor.crop_size)
    columns, rows = (crops, down) if image.width >= image.height else (down, crops)
    side = processor.side_tokens
    tokens = (rows * columns + 1) * side * side + 1 + (rows + 1) * side
    return ItemTokens(tokens, tokens)


@largest_items.register
def _(processor: HdTransform, request: Request) -> Mapping[str, int]:
    return {"image": count_image(processor, dummy_image(request, *_PHI3_DUMMY), request).encoder_tokens}


@count_image.register
def _(processor: DynamicHd, image: Image, request: Request) -> ItemTokens:
    request.allow("dynamic_hd")
    most = request.tiles("dynamic_hd", processor.max_crops)
    columns, rows = _crops(image, processor.crop_size, most)
    patch, factor = processor.patch_size, processor.compression
    width, height = columns * processor.crop_size, rows * processor.crop_size
    wide, high = width // patch, height // patch
    scale_width, scale_height = width / image.width, height / image.height
    if scale_width < scale_height:
        padding = height - int(image.height * scale_width)
        high -= padding // patch
    else:
        padding = width - int(image.width * scale_height)
        wide -= padding // patch
    wide, high = -(-wide // factor), -(-high // factor)
    side = processor.crop_size // patch // factor
    tokens = side * side + 1 + wide * high + high + side
    return ItemTokens(tokens, tokens)


@largest_items.register
def _(processor: DynamicHd, request: Request) -> Mapping[str, int]:
    most = request.tiles("dynamic_hd", processor.max_crops)
    image = dummy_image(request, processor.crop_size, processor.crop_size * most)
    return {"image": count_image(processor, image, request).encoder_tokens}


@lru_cache(maxsize=64)
def _grids(most: int) -> tuple[tuple[int, int], ...]:
    """(columns, rows) of every grid of at most ``most`` crops, by area; the processor sorts a set filled like this."""
    sides = range(1, most + 1)
    grids = {(columns, rows) for columns in sides for rows in sides if columns * rows <= most}
    return tuple(sorted(grids, key=lambda grid: grid[0] * grid[1]))


def _crops(image: Image, side: int, most: int) -> tuple[int, int]:
    """(columns, rows) of crops that cover the image, or the grid of closest aspect where these are too many."""
    columns, rows = math.ceil(image.width / side), math.ceil(image.height / side)
    if columns * rows <= most:
        return columns, rows
    return closest_grid(image, _grids(most), side)
