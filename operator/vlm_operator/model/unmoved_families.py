"""Traits of families that have no record in ``model.families`` yet. A family that moves takes its rows with it."""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.tower_traits import TowerKind, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.facts import FamilyTraits
from vlm_operator.model.text_config import TextConfig

_GATED: Final = frozenset({"pixtral", "mistral3"})

_ENCODER_MEASURED: Final = frozenset({"llava_next"})
_READS_LIMITS_EARLY: Final = frozenset(
    {
        "Llama4ForConditionalGeneration",
        "LlavaForConditionalGeneration",
        "Mistral3ForConditionalGeneration",
    }
)


def tower_traits(model_type: str, kind: TowerKind = TowerKind.PLAIN, *, gated: bool = False) -> TowerTraits:
    """Traits of the tower in a whole config with this ``model_type``."""
    return TowerTraits(
        kind=kind,
        gated=gated or model_type in _GATED,
    )


def family_traits(architecture: str, model_type: str, *, prefix_attention: bool) -> FamilyTraits:
    """What the rules of a release ask of this family."""
    return FamilyTraits(
        encoder_measured=model_type in _ENCODER_MEASURED,
        prefix_attention=prefix_attention,
        reads_limits_early=architecture in _READS_LIMITS_EARLY,
    )


def prefix_item_tokens(whole: Config, text: TextConfig) -> int | None:
    """As ``Family.prefix_item_tokens`` (0.32: ``get_mm_max_tokens_per_item`` of the models' classes)."""
    match whole.text("model_type"):
        case "gemma3":
            return whole.integer("mm_tokens_per_image", 256)
        case "paligemma" if text.model_type.startswith("gemma2") and whole.has("vision_config"):
            vision = whole.section("vision_config")
            return (vision.integer("image_size", 224) // vision.integer("patch_size", 14)) ** 2
        case "paligemma" | "bagel" | "molmo2" | "moondream3":
            return 0
    return None
