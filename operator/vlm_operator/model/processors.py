"""How does a model family turn pixels into tokens? One frozen record per kind of processor, with its parameters.

Families that resize, tile or sample alike share a record; ``model.multimodal`` fills it from a ``config.json`` (and a
``preprocessor_config.json`` where one is at hand), ``capacity.multimodal`` counts with it. Sizes are pixels, sides of a
patch or tile are pixels, "tokens" are embeddings of the language model's sequence.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vlm_operator.engine.video_sampling import FrameLoader


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
class GlmResize:
    """Smart resize where an image counts as one temporal patch and bounds hold for frames x area (GLM-4.1V and later).

    Attributes:
        fractional_timestamps: True where a time reads ``3.0 seconds`` (GLM-4.6V), False for ``3`` (GLM-4.1V).
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
class SoftTokenBudget:
    """Images scaled up or down until their pooled patches fill a budget of soft tokens (Gemma 4).

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


@dataclass(frozen=True, slots=True)
class CanvasTiles:
    """Square tiles on the canvas that fits best, and a global tile beside more than one (Llama 4)."""

    tile_size: int
    tokens_per_tile: int
    max_tiles: int
    resize_to_max_canvas: bool = False


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


Processor = (
    SmartResize
    | GlmResize
    | PanAndScan
    | SoftTokenBudget
    | CanvasTiles
    | FixedTokens
    | AnyResolution
    | AspectTiles
    | UpscaleTiles
    | RowBreaks
    | LongestEdgeTiles
    | CandidateCanvases
    | OvisResize
    | PatchLimit
    | Slices
    | WindowPatches
    | OverlapCrops
    | HdTransform
    | DynamicHd
    | OcrViews
    | NaflexTiles
    | CoveringPartition
    | NativePatches
    | ProbedResize
)


@dataclass(frozen=True, slots=True)
class MultimodalFacts:
    """What counting the tokens of one model's images and videos needs.

    Attributes:
        family: name of the family, mostly the config's ``model_type``.
        modalities: what the model takes, in vLLM's order: ``image``, ``video``, ``audio``.
        processor: how pixels become tokens.
        frame_loader: which frames of a video vLLM 0.25 and later keeps.
        audio_tokens: encoder tokens of the largest audio item, 0 where the model takes no audio.
        item_limits: (modality, most items a prompt may hold) where the model itself has a limit.
    """

    family: str
    modalities: tuple[str, ...]
    processor: Processor
    frame_loader: FrameLoader = FrameLoader.UNIFORM
    audio_tokens: int = 0
    item_limits: tuple[tuple[str, int], ...] = ()
