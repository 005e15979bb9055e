"""Isaac: vLLM's own processor counts with its defaults, whatever the config says; its weights are not read.

Source: vLLM 0.32 ``model_executor/models/isaac.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, SearchedScale
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.unread import UnreadTower


def _tower(config: Config) -> UnreadTower:
    if not config.has("vision_config"):
        raise UnknownFact("vision_config is missing from the config", field="vision_config")
    vision = config.section("vision_config")
    names = {"depth": vision.values.get("num_hidden_layers"), "num_heads": vision.values.get("num_attention_heads")}
    return UnreadTower.read(
        vision.over({name: value for name, value in names.items() if value is not None}),
        {},
        output_size=text_width(config),
        merge_size=vision.integer("pixel_shuffle_scale_factor", 1),
    )


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """16 pixels, 256 to 6,144 patches, 2x2 a token; start-up reads the config."""
    scale = config.integer("pixel_shuffle_scale", 1)
    return MultimodalFacts(
        "isaac",
        ("image",),
        SearchedScale(
            patch_size=16,
            cell_patches=2,
            min_patches=256,
            max_patches=6144,
            assumed_tokens=config.integer("vision_max_num_patches", 256) // scale**2,
        ),
    )


FAMILY: Final = Family(
    name="isaac",
    variants=(Variant(architecture="IsaacForConditionalGeneration", model_types=("isaac",), weights_known=False),),
    tower=_tower,
    place=TowerPlace("vision"),
    tokens=_tokens,
)
