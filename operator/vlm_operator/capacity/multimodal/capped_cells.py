"""The grid of whole cells closest to an item's aspect ratio, up to a number of cells: sides grow as well as shrink.

Sources: vLLM 0.33 ``model_executor/models/muse_glimmer.py``; transformers 5 ``models/muse_glimmer``: ``smart_resize``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import product

from vlm_operator.capacity.multimodal.counting import count_image, count_video, largest_items
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request
from vlm_operator.engine.video_sampling import VideoSource
from vlm_operator.errors import UnknownFact
from vlm_operator.model.processors import CappedCells


@count_image.register
def _(processor: CappedCells, image: Image, request: Request) -> ItemTokens:
    request.allow("max_image_tokens")
    cell = processor.patch_size * processor.merge_size
    rows, columns = closest_cells(image, cell, _most_cells(processor, request))
    tokens = rows * columns
    return ItemTokens(tokens + processor.wrapper_tokens, tokens, None, (columns * cell, rows * cell))


@count_video.register
def _(processor: CappedCells, source: VideoSource, frame: Image, request: Request) -> ItemTokens:
    raise UnknownFact(
        f"model_type: the tokens of the times between frames of {request.facts.family} are not known",
        field="model_type",
        hint="state the tokens that a video takes, measured on a running server",
    )


@largest_items.register
def _(processor: CappedCells, request: Request) -> Mapping[str, int]:
    """The caps themselves; temporal patches as many as the context holds (``get_mm_max_tokens_per_item``)."""
    patches = max(1, request.max_model_len() // processor.frame_cells)
    patches = min(patches, max(1, processor.most_frames // processor.temporal_patch_size))
    return {"image": _most_cells(processor, request), "video": patches * processor.frame_cells}


def _most_cells(processor: CappedCells, request: Request) -> int:
    return request.integer("image", "max_image_tokens", processor.most_cells)


def closest_cells(image: Image, cell: int, most: int) -> tuple[int, int]:
    """(rows, columns) of whole cells.

    >>> closest_cells(Image(1920, 1080), 28, 4096)
    (39, 69)
    """
    rows, columns = image.height / cell, image.width / cell
    ratio = columns / rows
    if rows * columns > most:
        rows = math.sqrt(most / ratio)
        columns = rows * ratio
    near = product({math.floor(rows), math.ceil(rows)}, {math.floor(columns), math.ceil(columns)})
    grids = [grid for grid in set(near) if min(grid) >= 1 and grid[0] * grid[1] <= most]
    if not grids:
        return max(1, round(rows)), max(1, round(columns))
    aspect = image.height / image.width
    return min(grids, key=lambda grid: abs(grid[0] / grid[1] - aspect))
