"""Command A Vision: SigLIP over tiles of 512 pixels, pixels shuffled, a gated projector.

Sources: vLLM 0.32 ``model_executor/models/cohere2_vision.py``; ``CohereLabs/command-a-vision-07-2025`` (12 tiles).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import patches_along, text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, UpscaleTiles
from vlm_operator.model.renames import TOWER_AND_PROJECTOR
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import SIGLIP, SquareTower
from vlm_operator.model.weights.wrapper import Wrapper

_PLACE: Final = TowerPlace("vision_tower.vision_model", ("image",))


def _factor(config: Config) -> int:
    return config.integer("downsample_factor", 2)


def _tower(config: Config) -> SquareTower:
    output = text_width(config)
    return SquareTower.read(config.section("vision_config"), SIGLIP, merge_size=_factor(config), output_size=output)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    vision = config.section("vision_config")
    patch = vision.integer("patch_size", 16)
    patches = patches_along(vision.integer("image_size", 512), patch, "vision_config.patch_size")
    per_side = files.processor.integer("patch_size", max(1, patches // _factor(config)))
    return MultimodalFacts(
        "cohere2_vision",
        ("image",),
        UpscaleTiles(
            tile_size=files.image.section("size").integer("height", 512),
            tokens_per_tile=per_side**2,
            max_tiles=files.image.integer("max_patches", 12),
            crop_to_tiles=files.image.boolean("crop_to_patches", True),
        ),
    )


def _weights(wrapper: Wrapper) -> None:
    tower = _tower(wrapper.config)
    tower.build(wrapper.collection, _PLACE)
    inner = wrapper.config.integer("alignment_intermediate_size", 36864)
    projector = wrapper.projector()
    projector.column("linear_1", inner, tower.width * tower.merge_size**2, bias=True)
    projector.row("linear_2", wrapper.text.hidden_size, inner // 2, bias=True)
    wrapper.read_language()


FAMILY: Final = Family(
    name="cohere2_vision",
    variants=(
        Variant(
            architecture="Cohere2VisionForConditionalGeneration", model_types=("cohere2_vision",), nested="cohere2"
        ),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
    renames=(TOWER_AND_PROJECTOR[0], *TOWER_AND_PROJECTOR[2:]),
    simulated=True,
)
