"""Llama 4: tiles of 336 pixels, a tower with its adapter, one projector matrix.

Sources: vLLM 0.32 ``model_executor/models/mllama4.py``; ``meta-llama/Llama-4-Scout-17B-16E-Instruct`` (16 tiles).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Tying, Variant
from vlm_operator.model.multimodal.families import shuffle_ratio, text_width, vision_grid
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import CanvasTiles, MultimodalFacts
from vlm_operator.model.towers.complex_rotation import ComplexRotationTower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.wrapper import Wrapper

_PLACE: Final = TowerPlace("vision_model", ("image",), data_parallel=True, quantizable=False)


def _tower(config: Config) -> ComplexRotationTower:
    output = text_width(config)
    return ComplexRotationTower.read(config.section("vision_config"), output)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    side, patches = vision_grid(config.section("vision_config"), 336, 14)
    ratio = shuffle_ratio(config.section("vision_config"), "pixel_shuffle_ratio")
    return MultimodalFacts(
        "llama4",
        ("image",),
        CanvasTiles(
            tile_size=side,
            tokens_per_tile=max(1, patches**2 // round(1 / ratio**2)),
            max_tiles=files.image.integer("max_patches", 16),
            resize_to_max_canvas=files.image.boolean("resize_to_max_canvas", False),
        ),
    )


def _weights(wrapper: Wrapper) -> None:
    _tower(wrapper.config).build(wrapper.collection, _PLACE)
    inputs = wrapper.config.section("vision_config").integer("vision_output_dim", 7680)
    wrapper.projector().column("linear_1", wrapper.text.hidden_size, inputs, quantizable=False)
    wrapper.read_own_language()


FAMILY: Final = Family(
    name="llama4",
    variants=(
        Variant(
            architecture="Llama4ForConditionalGeneration",
            model_types=("llama4",),
            text=LanguageModel(architecture="Llama4ForCausalLM", model_type="llama4_text"),
        ),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
    tying=Tying.WHOLE,
    reads_limits_early=True,
    simulated=True,
)
