"""NVLM-D: InternVL's tiles with a tag before each, a tower with seven heads added, a projector without biases.

Source: vLLM 0.32 ``model_executor/models/nvlm_d.py``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.aspect_tiles import aspect_tiles
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.towers.intern_vit import InternVit
from vlm_operator.model.weights.shuffled_projector import PLACE, selected_intern_vit, shuffled_weights
from vlm_operator.model.weights.wrapper import Wrapper

_MORE_HEADS: Final = 7
"""Heads that vLLM adds so that more numbers of ranks divide them (``num_dummy_heads``)."""


def _tower(config: Config) -> InternVit:
    return selected_intern_vit(config, more_heads=_MORE_HEADS)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    processor = aspect_tiles(config, tiles_knob="max_dynamic_patch")
    return MultimodalFacts(
        "nvlm", ("image",), replace(processor, tile_tags=True, wrapper_tokens=3, dynamic_knobs=False)
    )


def _weights(wrapper: Wrapper) -> None:
    shuffled_weights(wrapper, _tower(wrapper.config), wrapper.text.intermediate_size, bias=False)


FAMILY: Final = Family(
    name="nvlm",
    variants=(Variant(architecture="NVLM_D", model_types=("NVLM_D",)),),
    tower=_tower,
    place=PLACE,
    tokens=_tokens,
    weights=_weights,
)
