"""Readers of the families that take each image whole: a fixed cost, a budget of tokens, or rows of cells."""

from __future__ import annotations

from vlm_operator.model.config import Config
from vlm_operator.model.multimodal.families import reads, vision_grid
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.tiles import selected_tokens
from vlm_operator.model.processors import (
    FixedTokens,
    MultimodalFacts,
    PanAndScan,
    Rounding,
    RowBreaks,
)


@reads("Gemma3ForConditionalGeneration", model_types=("gemma3",))
def read_gemma3(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Gemma 3 (``google/gemma-3-27b-it``: 896 pixels, 256 tokens, pan-and-scan off)."""
    return MultimodalFacts(
        "gemma3",
        ("image",),
        PanAndScan(
            tokens_per_view=config.integer("mm_tokens_per_image", 256),
            native_size=config.section("vision_config").integer("image_size", 896),
            enabled=files.image.boolean("do_pan_and_scan", False),
            min_crop_size=files.image.integer("pan_and_scan_min_crop_size", 256),
            max_crops=files.image.integer("pan_and_scan_max_num_crops", 4),
            min_ratio=files.image.number("pan_and_scan_min_ratio_to_activate", 1.2) or 1.2,
        ),
    )


@reads("LlavaForConditionalGeneration", model_types=("llava",))
def read_llava(config: Config, files: Preprocessor) -> MultimodalFacts:
    """LLaVA 1.5, and Pixtral in Hugging Face's format, which shares its architecture."""
    vision = config.section("vision_config")
    if vision.text("model_type") == "pixtral":
        cell = vision.integer("patch_size", 16) * config.integer("spatial_merge_size", 1)
        return MultimodalFacts("pixtral", ("image",), RowBreaks(cell, vision.integer("image_size", 1024)))
    _, _, tokens = selected_tokens(config, "default")
    return MultimodalFacts("llava", ("image",), FixedTokens(tokens))


@reads("Mistral3ForConditionalGeneration", model_types=("mistral3",))
def read_mistral3(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Mistral Small 3.1 and later in Hugging Face's format (``…-2503``: longest edge 1540)."""
    vision = config.section("vision_config")
    cell = vision.integer("patch_size", 14) * config.integer("spatial_merge_size", 2)
    edge = files.longest_edge(vision.integer("image_size", 1540))
    return MultimodalFacts("mistral3", ("image",), RowBreaks(cell, edge, size_knob=True))


def read_mistral_params(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Pixtral and Mistral Small in Mistral's own format (``params.json``): ``vision_encoder``."""
    vision = config.section("vision_encoder")
    cell = vision.integer("patch_size") * vision.integer("spatial_merge_size", 1)
    edge = vision.integer("max_image_size", vision.integer("image_size", 1024))
    return MultimodalFacts("pixtral_mistral", ("image",), RowBreaks(cell, edge, Rounding.NEAREST))


@reads("PaliGemmaForConditionalGeneration", model_types=("paligemma",))
def read_paligemma(config: Config, files: Preprocessor) -> MultimodalFacts:
    """PaliGemma: SigLIP patches, then ``<bos>`` and a newline."""
    _, patches = vision_grid(config.section("vision_config"), 224, 14)
    return MultimodalFacts(
        "paligemma", ("image",), FixedTokens(patches**2, wrapper_tokens=2), item_limits=(("image", 1),)
    )


@reads("LightOnOCRForConditionalGeneration", model_types=("lighton_ocr",))
def read_lighton_ocr(config: Config, files: Preprocessor) -> MultimodalFacts:
    """LightOnOCR: Pixtral's cells, rows not marked."""
    vision = config.section("vision_config")
    cell = vision.integer("patch_size", 14) * config.integer("spatial_merge_size", 2)
    return MultimodalFacts("lighton_ocr", ("image",), RowBreaks(cell, vision.integer("image_size", 1540), breaks=False))


@reads("Gemma3nForConditionalGeneration", model_types=("gemma3n",))
def read_gemma3n(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Gemma 3n: vLLM fixes 256 tokens an image and 188 an audio."""
    return MultimodalFacts(
        "gemma3n",
        ("image", "audio"),
        FixedTokens(256, wrapper_tokens=4),
        audio_tokens=188,
        audio_opens_with_convolutions=True,
    )


@reads("AriaForConditionalGeneration", model_types=("aria",))
def read_aria(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Aria: the largest entry of ``projector_patch_to_query_dict`` for every image."""
    queries = config.section("projector_patch_to_query_dict")
    tokens = max((queries.integer(key) for key in queries.values), default=256)
    return MultimodalFacts("aria", ("image",), FixedTokens(tokens))


@reads("Moondream3ForCausalLM", "HfMoondream", model_types=("moondream3",))
def read_moondream3(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Moondream 3: a grid of 27x27 and the begin-of-text token, which belongs to the encoder's outputs."""
    return MultimodalFacts("moondream3", ("image",), FixedTokens(27 * 27 + 1), item_limits=(("image", 1),))


@reads("BagelForConditionalGeneration", model_types=("bagel",))
def read_bagel(config: Config, files: Preprocessor) -> MultimodalFacts:
    """BAGEL: every image as large as the vision encoder's positions allow (``vit_max_num_patch_per_side``)."""
    return MultimodalFacts("bagel", ("image",), FixedTokens(config.integer("vit_max_num_patch_per_side", 70) ** 2))


@reads("Blip2ForConditionalGeneration", model_types=("blip-2",))
def read_blip2(config: Config, files: Preprocessor) -> MultimodalFacts:
    """BLIP-2: one token a query."""
    return MultimodalFacts(
        "blip-2", ("image",), FixedTokens(config.integer("num_query_tokens", 32)), item_limits=(("image", 1),)
    )


@reads("GLM4VForCausalLM")
def read_glm4v_9b(config: Config, files: Preprocessor) -> MultimodalFacts:
    """GLM-4V-9B: a fixed grid, begin and end of image are encoder outputs too."""
    _, patches = vision_grid(config.section("vision_config"), 1120, 14)
    return MultimodalFacts("glm4v_9b", ("image",), FixedTokens((patches // 2) ** 2 + 2), item_limits=(("image", 1),))


@reads("LlavaNextVideoForConditionalGeneration", model_types=("llava_next_video",))
def read_llava_next_video(config: Config, files: Preprocessor) -> MultimodalFacts:
    """LLaVA-NeXT-Video: vLLM takes videos only, frames pooled."""
    vision = config.section("vision_config")
    _, patches = vision_grid(vision, 336, 14)
    pooled = -(-patches // config.integer("spatial_pool_stride", 2))
    return MultimodalFacts(
        "llava_next_video",
        ("video",),
        FixedTokens(0, video_frame_tokens=pooled * pooled),
        item_limits=(("video", 1),),
    )
