"""Ovis2.5 and 2.6: the tower's output is a choice among visual words, which have embeddings of their own.

Sources: vLLM 0.32 ``model_executor/models/ovis2_5.py`` and ``siglip2navit.py``; ``AIDC-AI/Ovis2.5-9B``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.engine.tower_traits import PLAIN_TOWER
from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import patches_along, text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, OvisResize
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.siglip_navit import SO400M, SiglipNavit
from vlm_operator.model.weights.wrapper import Wrapper

_INDICATORS: Final = 4
"""Rows of the visual vocabulary that stand for marks in the text, not for what the tower sees."""
_WORD_BYTES: Final = 8
"""Bytes of a word's score: itself, its softmax in float32, and that in the model's type (``tokenize``)."""
_SIDE: Final = 1792
"""Pixels along the largest image of vLLM's own processor."""


def _tower(config: Config) -> SiglipNavit:
    vision = config.section("vit_config")
    if not vision.values:
        raise UnknownFact("vit_config is missing from the config", field="vit_config")
    tower = SiglipNavit.read(
        vision,
        {**SO400M, "image_size": 512},
        output_size=text_width(config),
        merge_size=vision.integer("hidden_stride", 2),
        traits=PLAIN_TOWER,
    )
    return replace(tower, choice_bytes=_WORD_BYTES * (_words(config) - _INDICATORS))


def _words(config: Config) -> int:
    return config.integer("visual_vocab_size", 65536, least=_INDICATORS + 1)


def _weights(wrapper: Wrapper) -> None:
    config, tower = wrapper.config, _tower(wrapper.config)
    tower.build(wrapper.collection, FAMILY.place)
    words = _words(config)
    seen = words - _INDICATORS
    head = wrapper.projector("visual_tokenizer.head", modalities=FAMILY.place.modalities, sharded=False)
    head.linear("0", seen, tower.width * tower.merge_size**2, quantizable=False)
    head.norm("1", seen, bias=True)
    table = wrapper.projector("", modalities=FAMILY.place.modalities, sharded=False)
    table.tensor("vte.weight", words * wrapper.text.hidden_size)
    section = "llm_config" if config.has("llm_config") else "text_config"
    wrapper.read_language(prefix="llm", section=section)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """vLLM's own processor with fixed bounds (448x448 to 1792x1792)."""
    vision = config.section("vit_config")
    patches_along(_SIDE, vision.integer("patch_size", 16), "vit_config.patch_size")
    return MultimodalFacts(
        "ovis2_5",
        ("image", "video"),
        OvisResize(
            patch_size=vision.integer("patch_size", 16),
            hidden_stride=vision.integer("hidden_stride", 2),
            temporal_patch_size=vision.integer("temporal_patch_size", 1),
            min_pixels=448 * 448,
            max_pixels=_SIDE * _SIDE,
            dummy_side=_SIDE,
        ),
        item_limits=(("video", 1),),
    )


FAMILY: Final = Family(
    name="ovis2_5",
    variants=(
        Variant(architecture="Ovis2_5", model_types=("ovis2_5",)),
        Variant(architecture="Ovis2_6ForCausalLM", model_types=("ovis2_5",)),
        Variant(architecture="Ovis2_6_MoeForCausalLM", model_types=("ovis2_5",)),
    ),
    tower=_tower,
    place=TowerPlace("visual_tokenizer.vit.vision_model"),
    tokens=_tokens,
    weights=_weights,
)
