"""Qianfan-OCR: InternVL's tiles, images only in vLLM; its weights were not read.

Source: vLLM 0.32 ``model_executor/models/qianfan_ocr.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.aspect_tiles import aspect_tiles
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.towers.unread import UnreadTower
from vlm_operator.model.weights.shuffled_projector import merged_side


def _tower(config: Config) -> Tower:
    output = text_width(config)
    vision = config.section("vision_config")
    return UnreadTower.read(vision, {}, output_size=output, merge_size=merged_side(config, 1))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    return MultimodalFacts("qianfan_ocr", ("image",), aspect_tiles(config, tiles_knob="max_dynamic_patch"))


FAMILY: Final = Family(
    name="qianfan_ocr",
    variants=(Variant(architecture="QianfanOCRForConditionalGeneration", weights_known=False),),
    tower=_tower,
    place=TowerPlace("vision_model", ("image",)),
    tokens=_tokens,
)
