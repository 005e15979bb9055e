"""Llama Nemotron Nano VL 8B v1: RADIO over tiles of 512 pixels, 12 at most; its weights were not read.

Sources: vLLM 0.32 ``model_executor/models/nemotron_vl.py``; ``nvidia/Llama-3.1-Nemotron-Nano-VL-8B-V1``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import patches_along, shuffled_tokens, text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import AspectTiles, GridChoice, MultimodalFacts
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.towers.unread import UnreadTower
from vlm_operator.model.weights.shuffled_projector import merged_side


def _tower(config: Config) -> Tower | None:
    """RADIO: its config states no dimensions."""
    if not config.has("vision_config"):
        return None
    output = text_width(config)
    vision = config.section("vision_config")
    return UnreadTower.read(vision, {}, output_size=output, merge_size=merged_side(config, 1))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Llama Nemotron Nano VL 8B v1 (``nvidia/Llama-3.1-Nemotron-Nano-VL-8B-V1``: tiles of 512 pixels, 12 at most)."""
    side = files.image.integer("image_size", config.integer("force_image_size", 512))
    vision = config.section("vision_config")
    patches = patches_along(side, vision.integer("patch_size", 16), "vision_config.patch_size")
    return MultimodalFacts(
        "nemotron_vl",
        ("image",),
        AspectTiles(
            tile_size=side,
            tokens_per_tile=shuffled_tokens(patches, config),
            min_tiles=1,
            max_tiles=files.image.integer("max_num_tiles", 12),
            use_thumbnail=files.image.boolean("use_thumbnail", True),
            tiles_knob="max_num_tiles",
            grid_choice=GridChoice.COVERED_AREA,
        ),
    )


FAMILY: Final = Family(
    name="llama_nemotron_vl",
    variants=(
        Variant(architecture="Llama_Nemotron_Nano_VL", model_types=("Llama_Nemotron_Nano_VL",), weights_known=False),
    ),
    tower=_tower,
    place=TowerPlace("vision_model", ("image",)),
    tokens=_tokens,
)
