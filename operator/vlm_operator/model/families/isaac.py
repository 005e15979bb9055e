"""Isaac: vLLM's own processor counts with its defaults, whatever the config says, SigLIP 2 over native patches, Qwen3.

Source: vLLM 0.32 and 0.33 ``model_executor/models/isaac.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, SearchedScale
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import SIGLIP, SquareTower
from vlm_operator.model.weights.dense import qwen3
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_PLACE: Final = TowerPlace("vision_embedding.transformer", IMAGE)


def _tower(config: Config) -> SquareTower:
    if not config.has("vision_config"):
        raise UnknownFact("vision_config is missing from the config", field="vision_config")
    vision = config.section("vision_config").over(SIGLIP)
    return SquareTower.read(
        vision,
        SIGLIP,
        merge_size=vision.integer("pixel_shuffle_scale_factor", 1),
        output_size=text_width(config),
        positions=vision.integer("num_patches", 256),
        post_norm=True,
        position_ids=False,
    )


def _weights(wrapper: Wrapper) -> None:
    tower = _tower(wrapper.config)
    tower.build(wrapper.collection, _PLACE)
    merged = tower.width * tower.merge_size**2
    projector = wrapper.projector("vision_embedding")
    projector.column("linear_fc1", 4 * merged, merged)
    projector.row("linear_fc2", wrapper.text.hidden_size, 4 * merged)
    language = wrapper.language()
    rope = {**language.rope(), "mrope_section": [1, 1, 1]}  # vLLM puts thirds of its own here
    qwen3(language.with_(config=Config({**language.config.values, "rope_parameters": rope}, language.config.path)))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """16 pixels, 256 to 6,144 patches, 2x2 a token; start-up reads the config."""
    scale = config.integer("pixel_shuffle_scale", 1)
    return MultimodalFacts(
        "isaac",
        ("image",),
        SearchedScale(
            patch_size=16,
            cell_patches=2,
            min_patches=256,
            max_patches=6144,
            assumed_tokens=config.integer("vision_max_num_patches", 256) // scale**2,
        ),
    )


FAMILY: Final = Family(
    name="isaac",
    variants=(
        Variant(
            architecture="IsaacForConditionalGeneration",
            model_types=("isaac",),
            text=LanguageModel(architecture="Qwen3ForCausalLM"),
        ),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
)
