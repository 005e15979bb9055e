"""R-4B and Bee: LLaVA-NeXT's count over the config's own resolutions; their weights were not read.

Source: vLLM 0.32 ``model_executor/models/rvl.py`` and ``bee.py``.
"""

from __future__ import annotations

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


FAMILY: Final = Family(
    name="bee",
    variants=(
        Variant(architecture="BeeForConditionalGeneration", weights_known=False),
        Variant(architecture="RForConditionalGeneration", weights_known=False),
    ),
    tower=_tower,
    place=TowerPlace("vision_tower", ("image",)),
    tokens=_tokens,
)
