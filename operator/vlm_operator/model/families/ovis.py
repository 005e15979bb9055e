"""Ovis 1.6 and 2: parts of the encoder's image size, nine at most; tower and weights were not read.

Source: vLLM 0.32 ``model_executor/models/ovis.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import CoveringPartition, MultimodalFacts
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower


def _tower(config: Config) -> Tower | None:
    return None


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    visual = config.section("visual_tokenizer_config")
    backbone = visual.section("backbone_config")
    side = backbone.integer("image_size", 448)
    stride = visual.integer("hidden_stride", 2)
    patches = -(-side // backbone.integer("patch_size", 14))
    return MultimodalFacts(
        "ovis",
        ("image",),
        CoveringPartition(side, (patches // stride) ** 2, dummy_side=side * stride * 9),
    )


FAMILY: Final = Family(
    name="ovis",
    variants=(Variant(architecture="Ovis", model_types=("ovis",), weights_known=False),),
    tower=_tower,
    place=TowerPlace("visual_tokenizer", ("image",)),
    tokens=_tokens,
)
