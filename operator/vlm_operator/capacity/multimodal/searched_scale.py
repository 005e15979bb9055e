"""Isaac: the scale whose whole cells come closest to a range of patches, found by bisection.

Source: vLLM 0.32 ``transformers_utils/processors/isaac.py: get_image_size_for_max_num_patches, IsaacImageProcessor``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from vlm_operator.capacity.multimodal.counting import count_image, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.model.processors import SearchedScale

_TOLERANCE = 1e-5
_LARGEST_SCALE = 100.0


@count_image.register
def _(processor: SearchedScale, image: Image, request: Request) -> ItemTokens:
    request.allow()
    columns, rows = _cells(processor, image)
    tokens = columns * rows
    cell = processor.patch_size * processor.cell_patches
    return ItemTokens(tokens, tokens, None, (columns * cell, rows * cell))


@largest_items.register
def _(processor: SearchedScale, request: Request) -> Mapping[str, int]:
    return {"image": processor.assumed_tokens}


def _cells(processor: SearchedScale, image: Image) -> tuple[int, int]:
    """(columns, rows) of cells after scaling."""
    columns, rows = _scaled(processor, image, 1.0)
    patches = _patches(processor, columns, rows)
    if patches < processor.min_patches:
        low, high = 1.0, _LARGEST_SCALE
        while high - low >= _TOLERANCE:
            middle = (low + high) / 2
            enough = _patches(processor, *_scaled(processor, image, middle)) >= processor.min_patches
            low, high = (low, middle) if enough else (middle, high)
        return _scaled(processor, image, high)
    if patches <= processor.max_patches:
        return columns, rows
    low, high = _TOLERANCE / 10, 1.0
    while high - low >= _TOLERANCE:
        middle = (low + high) / 2
        fits = _patches(processor, *_scaled(processor, image, middle)) <= processor.max_patches
        low, high = (middle, high) if fits else (low, middle)
    return _scaled(processor, image, low)


def _scaled(processor: SearchedScale, image: Image, scale: float) -> tuple[int, int]:
    cell = processor.patch_size * processor.cell_patches
    return max(1, math.ceil(scale * image.width / cell)), max(1, math.ceil(scale * image.height / cell))


def _patches(processor: SearchedScale, columns: int, rows: int) -> int:
    return columns * rows * processor.cell_patches**2
