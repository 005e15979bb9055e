"""How pixels become tokens: one frozen record per kind of processor, with its parameters.

Families that resize, tile or sample alike share a record; ``model.multimodal`` fills it from a ``config.json`` (and a
``preprocessor_config.json`` where one is at hand), ``capacity.multimodal`` counts with it. Sizes are pixels, sides of a
patch or tile are pixels, "tokens" are embeddings of the language model's sequence.
"""

from __future__ import annotations

from dataclasses import dataclass

from vlm_operator.engine.video_sampling import FrameLoader
from vlm_operator.model.processors_audio import FramedAudio
from vlm_operator.model.processors_resizing import (
    CappedCells,
    FixedTokens,
    NativePatches,
    NewlineCells,
    OvisResize,
    PatchLimit,
    PixelBounds,
    ProbedResize,
    Rounding,
    RowBreaks,
    SearchedScale,
    SmartResize,
    SoftTokenBudget,
    ThinSide,
    VolumeResize,
)
from vlm_operator.model.processors_tiling import (
    AnyResolution,
    AspectTiles,
    CandidateCanvases,
    CanvasTiles,
    CoveringPartition,
    DynamicHd,
    GridChoice,
    HdTransform,
    LongestEdgeTiles,
    NaflexTiles,
    OcrViews,
    OverlapCrops,
    PanAndScan,
    PooledCrops,
    SliceLayout,
    Slices,
    UpscaleTiles,
    VideoText,
    WindowPatches,
)

__all__ = [
    "AnyResolution",
    "AspectTiles",
    "CandidateCanvases",
    "CanvasTiles",
    "CappedCells",
    "CoveringPartition",
    "DynamicHd",
    "FixedTokens",
    "FramedAudio",
    "GridChoice",
    "HdTransform",
    "LongestEdgeTiles",
    "MultimodalFacts",
    "NaflexTiles",
    "NativePatches",
    "NewlineCells",
    "OcrViews",
    "OverlapCrops",
    "OvisResize",
    "PanAndScan",
    "PatchLimit",
    "PixelBounds",
    "PooledCrops",
    "ProbedResize",
    "Processor",
    "Rounding",
    "RowBreaks",
    "SearchedScale",
    "SliceLayout",
    "Slices",
    "SmartResize",
    "SoftTokenBudget",
    "ThinSide",
    "UpscaleTiles",
    "VideoText",
    "VolumeResize",
    "WindowPatches",
]

Processor = (
    SmartResize
    | VolumeResize
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
    | CappedCells
    | NewlineCells
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
    | SearchedScale
    | PooledCrops
)


@dataclass(frozen=True, slots=True)
class MultimodalFacts:
    """What counting the tokens of one model's images, videos and sounds needs.

    Attributes:
        family: name of the family, mostly the config's ``model_type``.
        modalities: what the model takes, in vLLM's order: ``image``, ``video``, ``audio``.
        processor: how pixels become tokens, None for a model that only hears.
        frame_loader: which frames of a video vLLM 0.25 and later keeps.
        audio: how sound becomes tokens, None where the model takes none or its rule is not known.
        uncounted: modalities that vLLM takes too, whose tokens are not known.
        audio_frames: frames of the audio encoder behind one of its tokens where it is a transformer much like the
            vision tower, whose figures then stand for it; 0: what it takes at start-up is not known.
        item_limits: (modality, most items a prompt may hold) where the model itself has a limit.
    """

    family: str
    modalities: tuple[str, ...]
    processor: Processor | None
    frame_loader: FrameLoader = FrameLoader.UNIFORM
    audio: FramedAudio | None = None
    item_limits: tuple[tuple[str, int], ...] = ()
    uncounted: tuple[str, ...] = ()
    audio_frames: int = 0
