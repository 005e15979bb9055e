"""Processors that keep an image in one piece: resized to whole cells, within bounds, or at a fixed cost.

Sizes are pixels, sides of a patch are pixels, "tokens" are embeddings of the language model's sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PixelBounds(StrEnum):
    """What the pixel bounds of a video limit."""

    FRAME = "frame"
    """Each frame on its own: the video as a whole has no bound."""
    VIDEO = "video"
    """Frames x height x width: the whole video."""


class ThinSide(StrEnum):
    """What smart resize does with a side below one cell."""

    KEEP = "keep"
    """Nothing: the side may round to zero cells before the bounds enlarge it (Qwen-VL)."""
    ENLARGE = "enlarge"
    """The item is enlarged until the side is one cell (Keye, PaddleOCR-VL)."""
    CLIP = "clip"
    """The side becomes one cell, the other at most 200 times as long: nothing is refused (ERNIE 4.5 VL)."""


@dataclass(frozen=True, slots=True)
class SmartResize:
    """Sides rounded to whole cells, area kept between bounds, aspect ratio kept (Qwen-VL and its relatives).

    Attributes:
        patch_size: side of a vision patch.
        merge_size: patches a side that become one token.
        temporal_patch_size: frames that become one temporal patch.
        image_min_pixels, image_max_pixels: bounds of an image's area after resizing.
        video_min_pixels, video_max_pixels: the same for a video, see ``video_bounds``.
        video_bounds: whether video bounds hold for a frame or for the whole video.
        timestamps: True where each temporal patch carries its time as text (``<1.5 seconds>``).
        thin_side: what happens to a side below one cell.
        image_wrapper_tokens, video_wrapper_tokens: begin and end tokens the chat template puts around an item.
        stated_video_bounds: (min, max) pixels of a video once any size option is stated flat, None where the bounds
            above hold then too (Qwen-Omni falls back to the video processor's own).
    """

    patch_size: int
    merge_size: int
    temporal_patch_size: int
    image_min_pixels: int
    image_max_pixels: int
    video_min_pixels: int
    video_max_pixels: int
    video_bounds: PixelBounds
    timestamps: bool = False
    thin_side: ThinSide = ThinSide.KEEP
    image_wrapper_tokens: int = 2
    video_wrapper_tokens: int = 2
    stated_video_bounds: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class ProbedResize:
    """Smart resize of images; start-up probes a huge square and adds frames of it while they fit (ERNIE 4.5 VL, Keye).

    Attributes:
        temporal_patch_size: frames that become one temporal patch.
        min_pixels, max_pixels: bounds of an image's area after resizing.
        even_frames: True where start-up drops an odd last frame.
        min_frames, max_frames: bounds of the frames that start-up takes; ``max_frames`` is 0 for no bound.
        reserves_every_image: True where start-up leaves room for as many images as a prompt may hold, not for one.
        thin_side: what happens to a side below one cell.
    """

    patch_size: int
    merge_size: int
    temporal_patch_size: int
    min_pixels: int
    max_pixels: int
    even_frames: bool
    min_frames: int
    max_frames: int = 0
    reserves_every_image: bool = False
    thin_side: ThinSide = ThinSide.KEEP
    wrapper_tokens: int = 2


@dataclass(frozen=True, slots=True)
class VolumeResize:
    """Smart resize where an image counts as one temporal patch and bounds hold for frames x area.

    Attributes:
        fractional_timestamps: True where a time reads ``3.0 seconds``, False for ``3``.
    """

    patch_size: int
    merge_size: int
    temporal_patch_size: int
    image_min_pixels: int
    image_max_pixels: int
    video_min_pixels: int
    video_max_pixels: int
    fractional_timestamps: bool = True
    image_wrapper_tokens: int = 2


@dataclass(frozen=True, slots=True)
class OvisResize:
    """Smart resize with bounds that flags do not reach; markers count as encoder output (Ovis2.5)."""

    patch_size: int
    hidden_stride: int
    temporal_patch_size: int
    min_pixels: int
    max_pixels: int
    dummy_side: int


@dataclass(frozen=True, slots=True)
class SoftTokenBudget:
    """Images scaled up or down until their pooled patches fill a budget of soft tokens.

    Attributes:
        pooling_size: patches a side that are pooled into one soft token.
        image_tokens: default budget of an image.
        frame_tokens: budget of a video frame.
        max_frames: frames of the largest video that start-up assumes.
    """

    patch_size: int
    pooling_size: int
    image_tokens: int
    frame_tokens: int = 70
    max_frames: int = 32


class Rounding(StrEnum):
    """How a scaled-down side becomes whole pixels."""

    FLOOR = "floor"
    NEAREST = "nearest"


@dataclass(frozen=True, slots=True)
class RowBreaks:
    """Images shrunk to a longest edge and cut into cells, one break or end token a row (Pixtral, Mistral Small 3).

    Attributes:
        cell_size: pixels a side of one token.
        longest_edge: no side stays longer than this.
        size_knob: True where ``{"size": {"longest_edge": N}}`` as ``--mm-processor-kwargs`` reaches the count.
        breaks: False where rows are not marked (LightOnOCR).
    """

    cell_size: int
    longest_edge: int
    rounding: Rounding = Rounding.FLOOR
    size_knob: bool = False
    breaks: bool = True


@dataclass(frozen=True, slots=True)
class PatchLimit:
    """Native resolution, shrunk only above a number of patches and padded up to whole cells (Kimi-VL).

    Attributes:
        max_patches: patches above which an image is shrunk (``in_token_limit``).
        wrapper_tokens: tokens the chat template puts around the item.
        dummy_side: side of the square that start-up takes for the largest image.
        side_patches: patches a side is shrunk to, 0 where sides have no limit of their own (``patch_limit_on_one_side``
            of Kimi-K2.5).
        fixed_tokens: tokens of every image, 0 for as many as it has cells (``fixed_output_tokens``).
    """

    patch_size: int
    merge_size: int
    max_patches: int
    wrapper_tokens: int
    dummy_side: int = 1024
    side_patches: int = 0
    fixed_tokens: int = 0


@dataclass(frozen=True, slots=True)
class NewlineCells:
    """Smart resize with bounds that flags do not reach; a newline behind each row of cells, marks around (HunyuanVL).

    Attributes:
        min_pixels, max_pixels: bounds of an image's area after resizing.
        marks: tokens of encoder output beside cells and newlines (``cat_extra_token``).
        wrapper_tokens: begin and end tokens the chat template puts around the item.
    """

    patch_size: int
    merge_size: int
    min_pixels: int
    max_pixels: int
    marks: int = 2
    wrapper_tokens: int = 2


@dataclass(frozen=True, slots=True)
class CappedCells:
    """The grid of cells closest to the item's aspect ratio, never above a number of cells (Muse Glimmer).

    Attributes:
        temporal_patch_size: frames that become one temporal patch.
        most_cells: most cells of an image.
        frame_cells: most cells of a temporal patch.
        most_frames: frames of the longest video.
    """

    patch_size: int
    merge_size: int
    temporal_patch_size: int
    most_cells: int
    frame_cells: int
    most_frames: int
    wrapper_tokens: int = 2


@dataclass(frozen=True, slots=True)
class NativePatches:
    """Native resolution in patches, scaled into a range that the context bounds too (Nemotron 3 Nano Omni).

    Attributes:
        downsample: patches a side that become one token.
        min_patches, max_patches: range of an image; ``max_patches`` is 0 where only the context bounds it.
        frame_patches: patches that a video frame is resized to about.
        frame_keeps_aspect: False where every frame becomes a square.
        frames_per_patch: frames that become one temporal patch (tubelet).
        wrapper_tokens: begin and end tokens of an image, and of each temporal patch.
    """

    patch_size: int
    downsample: int
    min_patches: int
    max_patches: int
    frame_patches: int
    frame_keeps_aspect: bool
    frames_per_patch: int
    wrapper_tokens: int = 2


@dataclass(frozen=True, slots=True)
class FixedTokens:
    """Every image costs the same, whatever its size (LLaVA 1.5, PaliGemma, BLIP-2, Gemma 3n …).

    Attributes:
        tokens: encoder outputs of an image.
        wrapper_tokens: prompt tokens beside them.
        video_frame_tokens: encoder outputs of a video frame, 0 where the model takes no video.
        video_extra_tokens: encoder outputs a video has beside its frames'.
        max_video_frames: frames of the largest video that start-up assumes, 0 for as many as the context holds.
    """

    tokens: int
    wrapper_tokens: int = 0
    video_frame_tokens: int = 0
    video_extra_tokens: int = 0
    max_video_frames: int = 0


@dataclass(frozen=True, slots=True)
class SearchedScale:
    """The scale whose whole cells come closest to a range of patches, found by bisection (Isaac).

    Attributes:
        cell_patches: patches a side that become one token.
        min_patches, max_patches: range of an image.
        assumed_tokens: tokens that start-up takes for the largest image.
    """

    patch_size: int
    cell_patches: int
    min_patches: int
    max_patches: int
    assumed_tokens: int
