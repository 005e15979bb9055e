"""Idefics3 and SmolVLM: SigLIP's blocks over tiles, pixels shuffled into one matrix.

Sources: vLLM 0.32 ``model_executor/models/idefics3.py`` and ``smolvlm.py``; the published preprocessor files of
``HuggingFaceM4/Idefics3-8B-Llama3`` (364 and 1456 pixels), ``HuggingFaceTB/SmolVLM-Instruct`` (384 and 1536) and
``SmolVLM-256M-Instruct`` (512 and 2048): tiles as large as the tower's image, the longest edge four of them.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Tying, Variant
from vlm_operator.model.multimodal.families import text_width, vision_grid
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import LongestEdgeTiles, MultimodalFacts
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import IDEFICS3, SquareTower
from vlm_operator.model.weights.wrapper import Wrapper

_PLACE: Final = TowerPlace("model.vision_model", ("image",))


def _scale(config: Config) -> int:
    return config.integer("scale_factor", 2)


def _tower(config: Config) -> SquareTower:
    return SquareTower.read(
        config.section("vision_config"),
        IDEFICS3,
        merge_size=_scale(config),
        output_size=text_width(config),
        post_norm=True,
        position_ids=False,
    )


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    side, patches = vision_grid(config.section("vision_config"), 364, 14)
    tile = files.longest_edge(side, "max_image_size")
    tokens = max(1, patches // _scale(config)) ** 2
    return MultimodalFacts(
        "smolvlm" if config.text("model_type") == "smolvlm" else "idefics3",
        ("image",),
        LongestEdgeTiles(
            longest_edge=files.longest_edge(4 * tile),
            tile_size=tile,
            tokens_per_tile=files.processor.integer("image_seq_len", tokens),
            split=files.image.boolean("do_image_splitting", True),
        ),
    )


def _weights(wrapper: Wrapper) -> None:
    tower = _tower(wrapper.config)
    tower.build(wrapper.collection, _PLACE)
    connector = wrapper.projector("model.connector", sharded=False)
    inputs = tower.width * tower.merge_size**2
    connector.linear("modality_projection.proj", wrapper.text.hidden_size, inputs)
    wrapper.read_language(prefix="", root="model.text_model", own_word=True)


FAMILY: Final = Family(
    name="idefics3",
    variants=(
        Variant(architecture="Idefics3ForConditionalGeneration", model_types=("idefics3",), nested="llama"),
        Variant(architecture="SmolVLMForConditionalGeneration", model_types=("smolvlm",), nested="llama"),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
    tying=Tying.SECTION,
    simulated=True,
)
