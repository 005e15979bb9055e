"""Gemma 3: SigLIP whose outputs are averaged to a fixed number, then one matrix and a norm.

Sources: vLLM 0.32 ``model_executor/models/gemma3_mm.py``; ``google/gemma-3-27b-it`` (896 pixels, 256 tokens,
pan-and-scan off).
"""

from __future__ import annotations

import math
from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, PanAndScan
from vlm_operator.model.renames import TOWER_AND_PROJECTOR
from vlm_operator.model.text_config import TextConfig
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import SIGLIP, SquareTower
from vlm_operator.model.weights.wrapper import Wrapper

_PLACE: Final = TowerPlace("vision_tower.vision_model", ("image",))


def _tokens_of_view(config: Config) -> int:
    return config.integer("mm_tokens_per_image", 256)


def _tower(config: Config) -> SquareTower:
    vision = config.section("vision_config").over(SIGLIP)
    patches = (vision.integer("image_size") // vision.integer("patch_size")) ** 2
    return SquareTower.read(
        vision,
        SIGLIP,
        merge_size=max(1, math.isqrt(patches // _tokens_of_view(config))),
        output_size=text_width(config),
    )


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    return MultimodalFacts(
        "gemma3",
        ("image",),
        PanAndScan(
            tokens_per_view=_tokens_of_view(config),
            native_size=config.section("vision_config").integer("image_size", 896),
            enabled=files.image.boolean("do_pan_and_scan", False),
            min_crop_size=files.image.integer("pan_and_scan_min_crop_size", 256),
            max_crops=files.image.integer("pan_and_scan_max_num_crops", 4),
            min_ratio=files.image.number("pan_and_scan_min_ratio_to_activate", 1.2) or 1.2,
        ),
    )


def _weights(wrapper: Wrapper) -> None:
    tower = _tower(wrapper.config)
    tower.build(wrapper.collection, _PLACE)
    projector = wrapper.projector()
    projector.tensor("mm_input_projection_weight", tower.width * wrapper.text.hidden_size)
    projector.norm("mm_soft_emb_norm", tower.width)
    wrapper.read_own_language()


def _prefix_item_tokens(config: Config, text: TextConfig) -> int:
    return _tokens_of_view(config)


FAMILY: Final = Family(
    name="gemma3",
    variants=(
        Variant(
            architecture="Gemma3ForConditionalGeneration",
            model_types=("gemma3",),
            text=LanguageModel(architecture="Gemma3ForCausalLM", model_type="gemma3_text"),
        ),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
    renames=TOWER_AND_PROJECTOR,
    prefix_item_tokens=_prefix_item_tokens,
    simulated=True,
)
