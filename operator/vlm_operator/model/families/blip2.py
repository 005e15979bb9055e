"""BLIP-2: one token a query; its weights were not read.

Source: vLLM 0.32 ``model_executor/models/blip2.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FixedTokens, MultimodalFacts
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.towers.unread import UnreadTower


def _tower(config: Config) -> Tower | None:
    if not config.has("vision_config"):
        return None
    output = text_width(config)
    return UnreadTower.read(config.section("vision_config"), {}, output_size=output, merge_size=1)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    processor = FixedTokens(config.integer("num_query_tokens", 32))
    return MultimodalFacts("blip-2", ("image",), processor, item_limits=(("image", 1),))


FAMILY: Final = Family(
    name="blip2",
    variants=(
        Variant(
            architecture="Blip2ForConditionalGeneration", model_types=("blip-2",), nested="opt", weights_known=False
        ),
    ),
    tower=_tower,
    place=TowerPlace("vision_model", ("image",)),
    tokens=_tokens,
)
