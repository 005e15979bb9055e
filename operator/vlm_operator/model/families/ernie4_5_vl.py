"""ERNIE 4.5 VL: images and videos; its weights are not read.

Sources: vLLM 0.32 ``model_executor/models/ernie45_vl.py``; transformers 5 ``models/ernie4_5_vl_moe``;
``baidu/ERNIE-4.5-VL-28B-A3B-PT`` (3,136 to 28 x 28 x 6,177 pixels an image).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.tower_traits import Activation, Rotation, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import text_class
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, ProbedResize, ThinSide
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.unread import UnreadTower

_VISION: Final = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_heads": 16,
    "patch_size": 14,
}
"""What ``Ernie4_5_VLMoeVisionConfig`` fills in."""


def _tower(config: Config) -> UnreadTower:
    vision = config.section("vision_config")
    return UnreadTower.read(
        vision,
        _VISION,
        output_size=text_width(config),
        merge_size=vision.integer("spatial_merge_size", 2),
        traits=TowerTraits(rotation=Rotation.SHARED_SEPARATE, activation=Activation.QUICK_GELU),
    )


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    vision = config.section("vision_config")
    least, most = files.image_bounds(56 * 56, 28 * 28 * 6177)
    return MultimodalFacts(
        "ernie4_5_vl_moe",
        ("image", "video"),
        ProbedResize(
            patch_size=vision.integer("patch_size", 14),
            merge_size=config.integer("spatial_conv_size", vision.integer("spatial_merge_size", 2)),
            temporal_patch_size=config.integer("temporal_conv_size", vision.integer("temporal_merge_size", 2)),
            min_pixels=least,
            max_pixels=most,
            even_frames=True,
            min_frames=2,
            thin_side=ThinSide.CLIP,
        ),
    )


FAMILY: Final = Family(
    name="ernie4_5_vl",
    variants=(
        Variant(
            architecture="Ernie4_5_VLMoeForConditionalGeneration",
            model_types=("ernie4_5_vl_moe", "ernie4_5_moe_vl"),
            text=LanguageModel(
                architecture="Ernie4_5_MoeForCausalLM",
                model_type="ernie4_5_vl_moe_text",
                defaults=text_class(28, 2560, 12288, 103424, 20, 4, None, 131072, tied=True),
            ),
            weights_known=False,
        ),
    ),
    tower=_tower,
    place=TowerPlace("vision_model"),
    tokens=_tokens,
)
