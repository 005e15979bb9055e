"""H2OVL-Mississippi: InternVL's tiles, twice over where ``use_msac`` is set.

Source: vLLM 0.32 ``model_executor/models/h2ovl.py``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.aspect_tiles import aspect_tiles
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.weights.shuffled_projector import PLACE, plain_shuffled_weights, selected_intern_vit


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    processor = aspect_tiles(config, tiles_knob="max_dynamic_patch")
    two_passes = config.boolean("use_msac", False)
    return MultimodalFacts("h2ovl", ("image",), replace(processor, two_passes=two_passes, dynamic_knobs=False))


FAMILY: Final = Family(
    name="h2ovl",
    variants=(Variant(architecture="H2OVLChatModel", model_types=("h2ovl_chat",)),),
    tower=selected_intern_vit,
    place=PLACE,
    tokens=_tokens,
    weights=plain_shuffled_weights,
)
