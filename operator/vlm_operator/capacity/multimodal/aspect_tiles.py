"""InternVL and relatives: tiles on the grid of closest aspect ratio, a thumbnail beside more than one.

Sources: vLLM 0.32 ``transformers_utils/processors/internvl.py``, ``model_executor/models/internvl.py``,
``nano_nemotron_vl.py`` and ``transformers_utils/processors/nano_nemotron_vl.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

from vlm_operator.capacity.multimodal.counting import count_image, count_video, dummy_image, dummy_video, largest_items
from vlm_operator.capacity.multimodal.grids import closest_grid, grids_between
from vlm_operator.capacity.multimodal.items import Image, ItemTokens
from vlm_operator.capacity.multimodal.request import Request, check_tiles
from vlm_operator.capacity.multimodal.timestamps import numbering_digits, whole_digits
from vlm_operator.engine.item_rules import KNOB_BREAKS_VIDEO_SINCE
from vlm_operator.engine.video_sampling import SampledFrames, VideoSource
from vlm_operator.errors import InputError
from vlm_operator.model.config import Config
from vlm_operator.model.processors import AspectTiles, GridChoice, VideoText

_DYNAMIC_KNOBS = ("max_dynamic_patch", "min_dynamic_patch", "dynamic_image_size", "use_thumbnail")
_PATCH_KNOBS = ("max_patches", "min_patches", "crop_to_patches")


@count_image.register
def _(processor: AspectTiles, image: Image, request: Request) -> ItemTokens:
    processor = _turned(processor, request)
    tiles = _tiles(processor, image, *_tile_bounds(processor, request))
    tokens = tiles * processor.tokens_per_tile
    return ItemTokens(tokens + processor.wrapper_tokens + (tiles if processor.tile_tags else 0), tokens)


@count_video.register
def _(processor: AspectTiles, source: VideoSource, frame: Image, request: Request) -> ItemTokens:
    if "video" not in request.facts.modalities:
        raise InputError(
            f"video: {request.facts.family} does not support videos here", field="video", hint="send images"
        )
    _tile_bounds(processor, request)
    frames = request.sample(source)
    count = frames.count
    tokens = count * processor.tokens_per_tile
    total = tokens + count * processor.wrapper_tokens
    if processor.video_text in {VideoText.FRAME, VideoText.FRAME_LINES}:  # "FrameN: "
        total += 3 * count + numbering_digits(count)
    if processor.video_text is VideoText.FRAME_LINES:
        total += count - 1
    if processor.video_text is VideoText.SAMPLED:
        total += _sampled_at_tokens(frames)
        tokens = total
    return ItemTokens(total, tokens, count, (processor.tile_size, processor.tile_size))


@largest_items.register
def _(processor: AspectTiles, request: Request) -> Mapping[str, int]:
    processor = _turned(processor, request)
    bounds = _tile_bounds(processor, request)
    largest = {}
    assumed, assumed_bounds = _assumed(processor, bounds, request)
    width, height = _largest_image(assumed, *assumed_bounds)
    if request.counted("image"):
        image = width, height
        dummy = Image(*image) if processor.video_fills_context else dummy_image(request, *image)
        largest["image"] = _tiles(processor, dummy, *bounds) * processor.tokens_per_tile
    if request.counted("video"):
        if processor.video_fills_context:
            largest["video"] = request.max_model_len()
        else:
            image_tokens = _tiles(assumed, Image(width, height), *assumed_bounds) * processor.tokens_per_tile
            room = request.max_model_len() - image_tokens * request.counted("image")
            _, frames = dummy_video(request, 1, 1, max(1, room // processor.tokens_per_tile))
            largest["video"] = frames * processor.tokens_per_tile
    return largest


def _assumed(processor: AspectTiles, bounds: tuple[int, int], request: Request) -> tuple[AspectTiles, tuple[int, int]]:
    """The processor and bounds that choose start-up's largest image; Hugging Face's format reads flat options only."""
    own = request.facts.processor
    if processor.tiles_knob != _PATCH_KNOBS[0] or not isinstance(own, AspectTiles):
        return processor, bounds
    flat = _cropped(own, request.flat())
    check_tiles(flat.max_tiles, "mm-processor-kwargs.max_patches")
    return flat, (min(flat.min_tiles, flat.max_tiles), flat.max_tiles)


def _turned(processor: AspectTiles, request: Request) -> AspectTiles:
    """The processor with the options that InternVL's image processor takes where no video processor is beside it, or
    that the Hugging Face format's takes."""
    if processor.tiles_knob == _PATCH_KNOBS[0]:
        return _cropped(processor, request.scoped("image"))
    if not processor.dynamic_knobs:
        return processor
    thumbnail = request.boolean("image", "use_thumbnail", processor.use_thumbnail)
    least = request.integer("image", "min_dynamic_patch", processor.min_tiles)
    if not request.boolean("image", "dynamic_image_size", True):
        return replace(processor, use_thumbnail=thumbnail, min_tiles=1, max_tiles=1, tiles_knob=None)
    if (thumbnail, least) == (processor.use_thumbnail, processor.min_tiles):
        return processor
    return replace(processor, use_thumbnail=thumbnail, min_tiles=least)


def _cropped(processor: AspectTiles, options: Mapping[str, Any]) -> AspectTiles:
    """InternVL in Hugging Face's format with these options: cropping is on unless switched off."""
    given = Config(options, "mm-processor-kwargs")
    if not given.boolean("crop_to_patches", True):
        return replace(processor, max_tiles=1, largest_image=(processor.tile_size, processor.tile_size))
    return replace(
        processor,
        min_tiles=given.integer("min_patches", processor.min_tiles),
        max_tiles=given.integer("max_patches", processor.max_tiles),
        largest_image=None if given.has("crop_to_patches") else processor.largest_image,
    )


def _tile_bounds(processor: AspectTiles, request: Request) -> tuple[int, int]:
    """(least, most) tiles of the grid.

    Raises:
        InputError: ``max_dynamic_patch`` as processor argument where it breaks vLLM's video processor.
    """
    knob = processor.tiles_knob
    if knob is None and request.version < KNOB_BREAKS_VIDEO_SINCE:
        knob = "max_dynamic_patch"
    for key in _DYNAMIC_KNOBS:
        if "video" in request.facts.modalities and key in request.processor_kwargs and key != knob:
            raise InputError(
                f"mm-processor-kwargs.{key}: vLLM fails with it on {request.facts.family} (the video processor takes no"
                " such argument)",
                field=f"mm-processor-kwargs.{key}",
                hint=f"set it in the model's config instead: --hf-overrides '{{\"{key}\": …}}'",
            )
    if knob == _PATCH_KNOBS[0]:
        request.allow(*_PATCH_KNOBS)
        most = check_tiles(processor.max_tiles, "mm-processor-kwargs.max_patches")
        return min(processor.min_tiles, most), most
    request.allow(*(_DYNAMIC_KNOBS if processor.dynamic_knobs else (knob,) if knob else ()))
    most = request.tiles(knob or "max_dynamic_patch", processor.max_tiles, knob=knob is not None)
    return min(processor.min_tiles, most), most


def _tiles(processor: AspectTiles, image: Image, least: int, most: int) -> int:
    """Tiles of an image, thumbnail included."""
    if processor.two_passes:
        return _tiles_of_two_passes(processor, image, most)
    columns, rows = _grid(processor, image, grids_between(least, most))
    tiles = columns * rows
    return tiles + 1 if processor.use_thumbnail and tiles != 1 else tiles


def _tiles_of_two_passes(processor: AspectTiles, image: Image, most: int) -> int:
    """A second grid of at least three tiles whose sides do not divide the first's; one thumbnail for both."""
    first = _grid(processor, image, grids_between(1, most))
    others = tuple(grid for grid in grids_between(3, most) if first[0] % grid[0] and first[1] % grid[1])
    second = _grid(processor, image, others)
    tiles = [columns * rows for columns, rows in (first, second)]
    return sum(count + 1 if count != 1 else count for count in tiles) - 1


def _grid(processor: AspectTiles, image: Image, grids: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    """(columns, rows) of the grid that suits the image."""
    if processor.grid_choice is GridChoice.COVERED_AREA:
        return _covering_grid(processor, image, grids)
    return closest_grid(image, grids, processor.tile_size)


def _covering_grid(processor: AspectTiles, image: Image, grids: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    aspect = image.width / image.height
    area = image.width * image.height
    best, best_factor = (1, 1), float("-inf")
    for columns, rows in grids:
        covered = min(columns * rows * processor.tile_size * processor.tile_size / area, 0.6)
        factor = covered * min(columns / rows / aspect, aspect / (columns / rows))
        if factor > best_factor:
            best, best_factor = (columns, rows), factor
    return best


@lru_cache(maxsize=64)
def _largest_image(processor: AspectTiles, least: int, most: int) -> tuple[int, int]:
    """(width, height) of the first grid with most tiles, among those with room for the thumbnail too."""
    if processor.largest_image is not None:
        return processor.largest_image
    room = most + 1 if processor.use_thumbnail and most != 1 and not processor.video_fills_context else most
    side = processor.tile_size
    sizes = [(side * columns, side * rows) for columns, rows in grids_between(least, room)]
    return max(sizes, key=lambda size: _tiles(processor, Image(*size), least, most))


def _sampled_at_tokens(frames: SampledFrames) -> int:
    """``Frame 1 sampled at 0.00 seconds: `` before each frame, a newline between them."""
    milliseconds = int(1000 / frames.source.frames_per_second)
    count = frames.count

    def moment(position: int) -> float:
        return frames.index(position) * milliseconds / 1000.0

    return 11 * count + numbering_digits(count) + whole_digits(count, moment, 2) + count - 1
