"""Readers of InternVL and the families that tile as it does: all values are in ``config.json``."""

from __future__ import annotations

from dataclasses import replace

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.multimodal.families import patches_along, reads, shuffled_tokens, text_config, vision_grid
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import (
    AspectTiles,
    GridChoice,
    MultimodalFacts,
    NativePatches,
    VideoText,
)

_VIDEO_TEXT_MODELS = ("qwen2", "qwen3", "qwen3_moe", "gpt_oss")
"""Language models for which vLLM's InternVL knows a video token (``models/internvl.py: ctx_video_token``)."""

_QWEN2_5_VOCABULARY = 151_665
"""Tokens of Qwen2.5's tokenizer, the first with ``<|video_pad|>``; Qwen2's has 151,646."""


@reads("InternVLChatModel", model_types=("internvl_chat",))
def read_internvl(config: Config, files: Preprocessor) -> MultimodalFacts:
    """InternVL 1.5 to 3.5 in OpenGVLab's format: all values are in ``config.json``."""
    text = text_config(config)
    video = text.text("model_type") in _VIDEO_TEXT_MODELS and (
        text.text("model_type") != "qwen2" or text.integer("vocab_size", _QWEN2_5_VOCABULARY) >= _QWEN2_5_VOCABULARY
    )
    return MultimodalFacts(
        "internvl",
        ("image", "video") if video else ("image",),
        aspect_tiles(config, tiles_knob=None if video else "max_dynamic_patch"),
    )


def aspect_tiles(config: Config, *, tiles_knob: str | None) -> AspectTiles:
    """Tiles as InternVL's config describes them."""
    side, patches = vision_grid(config.section("vision_config"), 448, 14)
    dynamic = config.boolean("dynamic_image_size", True)
    return AspectTiles(
        tile_size=side,
        tokens_per_tile=shuffled_tokens(patches, config),
        min_tiles=config.integer("min_dynamic_patch", 1) if dynamic else 1,
        max_tiles=config.integer("max_dynamic_patch", 12) if dynamic else 1,
        use_thumbnail=config.boolean("use_thumbnail", True),
        tiles_knob=tiles_knob,
        dynamic_knobs=tiles_knob is not None,
        video_text=VideoText.FRAME,
    )


@reads("H2OVLChatModel", model_types=("h2ovl_chat",))
def read_h2ovl(config: Config, files: Preprocessor) -> MultimodalFacts:
    """H2OVL-Mississippi: InternVL's tiles, twice over where ``use_msac`` is set."""
    processor = aspect_tiles(config, tiles_knob="max_dynamic_patch")
    two_passes = config.boolean("use_msac", False)
    return MultimodalFacts("h2ovl", ("image",), replace(processor, two_passes=two_passes, dynamic_knobs=False))


@reads("NVLM_D", model_types=("NVLM_D",))
def read_nvlm(config: Config, files: Preprocessor) -> MultimodalFacts:
    """NVLM-D: InternVL's tiles, a tag before each, a newline after the image."""
    processor = aspect_tiles(config, tiles_knob="max_dynamic_patch")
    return MultimodalFacts(
        "nvlm", ("image",), replace(processor, tile_tags=True, wrapper_tokens=3, dynamic_knobs=False)
    )


@reads("SkyworkR1VChatModel", "QianfanOCRForConditionalGeneration", "Eagle2_5_VLForConditionalGeneration")
def read_internvl_image_only(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Skywork-R1V, Qianfan-OCR and Eagle 2.5: InternVL's tiles, images only in vLLM."""
    architecture = (config.items("architectures") or [""])[0]
    family = {
        "SkyworkR1VChatModel": "skyworkr1v",
        "QianfanOCRForConditionalGeneration": "qianfan_ocr",
        "Eagle2_5_VLForConditionalGeneration": "eagle2_5_vl",
    }[architecture]
    processor = aspect_tiles(config, tiles_knob="max_dynamic_patch")
    if family == "eagle2_5_vl" and config.has("force_image_size"):
        side = config.integer("force_image_size")
        patch = config.section("vision_config").integer("patch_size", 14)
        patches = patches_along(side, patch, "vision_config.patch_size")
        processor = replace(processor, tile_size=side, tokens_per_tile=shuffled_tokens(patches, config))
    return MultimodalFacts(family, ("image",), processor)


@reads(
    "InternVLForConditionalGeneration",
    "InternS1ForConditionalGeneration",
    model_types=("internvl", "interns1"),
)
def read_internvl_hf(config: Config, files: Preprocessor) -> MultimodalFacts:
    """InternVL 3 and Intern-S1 in Hugging Face's format (``OpenGVLab/InternVL3-8B-hf``: 448 pixels, 12 tiles at most).

    The published preprocessor files switch cropping off and the processor switches it on: start-up then takes one tile
    for the largest image, while requests are cut into tiles.
    """
    side, patches = vision_grid(config.section("vision_config"), 448, 14)
    tokens = shuffled_tokens(patches, config)
    cropped = files.image.boolean("crop_to_patches", False)
    return MultimodalFacts(
        "internvl_hf",
        ("image", "video"),
        AspectTiles(
            tile_size=side,
            tokens_per_tile=files.processor.integer("image_seq_length", config.integer("image_seq_length", tokens)),
            min_tiles=files.image.integer("min_patches", 1),
            max_tiles=files.image.integer("max_patches", 12),
            use_thumbnail=True,
            tiles_knob="max_patches",
            video_text=VideoText.FRAME_LINES,
            largest_image=None if cropped else (side, side),
        ),
    )


@reads(
    "NemotronH_Nano_VL_V2",
    "NemotronH_Nano_Omni_Reasoning_V3",
    "NemotronH_Super_Omni_Reasoning_V3",
    "NemotronH_Omni_Reasoning_V3",
    model_types=("NemotronH_Nano_VL_V2", "NemotronH_Nano_Omni_Reasoning_V3"),
)
def read_nemotron_nano_vl(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Nemotron Nano VL 12B v2 (``nvidia/NVIDIA-Nemotron-Nano-12B-v2-VL-BF16``: tiles of 512 pixels, 12 at most) and the
    Omni models, whose config bounds patches instead of tiles.

    Raises:
        UnknownFact: tiles beside a sound encoder, a combination that no published model has.
    """
    arguments = config.section("vision_config").section("args")
    if arguments.has("min_num_patches"):
        return _native_patches(config, arguments)
    if config.has("sound_config"):
        raise UnknownFact(
            "sound_config: the token count of tiles beside a sound encoder is not known", field="sound_config"
        )
    side = config.integer("force_image_size", 512)
    patches = patches_along(side, config.integer("patch_size", 16), "patch_size")
    return MultimodalFacts(
        "nemotron_nano_vl",
        ("image", "video"),
        AspectTiles(
            tile_size=side,
            tokens_per_tile=shuffled_tokens(patches, config),
            min_tiles=1,
            max_tiles=12,
            use_thumbnail=config.boolean("use_thumbnail", True),
            tiles_knob="max_num_tiles",
            video_text=VideoText.SAMPLED,
            video_fills_context=True,
        ),
    )


def _native_patches(config: Config, arguments: Config) -> MultimodalFacts:
    ratio = config.number("downsample_ratio", 0.5)
    if ratio != _HALVES:
        raise InputError(f"downsample_ratio: {ratio} is not {_HALVES}, which vLLM asks for", field="downsample_ratio")
    patch_size = config.integer("patch_size", 16)
    vision = config.section("vision_config")
    frame_patches = vision.integer("video_target_num_patches", 0, least=0)
    if not frame_patches:
        frame_side = vision.integer("video_target_img_size", config.integer("force_image_size", 512))
        frame_patches = (-(-frame_side // patch_size)) ** 2
    heard = ("audio",) if config.has("sound_config") else ()
    return MultimodalFacts(
        "nemotron_omni" if heard else "nemotron_nano_vl",
        ("image", "video", *heard),
        NativePatches(
            patch_size=patch_size,
            downsample=2,
            min_patches=arguments.integer("min_num_patches"),
            max_patches=max(0, arguments.integer("max_num_patches", 0, least=-1)),
            frame_patches=frame_patches,
            frame_keeps_aspect=vision.boolean("video_maintain_aspect_ratio", False),
            frames_per_patch=vision.integer("video_temporal_patch_size", 1),
        ),
    )


_HALVES = 0.5
"""The only ``downsample_ratio`` that vLLM's dynamic tiler takes (``DynamicResolutionImageTiler.__init__``)."""


@reads("Llama_Nemotron_Nano_VL", model_types=("Llama_Nemotron_Nano_VL",))
def read_llama_nemotron_vl(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Llama Nemotron Nano VL 8B v1 (``nvidia/Llama-3.1-Nemotron-Nano-VL-8B-V1``: tiles of 512 pixels, 12 at most)."""
    side = files.image.integer("image_size", config.integer("force_image_size", 512))
    vision = config.section("vision_config")
    patches = patches_along(side, vision.integer("patch_size", 16), "vision_config.patch_size")
    return MultimodalFacts(
        "nemotron_vl",
        ("image",),
        AspectTiles(
            tile_size=side,
            tokens_per_tile=shuffled_tokens(patches, config),
            min_tiles=1,
            max_tiles=files.image.integer("max_num_tiles", 12),
            use_thumbnail=files.image.boolean("use_thumbnail", True),
            tiles_knob="max_num_tiles",
            grid_choice=GridChoice.COVERED_AREA,
        ),
    )
