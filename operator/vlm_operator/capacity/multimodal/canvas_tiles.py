"""Llama 4: square tiles on the canvas that fits best, and a global tile beside more than one.

Sources: vLLM 0.32 ``model_executor/models/mllama4.py: Mllama4ProcessingInfo``; transformers ``models/llama4``:
``find_supported_resolutions``, ``get_best_fit`` (single precision), ``Llama4Processor._prompt_split_image``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from vlm_operator.capacity.multimodal.counting import count_image, dummy_image, largest_items
from vlm_operator.capacity.multimodal.float32 import float32
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.model.processors import CanvasTiles

_KNOBS = ("max_patches", "resize_to_max_canvas")


@count_image.register
def _(processor: CanvasTiles, image: Image, request: Request) -> ItemTokens:
    request.allow(*_KNOBS)
    most = request.tiles("max_patches", processor.max_tiles)
    largest = request.boolean("image", "resize_to_max_canvas", processor.resize_to_max_canvas)
    rows, columns = _best_canvas(image, processor.tile_size, most, largest)
    tiles = rows * columns
    if tiles == 1:
        return ItemTokens(processor.tokens_per_tile + 3, processor.tokens_per_tile)
    tokens = (tiles + 1) * processor.tokens_per_tile
    return ItemTokens(tokens + tiles + 3, tokens)


@largest_items.register
def _(processor: CanvasTiles, request: Request) -> Mapping[str, int]:
    most = request.tiles("max_patches", processor.max_tiles)
    image = dummy_image(request, processor.tile_size, processor.tile_size * most)
    return {"image": count_image(processor, image, request).encoder_tokens}


@lru_cache(maxsize=64)
def _canvases(most: int) -> tuple[tuple[int, int], ...]:
    """(rows, columns) of every canvas of at most ``most`` tiles, grouped by aspect ratio, as the processor does."""
    by_ratio: dict[float, list[tuple[int, int]]] = {}
    for tiles in range(most, 0, -1):
        for rows in range(1, tiles + 1):
            if tiles % rows == 0:
                by_ratio.setdefault(rows / (tiles // rows), []).append((rows, tiles // rows))
    return tuple(canvas for canvases in by_ratio.values() for canvas in canvases)


def _best_canvas(image: Image, tile: int, most: int, to_largest: bool) -> tuple[int, int]:
    """Least upscaling if any canvas holds the image, else least downscaling; of equals, the smallest area."""
    scaled = [
        (min(float32(columns * tile / image.width), float32(rows * tile / image.height)), rows, columns)
        for rows, columns in _canvases(most)
    ]
    upscaled = [scale for scale, _, _ in scaled if scale >= 1]
    nearest = max if to_largest or not upscaled else min
    chosen = nearest(upscaled or [scale for scale, _, _ in scaled])
    fitting = [(rows, columns) for scale, rows, columns in scaled if scale == chosen]
    return min(fitting, key=lambda canvas: canvas[0] * canvas[1])
