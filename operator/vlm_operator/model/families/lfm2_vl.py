"""LFM2-VL: SigLIP 2 over patches, pixels shuffled into a two-layer projector, LFM2.

Sources: vLLM 0.32 ``model_executor/models/lfm2_vl.py`` and ``lfm2_siglip2.py``; ``LiquidAI/LFM2-VL-1.6B`` (64 to 256
tokens, tiles of 512 pixels, 2 to 10).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, NaflexTiles
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import SIGLIP, SquareTower
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_PLACE: Final = TowerPlace("vision_tower.vision_model", IMAGE)


def _tower(config: Config) -> SquareTower:
    vision = config.section("vision_config")
    return SquareTower.read(
        vision,
        SIGLIP,
        merge_size=config.integer("downsample_factor", 2),
        output_size=text_width(config),
        positions=vision.integer("num_patches", 256),
        post_norm=True,
        position_ids=False,
    )


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    image = files.image
    split = image.boolean("do_image_splitting", True)
    return MultimodalFacts(
        "lfm2_vl",
        ("image",),
        NaflexTiles(
            patch_size=image.integer("encoder_patch_size", 16),
            downsample=image.integer("downsample_factor", 2),
            min_tokens=image.integer("min_image_tokens", 64),
            max_tokens=image.integer("max_image_tokens", 256),
            tile_size=image.integer("tile_size", 512),
            min_tiles=image.integer("min_tiles", 2) if split else 1,
            max_tiles=image.integer("max_tiles", 10) if split else 1,
            tolerance=image.number("max_pixels_tolerance", 2.0) or 2.0,
        ),
    )


def _weights(wrapper: Wrapper) -> None:
    config, tower = wrapper.config, _tower(wrapper.config)
    tower.build(wrapper.collection, _PLACE)
    inputs = tower.width * tower.merge_size**2
    inner, bias = config.integer("projector_hidden_size", 2560), config.boolean("projector_bias", True)
    projector = wrapper.projector(sharded=False)
    if config.boolean("projector_use_layernorm", True):
        projector.norm("layer_norm", inputs, bias=True)
    projector.linear("linear_1", inner, inputs, bias=bias, quantizable=False)
    projector.linear("linear_2", wrapper.text.hidden_size, inner, bias=bias, quantizable=False)
    wrapper.read_own_language()


FAMILY: Final = Family(
    name="lfm2_vl",
    variants=(
        Variant(
            architecture="Lfm2VlForConditionalGeneration",
            model_types=("lfm2_vl",),
            text=LanguageModel(architecture="Lfm2ForCausalLM", model_type="lfm2"),
        ),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
    simulated=True,
)
