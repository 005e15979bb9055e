"""GLM-4.1V, 4.5V, 4.6V and GLM-OCR: gated towers whose patches a convolution merges, before GLM-4.

Sources: vLLM 0.32 ``model_executor/models/glm4_1v.py`` and ``glm_ocr.py``; transformers 5 ``models/glm4v``,
``models/glm4v_moe``, ``models/glm46v`` and ``models/glm_ocr``; ``zai-org/GLM-4.6V-Flash`` for the bounds of images.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.tower_traits import Pixels
from vlm_operator.engine.video_sampling import FrameLoader
from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import text_class
from vlm_operator.model.family import Family, LanguageModel, Tying, Variant
from vlm_operator.model.multimodal.families import text_config
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, VolumeResize
from vlm_operator.model.renames import VISUAL
from vlm_operator.model.towers.gated_downsample import GatedDownsampleTower, NormedDownsampleTower
from vlm_operator.model.towers.place import TowerPlace

_VISION: Final = {
    "depth": 24,
    "hidden_size": 1536,
    "intermediate_size": 13696,
    "num_heads": 12,
    "patch_size": 14,
    "out_hidden_size": 4096,
}
"""What ``Glm4vVisionConfig`` fills in."""
_OCR_VISION: Final = {
    "depth": 24,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_heads": 16,
    "patch_size": 14,
    "out_hidden_size": 1536,
}
"""What ``GlmOcrVisionConfig`` fills in."""
_OCR_TEXT: Final = text_class(16, 1024, 4096, 59392, 16, 8, None, 131072)
_SHORTER_CONTEXT: Final = 65_536
"""``max_position_embeddings`` of GLM-4.1V and 4.5V; that of GLM-4.6V is twice as long."""


def _is_ocr(config: Config) -> bool:
    return config.text("model_type") == "glm_ocr" or "GlmOcrForConditionalGeneration" in (
        config.items("architectures") or []
    )


def _tower(config: Config) -> GatedDownsampleTower:
    vision = config.section("vision_config")
    if _is_ocr(config):
        merger = config.section("text_config").over(_OCR_TEXT).integer("intermediate_size")
        return NormedDownsampleTower.read(vision, _OCR_VISION, merger)
    return GatedDownsampleTower.read(vision, _VISION)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """GLM-4.6V samples and stamps frames otherwise than 4.1V and 4.5V, whose architectures it shares."""
    vision = config.section("vision_config")
    fractional = _is_glm46v(config, files)
    image_least, image_most = files.image_bounds(112 * 112, 9_633_792)
    video = files.video if files.video is not files.image else None
    video_least, video_most = 112 * 112, 60_000 * 28 * 28
    if video is not None and video.has("size"):
        video_least, video_most = files.video_bounds(video_least, video_most)
    return MultimodalFacts(
        "glm46v" if fractional else (config.text("model_type") or "glm4v"),
        ("image", "video"),
        VolumeResize(
            patch_size=vision.integer("patch_size", 14),
            merge_size=vision.integer("spatial_merge_size", 2),
            temporal_patch_size=vision.integer("temporal_patch_size", 2),
            image_min_pixels=image_least,
            image_max_pixels=image_most,
            video_min_pixels=video_least,
            video_max_pixels=video_most,
            fractional_timestamps=fractional,
        ),
        FrameLoader.TIERED if fractional else FrameLoader.DYNAMIC,
        item_limits=(("video", 1),),
    )


def _is_glm46v(config: Config, files: Preprocessor) -> bool:
    """Its processor class tells, else its longer context."""
    named = files.processor.text("processor_class") or files.image.text("processor_class")
    if named or config.text("model_type") == "glm46v":
        return named in {None, "Glm46VProcessor"}
    return text_config(config).integer("max_position_embeddings", _SHORTER_CONTEXT) > _SHORTER_CONTEXT


_DENSE: Final = LanguageModel(
    architecture="Glm4ForCausalLM",
    model_type="glm4v_text",
    defaults=text_class(40, 4096, 13696, 151552, 32, 2, None, 32768),
)

FAMILY: Final = Family(
    name="glm4v",
    variants=(
        Variant(architecture="Glm4vForConditionalGeneration", model_types=("glm4v",), text=_DENSE),
        Variant(architecture="Glm46VForConditionalGeneration", model_types=("glm46v",), weights_known=False),
        Variant(
            architecture="Glm4vMoeForConditionalGeneration",
            model_types=("glm4v_moe",),
            text=LanguageModel(
                architecture="Glm4MoeForCausalLM",
                model_type="glm4v_moe_text",
                defaults=text_class(46, 4096, 10944, 151424, 96, 8, None, 65536),
                weight_defaults={"attention_bias": True, "moe_intermediate_size": 1408, "n_routed_experts": 128},
            ),
        ),
        Variant(
            architecture="GlmOcrForConditionalGeneration",
            model_types=("glm_ocr",),
            text=LanguageModel(architecture="Glm4ForCausalLM", model_type="glm_ocr_text", defaults=_OCR_TEXT),
        ),
    ),
    tower=_tower,
    place=TowerPlace("visual", data_parallel=True),
    pixels=Pixels.RAW,
    tokens=_tokens,
    tying=Tying.EITHER,
    renames=VISUAL,
    video_backends={"glm46v": FrameLoader.TIERED, "glmga": FrameLoader.WALKED},
    simulated=True,
)
