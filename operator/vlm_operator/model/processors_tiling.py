"""Processors that cut an image into tiles, crops or slices, mostly beside a view of the whole.

Sizes are pixels, sides of a patch or tile are pixels, "tokens" are embeddings of the language model's sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class PanAndScan:
    """One square view, with crops of elongated images where switched on (Gemma 3).

    Attributes:
        tokens_per_view: soft tokens of one view or crop.
        wrapper_tokens: tokens around each view (begin and end of image, blank lines).
        native_size: side of a view.
        enabled: ``do_pan_and_scan`` of the preprocessor.
    """

    tokens_per_view: int
    native_size: int
    wrapper_tokens: int = 4
    enabled: bool = False
    min_crop_size: int = 256
    max_crops: int = 4
    min_ratio: float = 1.2


@dataclass(frozen=True, slots=True)
class CanvasTiles:
    """Square tiles on the canvas that fits best, and a global tile beside more than one (Llama 4)."""

    tile_size: int
    tokens_per_tile: int
    max_tiles: int
    resize_to_max_canvas: bool = False


@dataclass(frozen=True, slots=True)
class AnyResolution:
    """A base view and a grid of tiles of the best listed resolution, without padding, one newline a row (LLaVA-NeXT).

    Attributes:
        tile_size: side of a tile and of the base view.
        patches_per_side: tokens a side of one tile.
        base_tokens: tokens of the base view.
        grid_pinpoints: (height, width) of the listed resolutions, in the config's order.
        max_tiles: tiles above which the grid is scaled down (LLaVA-OneVision ``anyres_max_9``), 0 for never.
        frame_tokens: tokens of a video frame, 0 where the model takes no video.
        max_video_frames: frames of the largest video that start-up assumes.
        largest_image: (width, height) that start-up takes for the largest image, None for the largest pinpoint.
    """

    tile_size: int
    patches_per_side: int
    base_tokens: int
    grid_pinpoints: tuple[tuple[int, int], ...]
    max_tiles: int = 0
    frame_tokens: int = 0
    max_video_frames: int = 0
    largest_image: tuple[int, int] | None = None


class VideoText(StrEnum):
    """The text before each frame of a tiled family's video."""

    NONE = "none"
    FRAME = "frame"
    """``Frame1: ``"""
    FRAME_LINES = "frameLines"
    """``Frame1: ``, a newline between frames"""
    SAMPLED = "sampled"
    """``Frame 1 sampled at 0.00 seconds: ``, counted as encoder output by vLLM"""


class GridChoice(StrEnum):
    """Which grid of tiles suits an image."""

    CLOSEST_ASPECT = "closestAspect"
    """The closest aspect ratio; of equals the larger grid where the image has pixels for half of it."""
    COVERED_AREA = "coveredArea"
    """The best product of covered area (up to 60 %) and closeness of aspect (Llama Nemotron Nano VL)."""


@dataclass(frozen=True, slots=True)
class AspectTiles:
    """Tiles on the grid of closest aspect ratio, and a thumbnail beside more than one (InternVL and relatives).

    Attributes:
        tokens_per_tile: encoder outputs of a tile.
        wrapper_tokens: begin and end tokens of an image, and of each video frame.
        min_tiles, max_tiles: bounds of the grid, without thumbnail.
        use_thumbnail: whether a thumbnail joins a grid of more than one tile.
        tiles_knob: the ``--mm-processor-kwargs`` key that sets ``max_tiles``, None where there is none.
        dynamic_knobs: True where ``min_dynamic_patch``, ``dynamic_image_size`` and ``use_thumbnail`` are such keys too.
        video_text: text before each frame.
        video_fills_context: True where start-up assumes a video as long as the context (Nemotron Nano VL).
        grid_choice: which grid suits an image.
        two_passes: True where the image is tiled a second time on another grid (H2OVL ``use_msac``).
        tile_tags: True where a tag token stands before each tile (NVLM).
        largest_image: (width, height) that start-up takes for the largest image, None for the grid with most tiles.
    """

    tile_size: int
    tokens_per_tile: int
    min_tiles: int
    max_tiles: int
    use_thumbnail: bool
    wrapper_tokens: int = 2
    tiles_knob: str | None = None
    dynamic_knobs: bool = False
    video_text: VideoText = VideoText.NONE
    video_fills_context: bool = False
    grid_choice: GridChoice = GridChoice.CLOSEST_ASPECT
    two_passes: bool = False
    tile_tags: bool = False
    largest_image: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class UpscaleTiles:
    """Tiles on the grid that needs the least upscaling, and a thumbnail beside more than one (Command A Vision).

    Attributes:
        line_break_tokens: prompt tokens after each tile.
    """

    tile_size: int
    tokens_per_tile: int
    max_tiles: int
    crop_to_tiles: bool = True
    line_break_tokens: int = 1
    wrapper_tokens: int = 2


@dataclass(frozen=True, slots=True)
class LongestEdgeTiles:
    """Longest edge scaled up or down to a size, then whole tiles and a global view (Idefics3, SmolVLM)."""

    longest_edge: int
    tile_size: int
    tokens_per_tile: int
    split: bool = True


@dataclass(frozen=True, slots=True)
class CandidateCanvases:
    """A global view and tiles of the listed canvas that keeps most pixels, newline columns included (DeepSeek-VL2).

    Attributes:
        side_tokens: tokens a side of one tile, before the newline column.
        canvases: (width, height) of the listed canvases.
    """

    tile_size: int
    side_tokens: int
    canvases: tuple[tuple[int, int], ...]


class SliceLayout(StrEnum):
    """How a sliced image's tokens are counted."""

    RESAMPLED = "resampled"
    """Each slice is resampled to one fixed number of tokens (MiniCPM-V 2.x to 4.5)."""
    MERGED = "merged"
    """Each slice keeps its own size, patches merged (MiniCPM-V 4.6)."""


@dataclass(frozen=True, slots=True)
class Slices:
    """An overview and slices whose grid follows the aspect ratio (MiniCPM-V).

    Attributes:
        scale_resolution: side of the square one slice is about as large as.
        max_slices: most slices beside the overview.
        tokens_per_slice: tokens of a slice where resampled, 0 where merged.
        video_slices: most slices of a video frame.
        dummy_side: width of the image that start-up takes for the largest, ``dummy_slices`` times as high.
        numbered: True where an image carries its number as text (2.6 and later).
        numbered_video: True where a video does (4.6; not 4.7).
    """

    layout: SliceLayout
    patch_size: int
    scale_resolution: int
    max_slices: int
    tokens_per_slice: int = 0
    video_slices: int = 1
    dummy_side: int = 448
    dummy_slices: int = 9
    numbered: bool = True
    numbered_video: bool = True
    max_video_frames: int = 16


@dataclass(frozen=True, slots=True)
class WindowPatches:
    """A view and sliding windows of a fixed size (Step3)."""

    view_tokens: int
    window_tokens: int
    enable_windows: bool = True
    window_size: int = 504
    view_size: int = 728
    longest_edge: int = 3024


@dataclass(frozen=True, slots=True)
class OverlapCrops:
    """A low-resolution view and crops that overlap by a margin, pooled (Molmo).

    Attributes:
        crop_size: side of a crop; ``patch_size`` that of a patch in it.
        left_margin, right_margin: patches of overlap.
        pooling_size: patches a side pooled into one token.
        view_side_tokens: tokens a side of the low-resolution view.
    """

    crop_size: int
    patch_size: int
    left_margin: int
    right_margin: int
    max_crops: int
    pooling_size: int = 2
    view_side_tokens: int = 12


@dataclass(frozen=True, slots=True)
class HdTransform:
    """The image on as many padded crops as its aspect allows, a separator column, and a global view (Phi-3-vision).

    Attributes:
        crop_size: side of a crop.
        side_tokens: tokens a side of a crop.
        max_crops: most crops (``num_crops``).
    """

    crop_size: int
    side_tokens: int
    max_crops: int


@dataclass(frozen=True, slots=True)
class DynamicHd:
    """Crops that cover the image, tokens of padding left out, and a global view (Phi-4-multimodal).

    Attributes:
        crop_size: side of a crop; ``patch_size`` that of a patch in it.
        compression: patches a side that become one token.
        max_crops: most crops (``dynamic_hd``).
    """

    crop_size: int
    patch_size: int
    compression: int
    max_crops: int


@dataclass(frozen=True, slots=True)
class OcrViews:
    """A global view, and tiles of another size for images larger than one tile (DeepSeek-OCR).

    Attributes:
        view_size, view_side_tokens: side of the global view, in pixels and in tokens.
        tile_size, tile_side_tokens: side of a tile, in pixels and in tokens.
        min_tiles, max_tiles: bounds of the grid of tiles.
        newlines: True where each row of tokens ends in a newline token.
    """

    view_size: int
    view_side_tokens: int
    tile_size: int
    tile_side_tokens: int
    min_tiles: int
    max_tiles: int
    newlines: bool


@dataclass(frozen=True, slots=True)
class NaflexTiles:
    """Native aspect ratio within a range of tokens; larger images in tiles with a thumbnail (LFM2-VL).

    Attributes:
        patch_size: side of a patch; ``downsample`` patches a side become one token.
        min_tokens, max_tokens: range of an untiled image and of the thumbnail.
        tile_size: side of a tile.
        min_tiles, max_tiles: bounds of the grid of tiles.
        tolerance: an image is tiled above ``max_tokens`` times this.
    """

    patch_size: int
    downsample: int
    min_tokens: int
    max_tokens: int
    tile_size: int
    min_tiles: int
    max_tiles: int
    tolerance: float


@dataclass(frozen=True, slots=True)
class CoveringPartition:
    """Parts whose grid covers most of the image when shrunk to one side, and the whole image (Ovis 1.6 and 2).

    Attributes:
        side: side of the square each part is shrunk into.
        tokens_per_part: tokens of a part.
        max_parts: most parts beside the whole image.
        threshold: share of the image's area that a good grid covers.
        dummy_side: side of the square image that start-up takes for the largest.
    """

    side: int
    tokens_per_part: int
    dummy_side: int
    max_parts: int = 9
    threshold: float = 0.9


@dataclass(frozen=True, slots=True)
class PooledCrops:
    """A low-resolution view and one joint grid of overlapping crops, all marks counted as encoder output (Molmo 2).

    Attributes:
        crop_size: side of a crop, and of the low-resolution view; ``patch_size`` that of a patch in it.
        left_margin, right_margin: patches of overlap.
        max_crops: most crops.
        pooling: (patches down, patches across) pooled into one token.
        column_marks: True where each row of the joint grid ends in a mark.
        view_column_marks: the same for the low-resolution view.
        frame_size, frame_pooling, frame_column_marks: the same for a video frame, which is one view.
        max_video_frames: frames of the largest video that start-up assumes.
    """

    crop_size: int
    patch_size: int
    left_margin: int
    right_margin: int
    max_crops: int
    pooling: tuple[int, int]
    column_marks: bool
    view_column_marks: bool
    frame_size: int
    frame_pooling: tuple[int, int]
    frame_column_marks: bool
    max_video_frames: int
