"""Choose the grid of tiles closest to an image's aspect ratio, as InternVL does.

Sources: vLLM 0.32 ``transformers_utils/processors/internvl.py: get_internvl_target_ratios, find_closest_aspect_ratio``
and the same functions of ``deepseek_ocr.py``, ``lfm2_vl.py`` and transformers ``models/got_ocr2``.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from vlm_operator.capacity.multimodal.items import Image


@lru_cache(maxsize=256)
def grids_between(least: int, most: int) -> tuple[tuple[int, int], ...]:
    """(columns, rows) of every grid of ``least`` to ``most`` tiles, by area.

    Equal areas stand in the processors' order: they sort a set, which therefore is filled in their order here too.
    """
    grids = set()
    for side in range(least, most + 1):
        for columns in range(1, min(side, most) + 1):
            # a later round adds the grids whose longer side is ``side``; shorter ones are there already
            first = side if side > least and columns < side else 1
            for rows in range(max(first, -(-least // columns)), min(side, most // columns) + 1):
                grids.add((columns, rows))
    return tuple(sorted(grids, key=lambda grid: grid[0] * grid[1]))


def closest_grid(image: Image, grids: Sequence[tuple[int, int]], tile: int) -> tuple[int, int]:
    """The grid of closest aspect ratio; of equals the later one where the image has pixels for half of its tiles."""
    aspect = image.width / image.height
    area = image.width * image.height
    best, best_difference = (1, 1), float("inf")
    half_tile = 0.5 * tile * tile
    for grid in grids:
        difference = abs(aspect - grid[0] / grid[1])
        if difference < best_difference:
            best, best_difference = grid, difference
        elif difference == best_difference and area > half_tile * grid[0] * grid[1]:
            best = grid
    return best
