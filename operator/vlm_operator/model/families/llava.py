"""LLaVA 1.5, and Pixtral in transformers' format: a tower up to a feature layer, a projector of two matrices.

Source: vLLM 0.32 ``model_executor/models/llava.py``; transformers 5 ``models/llava``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Tying, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.selected_features import selected_tokens
from vlm_operator.model.processors import FixedTokens, MultimodalFacts, RowBreaks
from vlm_operator.model.renames import TOWER_AND_PROJECTOR
from vlm_operator.model.towers.named import named_tower, place_of
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.two_layer_projector import divided_projector
from vlm_operator.model.weights.wrapper import Wrapper

_PLACE: Final = TowerPlace("vision_tower", ("image",))


def _tower(config: Config) -> Tower:
    output = text_width(config)
    return named_tower(config, "clip_vision_model", output, merge_size=config.integer("spatial_merge_size", 1))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    vision = config.section("vision_config")
    if vision.text("model_type") == "pixtral":
        cell = vision.integer("patch_size", 16) * config.integer("spatial_merge_size", 1)
        return MultimodalFacts("pixtral", ("image",), RowBreaks(cell, vision.integer("image_size", 1024)))
    _, _, tokens = selected_tokens(config, "default")
    return MultimodalFacts("llava", ("image",), FixedTokens(tokens))


def _weights(wrapper: Wrapper) -> None:
    tower = _tower(wrapper.config)
    tower.build(wrapper.collection, place_of(tower, _PLACE))
    divided_projector(wrapper, tower.width)
    wrapper.read_language()


FAMILY: Final = Family(
    name="llava",
    variants=(Variant(architecture="LlavaForConditionalGeneration", model_types=("llava",), nested="llama"),),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
    tying=Tying.EITHER,
    renames=TOWER_AND_PROJECTOR,
    reads_limits_early=True,
    simulated=True,
)
