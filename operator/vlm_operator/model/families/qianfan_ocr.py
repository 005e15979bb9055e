"""Qianfan-OCR: InternVL's tiles, images only in vLLM, InternViT under the field names of its own config class.

Source: vLLM 0.32 and 0.33 ``model_executor/models/qianfan_ocr.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.aspect_tiles import aspect_tiles
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.towers.intern_vit import InternVit
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.shuffled_projector import selected_intern_vit, shuffled_weights
from vlm_operator.model.weights.wrapper import IMAGE_AND_VIDEO, Wrapper

_VISION: Final = {
    "num_hidden_layers": 24,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "attention_bias": True,
    "use_qk_norm": False,
    "norm_type": "layer_norm",
}
"""What ``QianfanOCRVisionConfig`` fills in."""


def _renamed(config: Config) -> Config:
    """The config with the names that InternViT reads (``qianfan_ocr.py: _add_intern_vit_fields``)."""
    vision = config.section("vision_config").over(_VISION)
    own = {"qkv_bias": vision.values["attention_bias"], "qk_normalization": vision.values["use_qk_norm"]}
    values = {**own, **vision.values, "model_type": "intern_vit_6b"}
    return Config({**config.values, "vision_config": values}, config.path)


def _tower(config: Config) -> InternVit:
    return selected_intern_vit(_renamed(config))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    return MultimodalFacts("qianfan_ocr", ("image",), aspect_tiles(config, tiles_knob="max_dynamic_patch"))


def _weights(wrapper: Wrapper) -> None:
    shuffled_weights(wrapper, _tower(wrapper.config), wrapper.text.hidden_size)


FAMILY: Final = Family(
    name="qianfan_ocr",
    variants=(
        Variant(architecture="QianfanOCRForConditionalGeneration", model_types=("qianfan_ocr",), nested="qwen3"),
    ),
    tower=_tower,
    place=TowerPlace("vision_model", IMAGE_AND_VIDEO, data_parallel=True),
    tokens=_tokens,
    weights=_weights,
)
