"""Moondream 3: a grid of 27 x 27 and the begin-of-text token, which belongs to the encoder's outputs.

Source: vLLM 0.32 ``model_executor/models/moondream3.py``. Its tower and its weights were not read.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FixedTokens, MultimodalFacts
from vlm_operator.model.text_config import TextConfig
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower


def _tower(config: Config) -> Tower | None:
    return None


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    return MultimodalFacts("moondream3", ("image",), FixedTokens(27 * 27 + 1), item_limits=(("image", 1),))


def _prefix_item_tokens(config: Config, text: TextConfig) -> int:
    return 0


FAMILY: Final = Family(
    name="moondream3",
    variants=(
        Variant(architecture="Moondream3ForCausalLM", model_types=("moondream3",), weights_known=False),
        Variant(architecture="HfMoondream", weights_known=False),
    ),
    tower=_tower,
    place=TowerPlace("vision", ("image",)),
    tokens=_tokens,
    prefix_item_tokens=_prefix_item_tokens,
)
