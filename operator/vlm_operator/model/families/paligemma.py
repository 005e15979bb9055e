"""PaliGemma and PaliGemma 2: the whole of SigLIP, one matrix, then Gemma; an image, ``<bos>`` and a newline.

Source: vLLM 0.32 ``model_executor/models/paligemma.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import text_width, vision_grid
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FixedTokens, MultimodalFacts
from vlm_operator.model.renames import TOWER_AND_PROJECTOR
from vlm_operator.model.text_config import TextConfig
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import SIGLIP, SquareTower
from vlm_operator.model.weights.wrapper import Wrapper

_PLACE: Final = TowerPlace("vision_tower.vision_model", ("image",))


def _tower(config: Config) -> SquareTower:
    output = text_width(config)
    return SquareTower.read(config.section("vision_config"), SIGLIP, merge_size=1, output_size=output)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    _, patches = vision_grid(config.section("vision_config"), 224, 14)
    processor = FixedTokens(patches**2, wrapper_tokens=2)
    return MultimodalFacts("paligemma", ("image",), processor, item_limits=(("image", 1),))


def _weights(wrapper: Wrapper) -> None:
    tower = _tower(wrapper.config)
    tower.build(wrapper.collection, _PLACE)
    output = wrapper.config.integer("projection_dim", 2048)
    wrapper.projector(sharded=False).linear("linear", output, tower.width, bias=True, quantizable=False)
    wrapper.read_language()


def _prefix_item_tokens(config: Config, text: TextConfig) -> int:
    """Windows make it matter in PaliGemma 2 alone."""
    if not (text.model_type.startswith("gemma2") and config.has("vision_config")):
        return 0
    vision = config.section("vision_config")
    return (vision.integer("image_size", 224) // vision.integer("patch_size", 14)) ** 2


FAMILY: Final = Family(
    name="paligemma",
    variants=(Variant(architecture="PaliGemmaForConditionalGeneration", model_types=("paligemma",), nested="gemma"),),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
    renames=TOWER_AND_PROJECTOR,
    prefix_item_tokens=_prefix_item_tokens,
    simulated=True,
)
