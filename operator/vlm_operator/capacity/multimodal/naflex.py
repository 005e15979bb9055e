"""LFM2-VL: native aspect ratio within a range of tokens; larger images in tiles with a thumbnail.

Sources: vLLM 0.32 ``model_executor/models/lfm2_vl.py: Lfm2VLProcessingInfo``; transformers
``models/lfm2_vl/image_processing_lfm2_vl.py``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from vlm_operator.capacity.multimodal.counting import count_image, dummy_image, largest_items
from vlm_operator.capacity.multimodal.grids import closest_grid, grids_between
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.model.config import Config
from vlm_operator.model.processors import NaflexTiles

_KNOBS = ("min_image_tokens", "max_image_tokens", "min_tiles", "max_tiles", "tile_size", "max_pixels_tolerance")


def _turned(processor: NaflexTiles, request: Request) -> NaflexTiles:
    """The processor with the options of ``--mm-processor-kwargs``; start-up's dummy and the tiles both follow them."""
    options = request.scoped("image")
    most = request.tiles("max_tiles", processor.max_tiles)
    if not any(options.get(key) is not None for key in _KNOBS):
        return processor
    request.refuse_scoped(*_KNOBS)
    tolerance = Config(options, "mm-processor-kwargs").number("max_pixels_tolerance", processor.tolerance)
    return replace(
        processor,
        min_tokens=request.integer("image", "min_image_tokens", processor.min_tokens),
        max_tokens=request.integer("image", "max_image_tokens", processor.max_tokens),
        min_tiles=request.integer("image", "min_tiles", processor.min_tiles),
        max_tiles=most,
        tile_size=request.integer("image", "tile_size", processor.tile_size),
        tolerance=processor.tolerance if tolerance is None else tolerance,
    )


@count_image.register
def _(processor: NaflexTiles, image: Image, request: Request) -> ItemTokens:
    request.allow(*_KNOBS)
    processor = _turned(processor, request)
    width, height = _fitted(processor, image)
    cell = processor.patch_size * processor.downsample
    view = (width // cell) * (height // cell)
    columns, rows = _grid(processor, image)
    tiles = columns * rows
    if tiles == 1:
        return ItemTokens(view + 2, view, None, (width, height))
    side = math.ceil(processor.tile_size // processor.patch_size / processor.downsample)
    tokens = tiles * side * side + view
    return ItemTokens(tokens + tiles + 1 + 2, tokens)  # a place token before each tile, one before the thumbnail


@largest_items.register
def _(processor: NaflexTiles, request: Request) -> Mapping[str, int]:
    turned = _turned(processor, request)
    cell = turned.patch_size * turned.downsample
    side = int(math.sqrt(turned.max_tokens * cell**2))
    return {"image": count_image(processor, dummy_image(request, side, side), request).encoder_tokens}


def _grid(processor: NaflexTiles, image: Image) -> tuple[int, int]:
    """(columns, rows) of tiles; (1, 1) for an image that is not cut."""
    cell = processor.patch_size * processor.downsample
    width = max(processor.patch_size, round(image.width / cell) * cell)
    height = max(processor.patch_size, round(image.height / cell) * cell)
    large = width * height > processor.max_tokens * cell**2 * processor.tolerance
    if not large or processor.min_tiles == processor.max_tiles == 1:
        return 1, 1
    return closest_grid(image, grids_between(processor.min_tiles, processor.max_tiles), processor.tile_size)


def _fitted(processor: NaflexTiles, image: Image) -> tuple[int, int]:
    """(width, height) in whole cells, area within the range of tokens."""
    cell = processor.patch_size * processor.downsample
    least, most = processor.min_tokens * cell**2, processor.max_tokens * cell**2
    width = max(cell, round(image.width / cell) * cell)
    height = max(cell, round(image.height / cell) * cell)
    if width * height > most:
        shrink = math.sqrt(image.height * image.width / most)
        width = max(cell, math.floor(image.width / shrink / cell) * cell)
        height = max(cell, math.floor(image.height / shrink / cell) * cell)
    elif width * height < least:
        grow = math.sqrt(least / (image.height * image.width))
        width = math.ceil(image.width * grow / cell) * cell
        height = math.ceil(image.height * grow / cell) * cell
    return width, height
