"""Mistral Small 3.1 and later: Pixtral's tower whose patches a matrix merges before the projector.

Sources: vLLM 0.32 ``model_executor/models/mistral3.py``; ``mistralai/Mistral-Small-3.1-24B-Instruct-2503`` for the
longest edge.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.tower_traits import Pixels
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, RowBreaks
from vlm_operator.model.renames import TOWER_AND_PROJECTOR
from vlm_operator.model.weights.merged_rows import PLACE, merged_rows_tower, merged_rows_weights


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    vision = config.section("vision_config")
    cell = vision.integer("patch_size", 14) * config.integer("spatial_merge_size", 2)
    edge = files.longest_edge(vision.integer("image_size", 1540))
    return MultimodalFacts("mistral3", ("image",), RowBreaks(cell, edge, size_knob=True))


FAMILY: Final = Family(
    name="mistral3",
    variants=(Variant(architecture="Mistral3ForConditionalGeneration", model_types=("mistral3",), nested="mistral"),),
    tower=merged_rows_tower,
    place=PLACE,
    pixels=Pixels.RAW,
    tokens=_tokens,
    weights=merged_rows_weights,
    renames=(*TOWER_AND_PROJECTOR, ("model.", "language_model.model.")),
    reads_limits_early=True,
    simulated=True,
)
