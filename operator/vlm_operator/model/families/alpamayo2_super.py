"""Alpamayo 2 Super: the DeepStack tower before Qwen3, images only; the trajectory expert is not served.

A published config nests both parts in ``vlm_config``; one that vLLM's config class saved has them at the top.

Sources: vLLM 0.33 ``model_executor/models/alpamayo2_super.py``, ``transformers_utils/configs/alpamayo2_super.py``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.engine.loading_rules import RotaryRows
from vlm_operator.engine.tower_traits import Pixels
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Tying, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.smart_resize import timed_resize
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.towers.deepstack import DEEPSTACK_CLASS, DeepstackTower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_VISION: Final = {**DEEPSTACK_CLASS, "deepstack_visual_indexes": (8, 16, 24)}
_PLACE: Final = TowerPlace("visual", ("image", "video"), data_parallel=True)


def _vision(config: Config) -> Config:
    nested = config.section("vlm_config")
    return (nested if nested.has("vision_config") else config).section("vision_config")


def _tower(config: Config) -> DeepstackTower:
    return DeepstackTower.read(_vision(config), _VISION)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """The config bounds the pixels of an image, in place of the preprocessor's; without both it is the latter's."""
    resize = timed_resize(_vision(config), files)
    least, most = _bound(config, "min_pixels", 163840), _bound(config, "max_pixels", 196608)
    if least and most:
        resize = replace(resize, image_min_pixels=least, image_max_pixels=most)
    return MultimodalFacts("alpamayo2_super", IMAGE, resize)


def _bound(config: Config, key: str, default: int) -> int:
    """A bound of the config, its class's default where it is missing, 0 where it is null."""
    return config.integer(key) if config.has(key) else 0 if key in config.values else default


def _weights(wrapper: Wrapper) -> None:
    config = wrapper.config
    _tower(config).build(wrapper.collection, _PLACE)
    nested = config.section("vlm_config")
    inner = wrapper if config.has("text_config") else replace(wrapper, config=nested)
    inner.read_own_language()


FAMILY: Final = Family(
    name="alpamayo2_super",
    variants=(
        Variant(
            architecture="Alpamayo2Super",
            model_types=("alpamayo2_super",),
            text=LanguageModel(architecture="Qwen3ForCausalLM"),
        ),
    ),
    tower=_tower,
    place=_PLACE,
    pixels=Pixels.RAW,
    tokens=_tokens,
    weights=_weights,
    tying=Tying.WHOLE,
    renames=(
        ("vlm.model.visual.", "visual."),
        ("vlm.lm_head.", "language_model.lm_head."),
        ("vlm.model.language_model.", "language_model.model."),
    ),
    rotary_rows=RotaryRows.ONE_LATER,
)
