"""LLaVA-NeXT-Video: vLLM takes videos only; frames are pooled, no line break, the projector whole on every rank.

Source: vLLM 0.32 ``model_executor/models/llava_next_video.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Tying, Variant
from vlm_operator.model.multimodal.families import text_width, vision_grid
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FixedTokens, MultimodalFacts
from vlm_operator.model.towers.named import named_tower, place_of
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.two_layer_projector import whole_projector
from vlm_operator.model.weights.wrapper import Wrapper

_VIDEO: Final = ("video",)
_PLACE: Final = TowerPlace("vision_tower", _VIDEO)


def _pool(config: Config) -> int:
    return config.integer("spatial_pool_stride", 2)


def _tower(config: Config) -> Tower:
    output = text_width(config)
    return named_tower(config, "clip_vision_model", output, merge_size=_pool(config))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    _, patches = vision_grid(config.section("vision_config"), 336, 14)
    pooled = -(-patches // _pool(config))
    processor = FixedTokens(0, video_frame_tokens=pooled * pooled)
    return MultimodalFacts("llava_next_video", _VIDEO, processor, item_limits=(("video", 1),))


def _weights(wrapper: Wrapper) -> None:
    tower = _tower(wrapper.config)
    tower.build(wrapper.collection, place_of(tower, _PLACE))
    whole_projector(wrapper, tower.width, _VIDEO)
    wrapper.read_language()


FAMILY: Final = Family(
    name="llava_next_video",
    variants=(
        Variant(
            architecture="LlavaNextVideoForConditionalGeneration", model_types=("llava_next_video",), nested="llama"
        ),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
    tying=Tying.EITHER,
)
