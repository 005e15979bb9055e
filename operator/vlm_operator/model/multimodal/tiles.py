"""Readers of the families that cut images into tiles of a listed or a best-fitting canvas.

Defaults of ``preprocessor_config.json`` are those of the published checkpoints (Hugging Face; named in each reader).
"""

from __future__ import annotations

from fractions import Fraction

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.multimodal.families import reads
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.selected_features import pinpoints, selected_tokens
from vlm_operator.model.processors import (
    AnyResolution,
    CandidateCanvases,
    MultimodalFacts,
    OcrViews,
)


@reads("Granite4VisionForConditionalGeneration", model_types=("granite4_vision",))
def read_granite4_vision(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Granite 4 Vision: LLaVA-NeXT's count over a grid that a Q-Former shrinks by ``downsample_rate`` (``4/8``).

    Raises:
        UnknownFact: ``image_grid_pinpoints`` or ``downsample_rate`` is missing: neither has a known default.
    """
    side, patches, _ = selected_tokens(config, "full")
    listed = pinpoints(config, (), side)
    rate = _fraction(config, "downsample_rate")
    if not listed or rate is None:
        field = "downsample_rate" if listed else "image_grid_pinpoints"
        raise UnknownFact(
            f"{field} is missing from the config and has no known default",
            field=field,
            hint="give the model's complete config.json",
        )
    shrunk = int(patches * rate)
    if not shrunk:
        raise InputError(f"downsample_rate: {rate} leaves nothing of {patches} patches a side", field="downsample_rate")
    return MultimodalFacts("granite4_vision", ("image",), AnyResolution(side, shrunk, shrunk * shrunk, listed))


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
    listed = pinpoints(config, (), side)
    if not listed:
        raise UnknownFact(
            "image_grid_pinpoints is missing from the config and has no known default",
            field="image_grid_pinpoints",
            hint="give the model's complete config.json",
        )
    bee = "BeeForConditionalGeneration" in (config.items("architectures") or [])
    family = config.text("model_type") or ("bee" if bee else "rvl")
    return MultimodalFacts(
        family, ("image",), AnyResolution(side, patches, base, listed, max_tiles=_any_resolution_tiles(config, bee))
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
