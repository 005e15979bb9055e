"""Granite 4 Vision: LLaVA-NeXT's count over a grid that a Q-Former shrinks; its weights were not read.

Source: vLLM 0.32 ``model_executor/models/granite4_vision.py``.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Final

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.selected_features import pinpoints, selected_tokens
from vlm_operator.model.processors import AnyResolution, MultimodalFacts
from vlm_operator.model.towers.named import DEFAULTS
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.towers.unread import UnreadTower


def _tower(config: Config) -> Tower:
    vision = config.section("vision_config")
    defaults = DEFAULTS.get(vision.text("model_type") or "", {})
    output = text_width(config)
    return UnreadTower.read(vision, defaults, output_size=output, merge_size=1)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
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


FAMILY: Final = Family(
    name="granite4_vision",
    variants=(
        Variant(
            architecture="Granite4VisionForConditionalGeneration",
            model_types=("granite4_vision",),
            weights_known=False,
        ),
    ),
    tower=_tower,
    place=TowerPlace("vision_tower", ("image",)),
    tokens=_tokens,
)
