"""HunyuanVL and HunyuanOCR: the tower's dimensions are known; token rules and weights were not read.

Source: transformers 5 ``models/hunyuan_vl`` (``HunYuanVLVisionConfig``).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.towers.unread import UnreadTower

_VISION: Final = {
    "num_hidden_layers": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "patch_size": 16,
    "spatial_merge_size": 2,
    "out_hidden_size": 4096,
}
"""What ``HunYuanVLVisionConfig`` fills in."""


def _tower(config: Config) -> Tower:
    vision = config.section("vision_config").over(_VISION)
    output, merge = vision.integer("out_hidden_size"), vision.integer("spatial_merge_size")
    return UnreadTower.read(vision, _VISION, output_size=output, merge_size=merge)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    raise UnknownFact(
        "model_type: the token arithmetic of hunyuan_vl is not known",
        field="model_type",
        hint="state the tokens an image or video takes, measured on a running server, instead of sizes",
    )


FAMILY: Final = Family(
    name="hunyuan_vl",
    variants=(
        Variant(
            architecture="HunYuanVLForConditionalGeneration",
            model_types=("hunyuan_vl",),
            nested="hunyuan_vl_text",
            weights_known=False,
        ),
    ),
    tower=_tower,
    place=TowerPlace("visual", ("image",)),
    tokens=_tokens,
)
