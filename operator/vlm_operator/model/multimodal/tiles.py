"""Readers of the families that cut images into tiles of a listed or a best-fitting canvas.

Defaults of ``preprocessor_config.json`` are those of the published checkpoints (Hugging Face; named in each reader).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.multimodal.families import patches_along, reads, shuffle_ratio, vision_grid
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import (
    AnyResolution,
    CandidateCanvases,
    CanvasTiles,
    LongestEdgeTiles,
    MultimodalFacts,
    OcrViews,
    UpscaleTiles,
)


@reads("Llama4ForConditionalGeneration", model_types=("llama4",))
def read_llama4(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Llama 4: tiles of 336 pixels, 16 at most (``meta-llama/Llama-4-Scout-17B-16E-Instruct``)."""
    side, patches = vision_grid(config.section("vision_config"), 336, 14)
    ratio = shuffle_ratio(config.section("vision_config"), "pixel_shuffle_ratio")
    return MultimodalFacts(
        "llama4",
        ("image",),
        CanvasTiles(
            tile_size=side,
            tokens_per_tile=max(1, patches**2 // round(1 / ratio**2)),
            max_tiles=files.image.integer("max_patches", 16),
            resize_to_max_canvas=files.image.boolean("resize_to_max_canvas", False),
        ),
    )


@reads("LlavaNextForConditionalGeneration", model_types=("llava_next",))
def read_llava_next(config: Config, files: Preprocessor) -> MultimodalFacts:
    """LLaVA-NeXT (``llava-hf/llava-v1.6-mistral-7b-hf``: CLIP 336, five pinpoints)."""
    side, patches, base = selected_tokens(config, "default")
    pinpoints = _pinpoints(config, ((336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008)), side)
    return MultimodalFacts("llava_next", ("image",), AnyResolution(side, patches, base, pinpoints))


@reads("Granite4VisionForConditionalGeneration", model_types=("granite4_vision",))
def read_granite4_vision(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Granite 4 Vision: LLaVA-NeXT's count over a grid that a Q-Former shrinks by ``downsample_rate`` (``4/8``).

    Raises:
        UnknownFact: ``image_grid_pinpoints`` or ``downsample_rate`` is missing: neither has a known default.
    """
    side, patches, _ = selected_tokens(config, "full")
    pinpoints = _pinpoints(config, (), side)
    rate = _fraction(config, "downsample_rate")
    if not pinpoints or rate is None:
        field = "downsample_rate" if pinpoints else "image_grid_pinpoints"
        raise UnknownFact(
            f"{field} is missing from the config and has no known default",
            field=field,
            hint="give the model's complete config.json",
        )
    shrunk = int(patches * rate)
    if not shrunk:
        raise InputError(f"downsample_rate: {rate} leaves nothing of {patches} patches a side", field="downsample_rate")
    return MultimodalFacts("granite4_vision", ("image",), AnyResolution(side, shrunk, shrunk * shrunk, pinpoints))


def _fraction(config: Config, key: str) -> Fraction | None:
    """A ratio above 0 and at most 1 that the config writes as ``4/8`` or as a number."""
    value = config.values.get(key)
    if value is None:
        return None
    try:
        ratio = Fraction(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None
    except (ValueError, OverflowError, ZeroDivisionError):
        ratio = None
    if ratio is None or not 0 < ratio <= 1:
        raise InputError(
            f"{config.field(key)}: {str(value)[:40]!r} is not a ratio above 0 and up to 1", field=config.field(key)
        )
    return ratio


@reads("RForConditionalGeneration", "BeeForConditionalGeneration")
def read_llava_next_siglip(config: Config, files: Preprocessor) -> MultimodalFacts:
    """R-4B and Bee: LLaVA-NeXT's count over the config's own pinpoints; Bee scales large grids down.

    Raises:
        UnknownFact: ``image_grid_pinpoints`` is missing: it has no known default.
    """
    side, patches, base = selected_tokens(config, "full")
    pinpoints = _pinpoints(config, (), side)
    if not pinpoints:
        raise UnknownFact(
            "image_grid_pinpoints is missing from the config and has no known default",
            field="image_grid_pinpoints",
            hint="give the model's complete config.json",
        )
    bee = "BeeForConditionalGeneration" in (config.items("architectures") or [])
    family = config.text("model_type") or ("bee" if bee else "rvl")
    return MultimodalFacts(
        family, ("image",), AnyResolution(side, patches, base, pinpoints, max_tiles=_any_resolution_tiles(config, bee))
    )


def _any_resolution_tiles(config: Config, bee: bool) -> int:
    """Tiles of ``vision_aspect_ratio`` (``anyres_max_9``); 0 for a family that does not read it."""
    if not bee:
        return 0
    text = config.text("vision_aspect_ratio", "anyres_max_9") or "anyres_max_9"
    digits = text.removeprefix("anyres_max_")
    if not (digits.isascii() and digits.isdigit() and 1 <= int(digits[:6]) == int(digits)):
        raise InputError(f"vision_aspect_ratio: {text[:40]!r} is not anyres_max_N", field="vision_aspect_ratio")
    return int(digits)


@reads("LlavaOnevisionForConditionalGeneration", model_types=("llava_onevision",))
def read_llava_onevision(config: Config, files: Preprocessor) -> MultimodalFacts:
    """LLaVA-OneVision (``llava-hf/llava-onevision-qwen2-7b-ov-hf``: SigLIP 384, 36 pinpoints, nine tiles at most)."""
    side, patches, base = selected_tokens(config, "full")
    sides = [side * count for count in range(1, 7)]
    pinpoints = _pinpoints(config, tuple((height, width) for height in sides for width in sides), side)
    pooled = -(-patches // config.integer("spatial_pool_stride", 2))
    return MultimodalFacts(
        "llava_onevision",
        ("image", "video"),
        AnyResolution(
            side,
            patches,
            base,
            pinpoints,
            max_tiles=9,
            frame_tokens=pooled * pooled,
            max_video_frames=16,
            largest_image=(1153, 944),
        ),
    )


def selected_tokens(config: Config, strategy: str) -> tuple[int, int, int]:
    """(side of a view, patches a side, tokens that the model keeps of a view) of a CLIP or SigLIP encoder.

    Raises:
        UnknownFact: another vision encoder.
    """
    vision = config.section("vision_config")
    kind = vision.text("model_type", "clip_vision_model")
    strategy = config.text("vision_feature_select_strategy", strategy) or strategy
    if kind == "clip_vision_model":
        side, patches = vision_grid(vision, 336, 14)
        tokens = patches**2 + 1
    elif kind == "siglip_vision_model":
        side, patches = vision_grid(vision, 384, 14)
        tokens = patches**2
    else:
        raise UnknownFact(
            f"vision_config.model_type: the token count of {kind!r} in {config.text('model_type')} is not known",
            field="vision_config.model_type",
        )
    kept = {"class": 1, "default": tokens - 1, "full": tokens}.get(strategy)
    if kept is None:
        raise InputError(
            f"vision_feature_select_strategy: {strategy[:40]!r} is none of class, default, full",
            field="vision_feature_select_strategy",
        )
    return side, patches, kept


def _pinpoints(config: Config, default: tuple[tuple[int, int], ...], side: int) -> tuple[tuple[int, int], ...]:
    """(height, width) of the listed resolutions.

    Raises:
        InputError: not a list of pairs, or a resolution smaller than a view of ``side`` pixels.
    """
    pinpoints = _listed_pinpoints(config.items("image_grid_pinpoints"), default)
    smallest = min(map(min, pinpoints), default=side)
    if smallest < side:
        raise InputError(
            f"image_grid_pinpoints: a side of {smallest} pixels is smaller than a view of {side}",
            field="image_grid_pinpoints",
            hint="give the model's complete config.json",
        )
    return pinpoints


def _listed_pinpoints(listed: list[Any] | None, default: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    if listed is None:
        return default
    pinpoints = []
    for pair in listed:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise InputError(
                f"image_grid_pinpoints: {str(pair)[:40]!r} is not a pair (height, width)", field="image_grid_pinpoints"
            )
        point = Config({"height": pair[0], "width": pair[1]}, "image_grid_pinpoints")
        pinpoints.append((point.integer("height"), point.integer("width")))
    if not 1 <= len(pinpoints) <= 1024:
        raise InputError(
            f"image_grid_pinpoints: {len(pinpoints)} resolutions are not between 1 and 1024",
            field="image_grid_pinpoints",
        )
    return tuple(pinpoints)


@reads("Idefics3ForConditionalGeneration", "SmolVLMForConditionalGeneration", model_types=("idefics3", "smolvlm"))
def read_idefics3(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Idefics3 and SmolVLM: tiles as large as the encoder's image, the longest edge four of them.

    So it is in the published preprocessor files of ``HuggingFaceM4/Idefics3-8B-Llama3`` (364 and 1456 pixels),
    ``HuggingFaceTB/SmolVLM-Instruct`` (384 and 1536) and ``SmolVLM-256M-Instruct`` (512 and 2048).
    """
    side, patches = vision_grid(config.section("vision_config"), 364, 14)
    tile = files.longest_edge(side, "max_image_size")
    tokens = max(1, patches // config.integer("scale_factor", 2)) ** 2
    return MultimodalFacts(
        "smolvlm" if config.text("model_type") == "smolvlm" else "idefics3",
        ("image",),
        LongestEdgeTiles(
            longest_edge=files.longest_edge(4 * tile),
            tile_size=tile,
            tokens_per_tile=files.processor.integer("image_seq_len", tokens),
            split=files.image.boolean("do_image_splitting", True),
        ),
    )


@reads("Cohere2VisionForConditionalGeneration", model_types=("cohere2_vision",))
def read_cohere2_vision(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Command A Vision (``CohereLabs/command-a-vision-07-2025``: tiles of 512 pixels, 12 at most)."""
    side = files.image.section("size").integer("height", 512)
    vision = config.section("vision_config")
    patch = vision.integer("patch_size", 16)
    patches = patches_along(vision.integer("image_size", 512), patch, "vision_config.patch_size")
    per_side = files.processor.integer("patch_size", max(1, patches // config.integer("downsample_factor", 2)))
    return MultimodalFacts(
        "cohere2_vision",
        ("image",),
        UpscaleTiles(
            tile_size=side,
            tokens_per_tile=per_side**2,
            max_tiles=files.image.integer("max_patches", 12),
            crop_to_tiles=files.image.boolean("crop_to_patches", True),
        ),
    )


@reads("DeepseekVLV2ForCausalLM", model_types=("deepseek_vl_v2",))
def read_deepseek_vl2(config: Config, files: Preprocessor) -> MultimodalFacts:
    """DeepSeek-VL2: canvases of 384-pixel tiles listed in config and processor config."""
    listed = files.processor.items("candidate_resolutions") or config.items("candidate_resolutions")
    if listed is None:
        raise UnknownFact(
            "candidate_resolutions is missing from the config and has no known default",
            field="candidate_resolutions",
            hint="give the model's complete config.json",
        )
    patch = files.processor.integer("patch_size", 14)
    side = config.section("vision_config").integer("image_size", 384)
    ratio = files.processor.integer("downsample_ratio", 2)
    if not listed:
        raise InputError("candidate_resolutions: the list is empty", field="candidate_resolutions")
    canvases = []
    for pair in listed[:1024]:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise InputError(f"candidate_resolutions: {str(pair)[:40]!r} is not a pair", field="candidate_resolutions")
        entry = Config({"width": pair[0], "height": pair[1]}, "candidate_resolutions")
        canvases.append((entry.integer("width"), entry.integer("height")))
    return MultimodalFacts(
        "deepseek_vl2", ("image",), CandidateCanvases(side, -(-(side // patch) // ratio), tuple(canvases))
    )


@reads("DeepseekOCRForCausalLM", model_types=("deepseek_ocr",))
def read_deepseek_ocr(config: Config, files: Preprocessor) -> MultimodalFacts:
    """DeepSeek-OCR: vLLM's fixed mode (a view of 1024 pixels, 2 to 6 tiles of 640, newline tokens)."""
    return MultimodalFacts("deepseek_ocr", ("image",), OcrViews(1024, 16, 640, 10, 2, 6, newlines=True))


@reads("UnlimitedOCRForCausalLM")
def read_unlimited_ocr(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Unlimited-OCR: DeepSeek-OCR with up to 32 tiles."""
    return MultimodalFacts("unlimited_ocr", ("image",), OcrViews(1024, 16, 640, 10, 2, 32, newlines=True))


@reads("DeepseekOCR2ForCausalLM", model_types=("deepseek_ocr2",))
def read_deepseek_ocr2(config: Config, files: Preprocessor) -> MultimodalFacts:
    """DeepSeek-OCR 2: vLLM's fixed mode (a view of 1024 pixels, 2 to 6 tiles of 768)."""
    return MultimodalFacts("deepseek_ocr2", ("image",), OcrViews(1024, 16, 768, 12, 2, 6, newlines=False))
