"""BAGEL: every image as large as the vision encoder's positions allow; SigLIP, a plain MLP, Qwen2.

Source: vLLM 0.32 and 0.33 ``model_executor/models/bagel.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FixedTokens, MultimodalFacts
from vlm_operator.model.text_config import TextConfig
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import SIGLIP, SquareTower
from vlm_operator.model.weights.dense import qwen2
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_PLACE: Final = TowerPlace("vit_model.vision_model", IMAGE)
_WHOLE_SIGLIP: Final = 27
"""Blocks of SigLIP so400m, of which vLLM builds one less: the checkpoint has no more."""


def _tower(config: Config) -> SquareTower | None:
    section = next((key for key in ("vision_config", "vit_config") if config.has(key)), None)
    if section is None:
        return None
    vision = config.section(section).over(SIGLIP)
    whole = vision.integer("num_hidden_layers")
    return SquareTower.read(
        vision,
        SIGLIP,
        merge_size=1,
        output_size=text_width(config),
        built=whole - 1 if whole == _WHOLE_SIGLIP else whole,
        post_norm=True,
    )


def _side(config: Config) -> int:
    return config.integer("vit_max_num_patch_per_side", 70)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    return MultimodalFacts("bagel", ("image",), FixedTokens(_side(config) ** 2))


def _prefix_item_tokens(config: Config, text: TextConfig) -> int:
    return 0


def _weights(wrapper: Wrapper) -> None:
    config, hidden = wrapper.config, wrapper.text.hidden_size
    tower = _tower(config)
    if tower is not None and config.boolean("visual_und", True):
        tower.build(wrapper.collection, _PLACE)
        wrapper.projector("connector").mlp("", tower.width, hidden, ("fc1", "fc2"), outputs=hidden)
        positions = wrapper.projector("vit_pos_embed", sharded=False)
        positions.tensor("pos_embed", _side(config) ** 2 * hidden, dtype=DType.FLOAT32)
    qwen2(wrapper.language(section="llm_config", kind="qwen2"))


FAMILY: Final = Family(
    name="bagel",
    variants=(Variant(architecture="BagelForConditionalGeneration", model_types=("bagel",)),),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
    prefix_item_tokens=_prefix_item_tokens,
)
