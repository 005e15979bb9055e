"""Readers of the families that resize to whole cells: Qwen-VL, Ovis2.5, Kimi-VL.

Bounds live in ``preprocessor_config.json``; the defaults here are those of the published checkpoints (Hugging Face,
``Qwen/Qwen2-VL-7B-Instruct``, ``AIDC-AI/Ovis2.5-9B``, ``moonshotai/Kimi-VL-A3B-Instruct``).
"""

from __future__ import annotations

from dataclasses import replace

from vlm_operator.engine.video_sampling import FrameLoader
from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.multimodal.families import patches_along, reads
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import (
    MultimodalFacts,
    OvisResize,
    PatchLimit,
    PixelBounds,
    ProbedResize,
    SearchedScale,
    SmartResize,
    ThinSide,
)


@reads(
    "Qwen2VLForConditionalGeneration",
    "Qwen2_5_VLForConditionalGeneration",
    model_types=("qwen2_vl", "qwen2_5_vl"),
)
def read_qwen2_vl(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Qwen2-VL and Qwen2.5-VL: bounds hold for each video frame."""
    family = config.text("model_type") or "qwen2_vl"
    return MultimodalFacts(
        family, ("image", "video"), qwen2_processor(config.section("vision_config"), files), FrameLoader.QWEN2_VL
    )


def qwen2_processor(vision: Config, files: Preprocessor, patch_size: int = 14) -> SmartResize:
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


@reads("Ovis2_5", "Ovis2_6ForCausalLM", "Ovis2_6_MoeForCausalLM", model_types=("ovis2_5",))
def read_ovis2_5(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Ovis2.5: vLLM's own processor with fixed bounds (448x448 to 1792x1792)."""
    vision = config.section("vit_config")
    patches_along(1792, vision.integer("patch_size", 16), "vit_config.patch_size")
    return MultimodalFacts(
        "ovis2_5",
        ("image", "video"),
        OvisResize(
            patch_size=vision.integer("patch_size", 16),
            hidden_stride=vision.integer("hidden_stride", 2),
            temporal_patch_size=vision.integer("temporal_patch_size", 1),
            min_pixels=448 * 448,
            max_pixels=1792 * 1792,
            dummy_side=1792,
        ),
        item_limits=(("video", 1),),
    )


@reads("KimiVLForConditionalGeneration", model_types=("kimi_vl",))
def read_kimi_vl(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Kimi-VL: native resolution up to ``in_token_limit`` patches."""
    kernel = files.image.items("merge_kernel_size") or [2, 2]
    return MultimodalFacts(
        "kimi_vl",
        ("image",),
        PatchLimit(
            patch_size=files.image.integer("patch_size", 14),
            merge_size=Config({"merge_kernel_size": kernel[0]}).integer("merge_kernel_size"),
            max_patches=files.image.integer("in_token_limit", 4096),
            wrapper_tokens=4,
        ),
    )


@reads("KimiK25ForConditionalGeneration", model_types=("kimi_k25",))
def read_kimi_k25(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Kimi-K2.5 and K2.6 (``moonshotai/Kimi-K2.5``: 16,384 patches of 14 pixels at most, 512 along a side).

    vLLM cuts a video into chunks of frames (``vision_chunk``) before it counts; their tokens are not known.
    """
    media = files.image.section("media_proc_cfg")
    kernel = media.values.get("merge_kernel_size")
    if isinstance(kernel, list | tuple) and kernel:
        media = Config({**media.values, "merge_kernel_size": kernel[0]}, media.path)
    return MultimodalFacts(
        "kimi_k25",
        ("image",),
        PatchLimit(
            patch_size=media.integer("patch_size", 14),
            merge_size=media.integer("merge_kernel_size", 2),
            max_patches=media.integer("in_patch_limit", 16_384),
            wrapper_tokens=4,
            dummy_side=3000,
            side_patches=media.integer("patch_limit_on_one_side", 512),
            fixed_tokens=media.integer("fixed_output_tokens", 0, least=0),
        ),
        uncounted=("video",),
    )


@reads("Ernie4_5_VLMoeForConditionalGeneration", model_types=("ernie4_5_vl_moe", "ernie4_5_moe_vl"))
def read_ernie4_5_vl(config: Config, files: Preprocessor) -> MultimodalFacts:
    """ERNIE 4.5 VL (``baidu/ERNIE-4.5-VL-28B-A3B-PT``: 3,136 to 28 x 28 x 6,177 pixels an image)."""
    vision = config.section("vision_config")
    least, most = files.image_bounds(56 * 56, 28 * 28 * 6177)
    return MultimodalFacts(
        "ernie4_5_vl_moe",
        ("image", "video"),
        ProbedResize(
            patch_size=vision.integer("patch_size", 14),
            merge_size=config.integer("spatial_conv_size", vision.integer("spatial_merge_size", 2)),
            temporal_patch_size=config.integer("temporal_conv_size", vision.integer("temporal_merge_size", 2)),
            min_pixels=least,
            max_pixels=most,
            even_frames=True,
            min_frames=2,
            thin_side=ThinSide.CLIP,
        ),
    )


@reads(
    "KeyeForConditionalGeneration",
    "KeyeVL1_5ForConditionalGeneration",
    model_types=("keye", "keye_vl1_5"),
)
def read_keye(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Keye-VL and Keye-VL 1.5: bounds differ by checkpoint.

    Raises:
        UnknownFact: no ``preprocessor_config.json`` is at hand.
    """
    _require_files(config, files)
    vision = config.section("vision_config")
    least, most = files.image_bounds(28 * 28 * 4, 28 * 28 * 1280)
    later = "KeyeVL1_5ForConditionalGeneration" in (config.items("architectures") or [])
    return MultimodalFacts(
        "keye_vl1_5" if later else "keye",
        ("image", "video"),
        ProbedResize(
            patch_size=vision.integer("patch_size", 14),
            merge_size=vision.integer("spatial_merge_size", 2),
            temporal_patch_size=1,
            min_pixels=least,
            max_pixels=most,
            even_frames=False,
            min_frames=1,
            max_frames=2048 if later else 16,
            reserves_every_image=True,
            thin_side=ThinSide.ENLARGE,
        ),
        item_limits=(("video", 1),) if later else (),
    )


@reads(
    "Qwen2_5OmniModel",
    "Qwen2_5OmniForConditionalGeneration",
    "Qwen3OmniMoeForConditionalGeneration",
    model_types=("qwen2_5_omni", "qwen3_omni_moe"),
)
def read_qwen_omni(config: Config, files: Preprocessor) -> MultimodalFacts:
    """The thinkers of Qwen2.5-Omni and Qwen3-Omni: Qwen2-VL's rules, frames of 128 to 768 tokens.

    The bounds of frames are fixed by transformers' processors (``processing_qwen2_5_omni.py``, ``_defaults``); a size
    option brings back the files' bounds (vLLM ``qwen2_5_omni_thinker.py: _get_hf_mm_inputs``).
    """
    thinker = config.section("thinker_config")
    patch_size = 16 if config.text("model_type") == "qwen3_omni_moe" else 14
    processor = qwen2_processor(thinker.section("vision_config"), files, patch_size)
    cell = (processor.patch_size * processor.merge_size) ** 2
    positions = thinker.section("audio_config").integer("max_source_positions", 1500)
    return MultimodalFacts(
        config.text("model_type") or "qwen2_5_omni",
        ("audio", "image", "video"),
        replace(
            processor,
            video_min_pixels=128 * cell,
            video_max_pixels=768 * cell,
            stated_video_bounds=(processor.video_min_pixels, processor.video_max_pixels),
        ),
        FrameLoader.QWEN2_VL,
        audio_tokens=(positions - 2) // 2 + 1,
    )


@reads("Exaone4_5_ForConditionalGeneration", model_types=("exaone4_5",))
def read_exaone4_5(config: Config, files: Preprocessor) -> MultimodalFacts:
    """EXAONE 4.5: Qwen2-VL's rules; bounds differ by checkpoint. Raises ``UnknownFact`` without preprocessor files."""
    _require_files(config, files)
    return MultimodalFacts(
        "exaone4_5", ("image", "video"), qwen2_processor(config.section("vision_config"), files), FrameLoader.QWEN2_VL
    )


def _require_files(config: Config, files: Preprocessor) -> None:
    if not files.image.values:
        family = config.text("model_type")
        raise UnknownFact(
            f"preprocessor_config.json is missing, and pixel bounds of {family} have no known default",
            field="preprocessor_config.max_pixels",
            hint="put preprocessor_config.json beside config.json",
        )


@reads("OpenCUAForConditionalGeneration", "DotsOCRForCausalLM", model_types=("opencua", "dots_ocr"))
def read_qwen2_vl_images(config: Config, files: Preprocessor) -> MultimodalFacts:
    """OpenCUA and dots.ocr: Qwen2-VL's rules, images only; bounds differ by checkpoint.

    Raises:
        UnknownFact: no ``preprocessor_config.json`` is at hand.
    """
    _require_files(config, files)
    return MultimodalFacts(
        config.text("model_type") or "qwen2_vl", ("image",), qwen2_processor(config.section("vision_config"), files)
    )


@reads(
    "InternS1ProForConditionalGeneration",
    "InternS2PreviewForConditionalGeneration",
    "InternS2MobiusForConditionalGeneration",
    "Cosmos3ForConditionalGeneration",
    "Qwen4ExpForConditionalGeneration",
)
def read_qwen3_vl_relative(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Intern-S1-Pro, Intern-S2, Cosmos3 and Qwen4: times before patches, bounds over the whole video, by checkpoint.

    Raises:
        UnknownFact: no ``preprocessor_config.json`` is at hand.
    """
    _require_files(config, files)
    return MultimodalFacts(
        config.text("model_type") or "interns1_pro",
        ("image", "video"),
        timed_resize(config.section("vision_config"), files),
        FrameLoader.QWEN3_VL,
    )


@reads("PaddleOCRVLForConditionalGeneration", model_types=("paddleocr_vl",))
def read_paddleocr_vl(config: Config, files: Preprocessor) -> MultimodalFacts:
    """PaddleOCR-VL (``PaddlePaddle/PaddleOCR-VL``: 147,384 to 2,822,400 pixels)."""
    processor = qwen2_processor(config.section("vision_config"), files)
    least, most = files.image_bounds(147_384, 2_822_400)
    return MultimodalFacts(
        "paddleocr_vl",
        ("image",),
        replace(processor, image_min_pixels=least, image_max_pixels=most, thin_side=ThinSide.ENLARGE),
    )


@reads("IsaacForConditionalGeneration", model_types=("isaac",))
def read_isaac(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Isaac: vLLM's own processor counts with its defaults (16 pixels, 256 to 6,144 patches, 2x2 a token), whatever the
    config says; start-up reads the config."""
    scale = config.integer("pixel_shuffle_scale", 1)
    return MultimodalFacts(
        "isaac",
        ("image",),
        SearchedScale(
            patch_size=16,
            cell_patches=2,
            min_patches=256,
            max_patches=6144,
            assumed_tokens=config.integer("vision_max_num_patches", 256) // scale**2,
        ),
    )
