"""BAGEL: every image as large as the vision encoder's positions allow; its weights were not read.

Source: vLLM 0.32 ``model_executor/models/bagel.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FixedTokens, MultimodalFacts
from vlm_operator.model.text_config import TextConfig
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.towers.unread import UnreadTower


def _tower(config: Config) -> Tower | None:
    section = next((key for key in ("vision_config", "vit_config") if config.has(key)), None)
    if section is None:
        return None
    output = text_width(config)
    return UnreadTower.read(config.section(section), {}, output_size=output, merge_size=1)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    return MultimodalFacts("bagel", ("image",), FixedTokens(config.integer("vit_max_num_patch_per_side", 70) ** 2))


def _prefix_item_tokens(config: Config, text: TextConfig) -> int:
    return 0


FAMILY: Final = Family(
    name="bagel",
    variants=(Variant(architecture="BagelForConditionalGeneration", model_types=("bagel",), weights_known=False),),
    tower=_tower,
    place=TowerPlace("vit_model", ("image",)),
    tokens=_tokens,
    prefix_item_tokens=_prefix_item_tokens,
)
