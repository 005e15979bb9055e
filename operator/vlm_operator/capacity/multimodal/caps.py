"""Which cap keeps an item within a number of tokens, and what does it cost in resolution?"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vlm_operator.capacity.multimodal.qwen import largest_size
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.processors import (
    AspectTiles,
    CanvasTiles,
    GlmResize,
    MultimodalFacts,
    PatchLimit,
    PixelBounds,
    RowBreaks,
    Slices,
    SmartResize,
    SoftTokenBudget,
    UpscaleTiles,
)


@dataclass(frozen=True, slots=True)
class Cap:
    """One setting of a family's knob.

    Attributes:
        processor_kwargs: JSON text for ``--mm-processor-kwargs``, keys sorted.
        tokens: encoder tokens that no item of the modality exceeds with it.
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


def _kwargs(**options: Any) -> str:
    return json.dumps(options, sort_keys=True)


def _scoped(modality: str, least: int, most: int) -> str:
    size = {"size": {"longest_edge": most, "shortest_edge": least}}
    return _kwargs(**{"images_kwargs" if modality == "image" else "videos_kwargs": size})


def _area_price(what: str, pixels: int) -> str:
    return f"{what} above {pixels / 1e6:.1f} megapixels are scaled down"


def _smart_resize(processor: SmartResize, modality: str, tokens: int) -> Cap | None:
    cell = (processor.patch_size * processor.merge_size) ** 2
    if modality == "image":
        most = min(tokens * cell, processor.image_max_pixels)
        least = min(processor.image_min_pixels, most)
        kept = largest_size(processor.patch_size * processor.merge_size, most)
        held = kept[0] * kept[1] // cell
        return Cap(_scoped("image", least, most), held, most, _area_price("images", most))
    if processor.video_bounds is PixelBounds.FRAME:
        return None  # bounds each frame only: the whole video has no cap
    per_patch = processor.temporal_patch_size
    most = min(tokens * cell * per_patch, processor.video_max_pixels)
    least = min(processor.video_min_pixels, most)
    price = f"a video's frames are scaled down until all of them together hold {most / 1e6:.1f} megapixels"
    return Cap(_scoped("video", least, most), most // (cell * per_patch), most, price)


def _glm(processor: GlmResize, modality: str, tokens: int) -> Cap | None:
    cell = (processor.patch_size * processor.merge_size) ** 2
    per_patch = processor.temporal_patch_size
    image = modality == "image"
    most = min(tokens * cell * per_patch, processor.image_max_pixels if image else processor.video_max_pixels)
    least = min(processor.image_min_pixels if image else processor.video_min_pixels, most)
    area = most // per_patch if image else most
    held = most // (cell * per_patch)
    if not image:
        price = f"a video's frames are scaled down until all of them together hold {most / 1e6:.1f} megapixels"
        return Cap(_scoped("video", least, most), held, area, price)
    return Cap(_scoped("image", least, most), held, area, _area_price("images", area))


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
    if modality != "image":
        return None
    # padding adds at most one column and one row of cells to a grid of any shape; a square one is what the limit means
    merged = processor.merge_size**2
    limit = min(tokens * merged, processor.max_patches)
    area = limit * processor.patch_size**2
    return Cap(_kwargs(in_token_limit=limit), tokens, area, _area_price("images", area))


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
    GlmResize: _glm,
    SoftTokenBudget: _soft_tokens,
    RowBreaks: _row_breaks,
    PatchLimit: _patch_limit,
    CanvasTiles: _canvas,
    UpscaleTiles: _upscale,
    AspectTiles: _aspect,
    Slices: _slices,
}
