"""Eagle 2.5: SigLIP over InternVL's tiles, whose side ``force_image_size`` may set.

Source: vLLM 0.32 and 0.33 ``model_executor/models/eagle2_5_vl.py``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.aspect_tiles import aspect_tiles
from vlm_operator.model.multimodal.families import patches_along, shuffle_ratio, shuffled_tokens, text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.towers.depth import within
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import SIGLIP, SquareTower
from vlm_operator.model.weights.shuffled_projector import merged_side
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_PLACE: Final = TowerPlace("vision_model.vision_model", IMAGE)


def _tower(config: Config) -> SquareTower:
    vision = config.section("vision_config")
    whole, selected = vision.over(SIGLIP).integer("num_hidden_layers"), config.values.get("select_layer", -1)
    if isinstance(selected, bool) or not isinstance(selected, int):
        raise UnknownFact(f"select_layer: {str(selected)[:40]!r} is not a layer", field="select_layer")
    built = within(config, "select_layer", whole + selected + 1 if selected < 0 else selected + 1, whole)
    merge = merged_side(config, 1)
    return SquareTower.read(vision, SIGLIP, merge_size=merge, output_size=text_width(config), built=built)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    processor = aspect_tiles(config, tiles_knob="max_dynamic_patch")
    if config.has("force_image_size"):
        side = config.integer("force_image_size")
        patch = config.section("vision_config").integer("patch_size", 14)
        patches = patches_along(side, patch, "vision_config.patch_size")
        processor = replace(processor, tile_size=side, tokens_per_tile=shuffled_tokens(patches, config))
    return MultimodalFacts("eagle2_5_vl", ("image",), processor)


def _weights(wrapper: Wrapper) -> None:
    tower, hidden = _tower(wrapper.config), wrapper.text.hidden_size
    tower.build(wrapper.collection, _PLACE)
    inputs = tower.width * int(1 / shuffle_ratio(wrapper.config, "downsample_ratio")) ** 2
    projector = wrapper.projector("mlp1", sharded=False)
    projector.norm("0", inputs, bias=True)
    projector.linear("1", hidden, inputs, bias=True, quantizable=False)
    projector.linear("3", hidden, hidden, bias=True, quantizable=False)
    wrapper.read_language()


FAMILY: Final = Family(
    name="eagle2_5_vl",
    variants=(Variant(architecture="Eagle2_5_VLForConditionalGeneration"),),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
)
