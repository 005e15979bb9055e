"""LightOnOCR: Mistral Small's tower and projector before another language model; rows are not marked.

Source: vLLM 0.32 ``model_executor/models/lightonocr.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.tower_traits import Pixels
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, RowBreaks
from vlm_operator.model.weights.merged_rows import PLACE, merged_rows_tower, merged_rows_weights


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    vision = config.section("vision_config")
    cell = vision.integer("patch_size", 14) * config.integer("spatial_merge_size", 2)
    return MultimodalFacts("lighton_ocr", ("image",), RowBreaks(cell, vision.integer("image_size", 1540), breaks=False))


FAMILY: Final = Family(
    name="lighton_ocr",
    variants=(
        Variant(architecture="LightOnOCRForConditionalGeneration", model_types=("lighton_ocr",), nested="qwen3"),
    ),
    tower=merged_rows_tower,
    place=PLACE,
    pixels=Pixels.RAW,
    tokens=_tokens,
    weights=merged_rows_weights,
)
