"""Aria: every image costs the largest entry of ``projector_patch_to_query_dict``; its weights were not read.

Source: vLLM 0.32 ``model_executor/models/aria.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FixedTokens, MultimodalFacts
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import IDEFICS3
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.towers.unread import UnreadTower


def _tower(config: Config) -> Tower | None:
    if not config.has("vision_config"):
        return None
    output = text_width(config)
    return UnreadTower.read(config.section("vision_config"), IDEFICS3, output_size=output, merge_size=1)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    queries = config.section("projector_patch_to_query_dict")
    tokens = max((queries.integer(key) for key in queries.values), default=256)
    return MultimodalFacts("aria", ("image",), FixedTokens(tokens))


FAMILY: Final = Family(
    name="aria",
    variants=(
        Variant(
            architecture="AriaForConditionalGeneration",
            model_types=("aria",),
            nested="aria_text",
            weights_known=False,
        ),
    ),
    tower=_tower,
    place=TowerPlace("vision_tower", ("image",)),
    tokens=_tokens,
)
