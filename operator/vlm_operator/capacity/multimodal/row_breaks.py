"""Pixtral and Mistral Small 3.x: shrunk to a longest edge, cut into cells, one break or end token a row.

Sources: vLLM 0.32 ``model_executor/models/pixtral.py: PixtralHFEncoderInfo``, ``mistral3.py: Mistral3HFEncoderInfo``;
mistral_common ``tokens/tokenizers/image.py: ImageEncoder._image_to_num_tokens``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from vlm_operator.capacity.multimodal.counting import count_image, dummy_image, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens, RefusedItem
from vlm_operator.capacity.multimodal.request import Request, whole_number
from vlm_operator.errors import InputError
from vlm_operator.model.processors import Rounding, RowBreaks


@count_image.register
def _(processor: RowBreaks, image: Image, request: Request) -> ItemTokens:
    request.allow("size")
    columns, rows, size = _cells(processor, image, _longest_edge(processor, request))
    return ItemTokens(rows * (columns + 1 if processor.breaks else columns), rows * columns, None, size)


@largest_items.register
def _(processor: RowBreaks, request: Request) -> Mapping[str, int]:
    edge = _longest_edge(processor, request)
    columns, rows, _ = _cells(processor, dummy_image(request, edge, edge), edge)
    return {"image": rows * columns}


def _longest_edge(processor: RowBreaks, request: Request) -> int:
    size = request.scoped("image").get("size")
    if size is None or not processor.size_knob:
        return processor.longest_edge
    if not isinstance(size, Mapping):
        raise InputError(
            f"mm-processor-kwargs.size: {str(size)[:40]!r} is not an object",
            field="mm-processor-kwargs.size",
            hint='for instance {"size": {"longest_edge": 1024}}',
        )
    edge = size.get("longest_edge")
    return processor.longest_edge if edge is None else whole_number("mm-processor-kwargs.size.longest_edge", edge)


def _cells(processor: RowBreaks, image: Image, edge: int) -> tuple[int, int, tuple[int, int]]:
    """(columns, rows, scaled size)."""
    width, height = image.width, image.height
    ratio = max(width / edge, height / edge)
    if ratio > 1:
        if processor.rounding is Rounding.NEAREST:
            width, height = max(1, round(width / ratio)), max(1, round(height / ratio))
        else:
            width, height = math.floor(width / ratio), math.floor(height / ratio)
    if not width or not height:
        raise RefusedItem(
            f"image: {image.width}x{image.height} shrunk to a longest edge of {edge} leaves no row or no column",
            field="image",
            hint="crop it, or add a margin to its short side",
        )
    cell = processor.cell_size
    return (width - 1) // cell + 1, (height - 1) // cell + 1, (width, height)
