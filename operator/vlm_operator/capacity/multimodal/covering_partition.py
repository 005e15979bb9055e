"""Parts that cover an image, fewest first; marks between them count as encoder output.

Source: vLLM 0.32 ``transformers_utils/processors/ovis.py: preprocess_image, construct_image_indicators``.
"""

from __future__ import annotations

from collections.abc import Mapping

from vlm_operator.capacity.multimodal.counting import count_image, dummy_image, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.model.processors import CoveringPartition


@count_image.register
def _(processor: CoveringPartition, image: Image, request: Request) -> ItemTokens:
    request.allow()
    rows, columns = _covering_grid(processor, image)
    parts = rows * columns
    views, marks = 1, 3  # begin, prefix and end
    if parts > 1:
        views += parts
        marks += parts - 1  # a separator after each part but the last
    tokens = views * processor.tokens_per_part + marks
    return ItemTokens(tokens, tokens)


@largest_items.register
def _(processor: CoveringPartition, request: Request) -> Mapping[str, int]:
    image = dummy_image(request, processor.dummy_side, processor.dummy_side)
    return {"image": count_image(processor, image, request).encoder_tokens}


def _covering_grid(processor: CoveringPartition, image: Image) -> tuple[int, int]:
    """(rows, columns): fewest parts that cover enough, else the best cover; ties by cover, then by number."""
    sides = range(1, processor.max_parts + 1)
    grids = [(rows, columns) for rows in sides for columns in sides if rows * columns <= processor.max_parts]
    covered = [(grid, _cover(processor, image, *grid)) for grid in grids]
    good = [entry for entry in covered if entry[1] > processor.threshold]
    if good:
        return min(good, key=lambda entry: (entry[0][0] * entry[0][1], -entry[1]))[0]
    return min(covered, key=lambda entry: (-entry[1], entry[0][0] * entry[0][1]))[0]


def _cover(processor: CoveringPartition, image: Image, rows: int, columns: int) -> float:
    """Share of the image's area that its parts keep when each is shrunk into the square."""
    part_height, part_width = image.height // rows, image.width // columns
    total = 0.0
    for row in range(rows):
        height = part_height if row < rows - 1 else image.height - row * part_height
        for column in range(columns):
            width = part_width if column < columns - 1 else image.width - column * part_width
            longer, shorter = float(max(width, height)), float(min(width, height))
            if longer > processor.side:
                longer, shorter = processor.side, shorter / longer * processor.side
            total += longer * shorter
    return total / (image.width * image.height)
