"""One view of the whole page, and tiles of it where it is larger than a tile.

Sources: vLLM 0.32 ``model_executor/models/deepseek_ocr.py`` and ``deepseek_ocr2.py``: ``get_num_image_tokens``;
``transformers_utils/processors/deepseek_ocr.py: count_tiles``.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlm_operator.capacity.multimodal.counting import count_image, largest_items
from vlm_operator.capacity.multimodal.grids import closest_grid, grids_between
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.model.processors import OcrViews

_LARGEST_GRIDS = {32: (4, 8)}
"""(columns, rows) of the image that start-up takes for the largest, by most tiles; 2x2 elsewhere."""


@count_image.register
def _(processor: OcrViews, image: Image, request: Request) -> ItemTokens:
    request.allow()
    tokens = _view_tokens(processor.view_side_tokens, processor.view_side_tokens, processor.newlines) + 1
    if max(image.width, image.height) > processor.tile_size:
        grids = grids_between(processor.min_tiles, processor.max_tiles)
        columns, rows = closest_grid(image, grids, processor.tile_size)
        if columns > 1 or rows > 1:
            side = processor.tile_side_tokens
            tokens += _view_tokens(rows * side, columns * side, processor.newlines)
    return ItemTokens(tokens, tokens)


@largest_items.register
def _(processor: OcrViews, request: Request) -> Mapping[str, int]:
    # size options of --limit-mm-per-prompt do not reach this family's dummy
    columns, rows = _LARGEST_GRIDS.get(processor.max_tiles, (2, 2))
    dummy = Image(columns * processor.tile_size, rows * processor.tile_size)
    return {"image": count_image(processor, dummy, request).encoder_tokens}


def _view_tokens(rows: int, columns: int, newlines: bool) -> int:
    return rows * (columns + 1 if newlines else columns)
