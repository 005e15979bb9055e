"""Processors that resize to whole cells, filled from a config: what several families' records share.

Bounds live in ``preprocessor_config.json``; the defaults here are those of the published checkpoints
(``Qwen/Qwen2-VL-7B-Instruct`` for bounds over a frame).
"""

from __future__ import annotations

from dataclasses import replace

from vlm_operator.engine.video_sampling import FrameLoader
from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, PixelBounds, SmartResize
from vlm_operator.model.processors_audio import FramedAudio


def frame_bounded(family: str, vision: Config, files: Preprocessor) -> MultimodalFacts:
    """Images and videos whose bounds hold for each frame."""
    return MultimodalFacts(family, ("image", "video"), frame_bounded_resize(vision, files), FrameLoader.EVEN_PAIRS)


def frame_bounded_resize(vision: Config, files: Preprocessor, patch_size: int = 14) -> SmartResize:
    """Patches of 14 pixels, 2x2 merged, 3136 to 12,845,056 pixels an image and a frame."""
    image_least, image_most = files.image_bounds(56 * 56, 16384 * 28 * 28)
    video_least, video_most = files.video_bounds(56 * 56, 16384 * 28 * 28)
    return SmartResize(
        patch_size=vision.integer("patch_size", patch_size),
        merge_size=vision.integer("spatial_merge_size", 2),
        temporal_patch_size=vision.integer("temporal_patch_size", 2),
        image_min_pixels=image_least,
        image_max_pixels=image_most,
        video_min_pixels=video_least,
        video_max_pixels=video_most,
        video_bounds=PixelBounds.FRAME,
    )


def timed_resize(vision: Config, files: Preprocessor) -> SmartResize:
    """Each temporal patch carries its time; bounds hold for the whole video.

    Patches of 16 pixels, 2x2 merged, 65,536 to 16,777,216 pixels an image, 4,096 to 25,165,824 a video.
    """
    image_least, image_most = files.image_bounds(256 * 256, 4096 * 4096)
    video_least, video_most = files.video_bounds(64 * 64, 2 * 12288 * 32 * 32)
    return SmartResize(
        patch_size=vision.integer("patch_size", 16),
        merge_size=vision.integer("spatial_merge_size", 2),
        temporal_patch_size=vision.integer("temporal_patch_size", 2),
        image_min_pixels=image_least,
        image_max_pixels=image_most,
        video_min_pixels=video_least,
        video_max_pixels=video_most,
        video_bounds=PixelBounds.VIDEO,
        timestamps=True,
    )


def thinker_tokens(
    family: str, thinker: Config, files: Preprocessor, audio: FramedAudio, *, patch_size: int
) -> MultimodalFacts:
    """Bounds over a frame, frames of 128 to 768 tokens, and audio.

    The bounds of frames are fixed by transformers' processors (``processing_…_omni.py``, ``_defaults``); a size option
    brings back the files' bounds (vLLM ``qwen2_5_omni_thinker.py: _get_hf_mm_inputs``).
    """
    processor = frame_bounded_resize(thinker.section("vision_config"), files, patch_size)
    cell = (processor.patch_size * processor.merge_size) ** 2
    return MultimodalFacts(
        family,
        ("audio", "image", "video"),
        replace(
            processor,
            video_min_pixels=128 * cell,
            video_max_pixels=768 * cell,
            stated_video_bounds=(processor.video_min_pixels, processor.video_max_pixels),
        ),
        FrameLoader.EVEN_PAIRS,
        audio=audio,
    )


def require_files(config: Config, files: Preprocessor) -> None:
    """Refuse a family whose bounds differ by checkpoint where no preprocessor file says them.

    Raises:
        UnknownFact: no ``preprocessor_config.json`` is at hand.
    """
    if not files.image.values:
        family = config.text("model_type")
        raise UnknownFact(
            f"preprocessor_config.json is missing, and pixel bounds of {family} have no known default",
            field="preprocessor_config.max_pixels",
            hint="put preprocessor_config.json beside config.json",
        )
