"""Find the pixel or frame cap that keeps an item within a number of tokens, and its cost in resolution."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from vlm_operator.capacity.multimodal.resize import MAX_ASPECT_RATIO
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.processors import (
    AspectTiles,
    CanvasTiles,
    MultimodalFacts,
    PatchLimit,
    PixelBounds,
    RowBreaks,
    Slices,
    SmartResize,
    SoftTokenBudget,
    UpscaleTiles,
    VolumeResize,
)

_LONGEST_PATCH_ROW: Final = 511
"""Patches along one side that Kimi-VL's processor refuses to exceed (``image_processing_kimi_vl.py``: below 512)."""


@dataclass(frozen=True, slots=True)
class Cap:
    """One setting of a family's knob.

    Attributes:
        processor_kwargs: JSON text for ``--mm-processor-kwargs``, keys sorted.
        tokens: encoder tokens that no item of the modality exceeds with it; a video does only where it is so long, or
            so elongated, that its frames shrink to one row or column of cells.
        pixels: area above which images, or whole videos, are scaled down; None where the knob counts tiles or tokens.
        price: the price in words, for plans.
    """

    processor_kwargs: str
    tokens: int
    pixels: int | None
    price: str

    @property
    def megapixels(self) -> float | None:
        """``pixels`` in millions."""
        return None if self.pixels is None else self.pixels / 1e6


def cap_for_tokens(facts: MultimodalFacts, modality: str, tokens: int, version: EngineVersion) -> Cap | None:
    """The loosest setting of the family's knob that keeps every item of ``modality`` within ``tokens``.

    None where the family has no such knob on that release, or where even its tightest setting needs more.
    """
    if modality not in facts.modalities or tokens < 1:
        return None
    build = _CAPS.get(type(facts.processor))
    return build(facts.processor, modality, tokens) if build else None


def frame_cap_for_tokens(facts: MultimodalFacts, tokens: int, version: EngineVersion) -> Cap | None:
    """The loosest setting that keeps every pair of frames within ``tokens``, where a family bounds frames one by one.

    ``Cap.tokens`` is what a pair of frames holds: the video as a whole still grows with its length. None where the
    family bounds the whole video, or nothing.
    """
    processor = facts.processor
    if "video" not in facts.modalities or tokens < 1 or not isinstance(processor, SmartResize):
        return None
    if processor.video_bounds is not PixelBounds.FRAME:
        return None
    cell = (processor.patch_size * processor.merge_size) ** 2
    most = min(tokens * cell, processor.video_max_pixels)
    least = min(processor.video_min_pixels, most)
    return Cap(_scoped("video", least, most), most // cell, most, _area_price("video frames", most))


def _kwargs(**options: Any) -> str:
    return json.dumps(options, sort_keys=True)


def _scoped(modality: str, least: int, most: int) -> str:
    size = {"size": {"longest_edge": most, "shortest_edge": least}}
    return _kwargs(**{"images_kwargs" if modality == "image" else "videos_kwargs": size})


def _area_price(what: str, pixels: int) -> str:
    return f"{what} above {pixels / 1e6:.1f} megapixels are scaled down"


def _image_cells(tokens: int, default_least: int, default_most: int) -> tuple[int, int] | None:
    """(min, max) cells of an image that keep every shape within ``tokens``, None where no bounds do.

    Bounds are not exact where a side is cut to one cell (an image of 200:1 then keeps the square root of 200 times the
    bound) and where a small image is enlarged to the lower bound, each side rounded up.
    """
    most = min(tokens if tokens >= MAX_ASPECT_RATIO else tokens * tokens // MAX_ASPECT_RATIO, default_most)
    if most < 1:
        return None
    rim = (math.sqrt(MAX_ASPECT_RATIO) + 1 / math.sqrt(MAX_ASPECT_RATIO)) / 2
    enlarged = int((math.sqrt(rim * rim + tokens - 1) - rim) ** 2)
    return min(default_least, most, enlarged), most


def _smart_resize(processor: SmartResize, modality: str, tokens: int) -> Cap | None:
    side = processor.patch_size * processor.merge_size
    cell = side * side
    if modality == "image":
        cells = _image_cells(tokens, processor.image_min_pixels // cell, processor.image_max_pixels // cell)
        if cells is None:
            return None
        most = cells[1] * cell
        return Cap(_scoped("image", max(1, cells[0] * cell), most), _held(cells[1]), most, _area_price("images", most))
    if processor.video_bounds is PixelBounds.FRAME:
        return None  # bounds each frame only: the whole video has no cap
    return _whole_video(tokens, cell * processor.temporal_patch_size, processor.video_min_pixels, processor)


def _held(most: int) -> int:
    """Cells of the shape that takes most: within the bound, or one row of an image of 200:1."""
    return max(most, math.isqrt(MAX_ASPECT_RATIO * most))


def _whole_video(tokens: int, cell: int, default_least: int, processor: SmartResize | VolumeResize) -> Cap:
    most = min(tokens * cell, processor.video_max_pixels)
    price = f"a video's frames are scaled down until all of them together hold {most / 1e6:.1f} megapixels"
    return Cap(_scoped("video", min(default_least, most), most), most // cell, most, price)


def _glm(processor: VolumeResize, modality: str, tokens: int) -> Cap | None:
    per_patch = processor.temporal_patch_size
    cell = (processor.patch_size * processor.merge_size) ** 2 * per_patch
    if modality == "video":
        return _whole_video(tokens, cell, processor.video_min_pixels, processor)
    cells = _image_cells(tokens, processor.image_min_pixels // cell, processor.image_max_pixels // cell)
    if cells is None:
        return None
    most = cells[1] * cell
    area = most // per_patch
    return Cap(_scoped("image", max(1, cells[0] * cell), most), _held(cells[1]), area, _area_price("images", area))


def _soft_tokens(processor: SoftTokenBudget, modality: str, tokens: int) -> Cap | None:
    choices = [choice for choice in (1120, 560, 280, 140, 70) if choice <= min(tokens, processor.image_tokens)]
    if modality != "image" or not choices:
        return None
    area = choices[0] * (processor.patch_size * processor.pooling_size) ** 2
    return Cap(
        _kwargs(max_soft_tokens=choices[0]), choices[0], area, f"images are scaled to {area / 1e6:.2f} megapixels"
    )


def _row_breaks(processor: RowBreaks, modality: str, tokens: int) -> Cap | None:
    side = int(tokens**0.5)
    if modality != "image" or not processor.size_knob or not side:
        return None
    edge = min(side * processor.cell_size, processor.longest_edge)
    held = (-(-edge // processor.cell_size)) ** 2
    price = f"images with a side above {edge} pixels are scaled down"
    return Cap(_kwargs(size={"longest_edge": edge}), held, edge * edge, price)


def _patch_limit(processor: PatchLimit, modality: str, tokens: int) -> Cap | None:
    """The limit counts patches before both sides are padded to whole cells: an image of one long row is the worst.

    Kimi K2.5, whose processor bounds a side beside the area, has no such flag.
    """
    merged, row = processor.merge_size**2, _LONGEST_PATCH_ROW
    rim = row / processor.merge_size + 1
    limit = min(int((tokens - rim) * merged * row / (row + processor.merge_size)), processor.max_patches)
    if modality != "image" or limit < row or processor.side_patches:
        return None
    area = limit * processor.patch_size**2
    held = int(limit / merged + rim + limit / row / processor.merge_size)
    return Cap(_kwargs(in_token_limit=limit), held, area, _area_price("images", area))


def _tile_cap(
    tokens: int, knob: str, *, per_tile: int, most: int, tile: int, tiles_in_all: Callable[[int], int]
) -> Cap | None:
    fitting = [tiles for tiles in range(most, 0, -1) if tiles_in_all(tiles) * per_tile <= tokens]
    if not fitting:
        return None
    chosen = fitting[0]
    area = chosen * tile * tile
    return Cap(_kwargs(**{knob: chosen}), tiles_in_all(chosen) * per_tile, area, _area_price("images", area))


def _with_overview(tiles: int) -> int:
    return tiles if tiles == 1 else tiles + 1


def _canvas(processor: CanvasTiles, modality: str, tokens: int) -> Cap | None:
    if modality != "image":
        return None
    return _tile_cap(
        tokens,
        "max_patches",
        per_tile=processor.tokens_per_tile,
        most=processor.max_tiles,
        tile=processor.tile_size,
        tiles_in_all=_with_overview,
    )


def _upscale(processor: UpscaleTiles, modality: str, tokens: int) -> Cap | None:
    if modality != "image" or not processor.crop_to_tiles:
        return None
    return _tile_cap(
        tokens,
        "max_patches",
        per_tile=processor.tokens_per_tile,
        most=processor.max_tiles,
        tile=processor.tile_size,
        tiles_in_all=_with_overview,
    )


def _aspect(processor: AspectTiles, modality: str, tokens: int) -> Cap | None:
    if modality != "image" or processor.tiles_knob is None:
        return None
    tiles_in_all = _with_overview if processor.use_thumbnail else lambda tiles: tiles
    return _tile_cap(
        tokens,
        processor.tiles_knob,
        per_tile=processor.tokens_per_tile,
        most=processor.max_tiles,
        tile=processor.tile_size,
        tiles_in_all=tiles_in_all,
    )


def _slices(processor: Slices, modality: str, tokens: int) -> Cap | None:
    if modality != "image" or not processor.tokens_per_slice:
        return None
    return _tile_cap(
        tokens,
        "max_slice_nums",
        per_tile=processor.tokens_per_slice,
        most=processor.max_slices,
        tile=processor.scale_resolution,
        tiles_in_all=_with_overview,
    )


_CAPS: dict[type, Callable[[Any, str, int], Cap | None]] = {
    SmartResize: _smart_resize,
    VolumeResize: _glm,
    SoftTokenBudget: _soft_tokens,
    RowBreaks: _row_breaks,
    PatchLimit: _patch_limit,
    CanvasTiles: _canvas,
    UpscaleTiles: _upscale,
    AspectTiles: _aspect,
    Slices: _slices,
}
