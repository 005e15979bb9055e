"""Command A Vision: tiles on the grid that needs the least upscaling, and a thumbnail beside more than one.

Sources: vLLM 0.32 ``model_executor/models/cohere2_vision.py``; transformers ``models/cohere2_vision``:
``get_optimal_tiled_canvas``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from vlm_operator.capacity.multimodal.counting import count_image, dummy_image, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.model.processors import UpscaleTiles

_KNOBS = ("max_patches", "min_patches", "crop_to_patches")


@count_image.register
def _(processor: UpscaleTiles, image: Image, request: Request) -> ItemTokens:
    request.allow(*_KNOBS)
    tiles = 1
    most = request.tiles("max_patches", processor.max_tiles)
    if request.boolean("image", "crop_to_patches", processor.crop_to_tiles) and most > 1:
        columns, rows = least_upscaling_grid(image, processor.tile_size, most)
        tiles += columns * rows if columns * rows > 1 else 0
    tokens = tiles * processor.tokens_per_tile
    return ItemTokens(tokens + tiles * processor.line_break_tokens + processor.wrapper_tokens, tokens)


@largest_items.register
def _(processor: UpscaleTiles, request: Request) -> Mapping[str, int]:
    most = request.tiles("max_patches", processor.max_tiles)
    image = dummy_image(request, processor.tile_size, processor.tile_size * most)
    return {"image": count_image(processor, image, request).encoder_tokens}


@lru_cache(maxsize=64)
def _grids(most: int) -> tuple[tuple[int, int], ...]:
    """(columns, rows) of every grid of at most ``most`` tiles, by area."""
    sides = range(1, most + 1)
    grids = [(columns, rows) for columns in sides for rows in sides if columns * rows <= most]
    return tuple(sorted(grids, key=lambda grid: grid[0] * grid[1]))


def least_upscaling_grid(image: Image, tile: int, most: int) -> tuple[int, int]:
    """(columns, rows): the least upscaling if any grid holds the image, else the least downscaling; first of equals."""
    scaled = [
        (min(columns * tile / image.width, rows * tile / image.height), (columns, rows))
        for columns, rows in _grids(most)
    ]
    upscaled = [entry for entry in scaled if entry[0] >= 1]
    if upscaled:
        return min(upscaled, key=lambda entry: entry[0])[1]
    return max(scaled, key=lambda entry: entry[0])[1]
