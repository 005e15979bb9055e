"""Eagle 2.5: SigLIP over InternVL's tiles, whose side ``force_image_size`` may set; its weights were not read.

Source: vLLM 0.32 ``model_executor/models/eagle2_5_vl.py``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.aspect_tiles import aspect_tiles
from vlm_operator.model.multimodal.families import patches_along, shuffled_tokens, text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import SIGLIP
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.towers.unread import UnreadTower
from vlm_operator.model.weights.shuffled_projector import merged_side


def _tower(config: Config) -> Tower:
    vision = config.section("vision_config")
    defaults = SIGLIP if vision.text("model_type") == "siglip_vision_model" else {}
    output = text_width(config)
    return UnreadTower.read(vision, defaults, output_size=output, merge_size=merged_side(config, 1))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    processor = aspect_tiles(config, tiles_knob="max_dynamic_patch")
    if config.has("force_image_size"):
        side = config.integer("force_image_size")
        patch = config.section("vision_config").integer("patch_size", 14)
        patches = patches_along(side, patch, "vision_config.patch_size")
        processor = replace(processor, tile_size=side, tokens_per_tile=shuffled_tokens(patches, config))
    return MultimodalFacts("eagle2_5_vl", ("image",), processor)


FAMILY: Final = Family(
    name="eagle2_5_vl",
    variants=(Variant(architecture="Eagle2_5_VLForConditionalGeneration", weights_known=False),),
    tower=_tower,
    place=TowerPlace("vision_model", ("image",)),
    tokens=_tokens,
)
