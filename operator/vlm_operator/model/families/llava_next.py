"""LLaVA-NeXT: LLaVA over tiles of listed resolutions, with a learned line break between rows of tiles.

Sources: vLLM 0.32 ``model_executor/models/llava_next.py``; ``llava-hf/llava-v1.6-mistral-7b-hf`` for the resolutions.
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
from vlm_operator.model.weights.two_layer_projector import divided_projector, line_break
from vlm_operator.model.weights.wrapper import Wrapper

_PLACE: Final = TowerPlace("vision_tower", ("image",))
_PINPOINTS: Final = ((336, 672), (672, 336), (672, 672), (1008, 336), (336, 1008))


def _tower(config: Config) -> Tower:
    return named_tower(config, "clip_vision_model", text_width(config))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    side, patches, base = selected_tokens(config, "default")
    listed = pinpoints(config, _PINPOINTS, side)
    return MultimodalFacts("llava_next", ("image",), AnyResolution(side, patches, base, listed))


def _weights(wrapper: Wrapper) -> None:
    line_break(wrapper)
    tower = _tower(wrapper.config)
    tower.build(wrapper.collection, place_of(tower, _PLACE))
    divided_projector(wrapper, tower.width)
    wrapper.read_language()


FAMILY: Final = Family(
    name="llava_next",
    variants=(Variant(architecture="LlavaNextForConditionalGeneration", model_types=("llava_next",), nested="llama"),),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
    tying=Tying.WHOLE,
    renames=TOWER_AND_PROJECTOR,
    start_ups=("jmitchall-llava16-mistral7b-5080-a",),
)
