"""LLaVA-OneVision: images over tiles of listed resolutions and pooled video frames, the projector whole on every rank.

Sources: vLLM 0.32 ``model_executor/models/llava_onevision.py``; ``llava-hf/llava-onevision-qwen2-7b-ov-hf`` for the
resolutions (SigLIP at 384 pixels, 36 of them, nine tiles at most).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Tying, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.selected_features import pinpoints, selected_tokens
from vlm_operator.model.processors import AnyResolution, MultimodalFacts
from vlm_operator.model.renames import TOWER_AND_PROJECTOR
from vlm_operator.model.towers.named import named_tower, place_of
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.two_layer_projector import line_break, whole_projector
from vlm_operator.model.weights.wrapper import IMAGE_AND_VIDEO, Wrapper

_PLACE: Final = TowerPlace("vision_tower", IMAGE_AND_VIDEO)


def _tower(config: Config) -> Tower:
    return named_tower(config, "siglip_vision_model", text_width(config))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    side, patches, base = selected_tokens(config, "full")
    sides = [side * count for count in range(1, 7)]
    listed = pinpoints(config, tuple((height, width) for height in sides for width in sides), side)
    pooled = -(-patches // config.integer("spatial_pool_stride", 2))
    processor = AnyResolution(
        side,
        patches,
        base,
        listed,
        max_tiles=9,
        frame_tokens=pooled * pooled,
        max_video_frames=16,
        largest_image=(1153, 944),
    )
    return MultimodalFacts("llava_onevision", IMAGE_AND_VIDEO, processor)


def _weights(wrapper: Wrapper) -> None:
    line_break(wrapper)
    tower = _tower(wrapper.config)
    tower.build(wrapper.collection, place_of(tower, _PLACE))
    whole_projector(wrapper, tower.width, IMAGE_AND_VIDEO)
    wrapper.read_language()


FAMILY: Final = Family(
    name="llava_onevision",
    variants=(
        Variant(
            architecture="LlavaOnevisionForConditionalGeneration", model_types=("llava_onevision",), nested="qwen2"
        ),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
    tying=Tying.EITHER,
    renames=TOWER_AND_PROJECTOR,
    simulated=True,
)
