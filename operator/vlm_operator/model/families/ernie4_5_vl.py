"""ERNIE 4.5 VL: images and videos, experts for text and for images beside each other.

Sources: vLLM 0.32 and 0.33 ``model_executor/models/ernie45_vl.py``, ``ernie45_vl_moe.py``; transformers 5
``models/ernie4_5_vl_moe``; ``baidu/ERNIE-4.5-VL-28B-A3B-PT`` (3,136 to 28 x 28 x 6,177 pixels an image).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import text_class
from vlm_operator.model.facts import DType
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, ProbedResize, ThinSide
from vlm_operator.model.towers.ernie_vit import ErnieTower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.paired_experts import ernie_vl_experts
from vlm_operator.model.weights.wrapper import IMAGE_AND_VIDEO, Wrapper

_PLACE: Final = TowerPlace("vision_model")
_VISION: Final = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_heads": 16,
    "patch_size": 14,
}
"""What ``Ernie4_5_VLMoeVisionConfig`` fills in."""


def _tower(config: Config) -> ErnieTower:
    return ErnieTower.read(config.section("vision_config"), _VISION, output_size=text_width(config))


def _resampler(wrapper: Wrapper, width: int) -> None:
    """Patches of a square, then of two frames, become one token; every matrix divided by its outputs."""
    config, hidden = wrapper.config, wrapper.text.hidden_size
    merged = width * config.integer("spatial_conv_size", 2) ** 2
    resampler = wrapper.projector("resampler_model", modalities=IMAGE_AND_VIDEO)
    inputs = [("spatial", merged)]
    if config.boolean("use_temporal_conv", True):
        inputs.append(("temporal", merged * config.integer("temporal_conv_size", 2)))
    for name, columns in inputs:
        resampler.column(f"{name}_linear1", merged, columns, bias=True)
        resampler.column(f"{name}_linear2", merged, merged, bias=True)
        resampler.norm(f"{name}_norm", merged, bias=True)
    resampler.column("mlp", hidden, merged, bias=True)
    resampler.norm("after_norm", hidden)


def _weights(wrapper: Wrapper) -> None:
    tower = _tower(wrapper.config)
    tower.build(wrapper.collection, _PLACE)
    marks = ("image_start_token_id", "image_end_token_id", "video_start_token_id", "video_end_token_id")
    if wrapper.config.integer("im_patch_id", 0, least=0):
        ids = 1 + sum(wrapper.config.has(name) for name in marks)
        wrapper.projector("", modalities=(), sharded=False).tensor("_visual_token_ids", ids, dtype=DType.INT64)
    _resampler(wrapper, wrapper.config.integer("pixel_hidden_size", tower.width))
    ernie_vl_experts(wrapper.language(kind="ernie4_5_vl_moe_text"))


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
        ),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
)
