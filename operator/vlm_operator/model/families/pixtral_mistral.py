"""Pixtral and Mistral Small in Mistral's own format (``params.json``), with a section ``vision_encoder``.

Source: vLLM 0.32 ``model_executor/models/pixtral.py`` (``PixtralForConditionalGeneration``).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, Rounding, RowBreaks
from vlm_operator.model.towers.native_rows import MISTRAL, NativeRowsTower
from vlm_operator.model.towers.place import TowerPlace

_SECTION: Final = "vision_encoder"


def _tower(config: Config) -> NativeRowsTower | None:
    if not config.has(_SECTION):
        return None
    vision = config.section(_SECTION)
    return NativeRowsTower.read(
        vision,
        defaults=MISTRAL,
        merge_size=vision.integer("spatial_merge_size", 1),
        output_size=text_width(config),
    )


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    vision = config.section(_SECTION)
    cell = vision.integer("patch_size") * vision.integer("spatial_merge_size", 1)
    edge = vision.integer("max_image_size", vision.integer("image_size", 1024))
    return MultimodalFacts("pixtral_mistral", ("image",), RowBreaks(cell, edge, Rounding.NEAREST))


FAMILY: Final = Family(
    name="pixtral_mistral",
    variants=(Variant(architecture="PixtralForConditionalGeneration", weights_known=False),),
    section=_SECTION,
    tower=_tower,
    place=TowerPlace("vision_encoder", ("image",)),
    tokens=_tokens,
)
