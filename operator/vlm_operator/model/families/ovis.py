"""Ovis 1.6 and 2: parts of the encoder's image size; each output is a choice among visual words.

Sources: vLLM 0.32 and 0.33 ``model_executor/models/ovis.py``, ``transformers_utils/configs/ovis.py``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import CoveringPartition, MultimodalFacts
from vlm_operator.model.towers.aimv2 import AIMV2, Aimv2Tower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import SIGLIP, SquareTower
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_TOKENIZER: Final = "visual_tokenizer_config"
_INDICATORS: Final = 5
"""Rows of the visual vocabulary that stand for marks between parts, not for what the tower sees."""
_WORD_BYTES: Final = {"softmax": 6, "st_argmax": 6, "gumbel_argmax": 12}
"""Bytes of a word's score and what ``tokenize`` and padding make of it at their largest, by ``tokenize_function``."""
_BACKBONES: Final = {"aimv2": AIMV2, "aimv2_vision_model": AIMV2, "siglip_vision_model": SIGLIP}
"""What the classes of its towers fill in, by their ``model_type``."""


def _tower(config: Config) -> Tower:
    """The tower that ``visual_tokenizer_config`` names.

    Raises:
        UnknownFact: another tower, or another way to choose words.
    """
    visual, backbone = config.section(_TOKENIZER), _backbone(config)
    chosen_by = visual.text("tokenize_function", "softmax") or ""
    if chosen_by not in _WORD_BYTES:
        field = visual.field("tokenize_function")
        raise UnknownFact(f"{field}: how {chosen_by[:60]!r} chooses visual words is not known", field=field)
    merge, output = visual.integer("hidden_stride", 1), text_width(config)
    choice = _words(config) * _WORD_BYTES[chosen_by]
    if _BACKBONES[backbone.text("model_type") or ""] is AIMV2:
        return Aimv2Tower.read(backbone, merge_size=merge, output_size=output, choice_bytes=choice)
    tower = SquareTower.read(backbone, SIGLIP, merge_size=merge, output_size=output)
    return replace(tower, choice_bytes=choice)


def _backbone(config: Config) -> Config:
    """Its section, the defaults of its class filled in.

    Raises:
        UnknownFact: a tower of another type.
    """
    backbone = config.section(_TOKENIZER).section("backbone_config")
    kind = backbone.text("model_type") or ""
    if kind not in _BACKBONES:
        field = backbone.field("model_type")
        raise UnknownFact(f"{field}: the vision tower of type {kind[:60]!r} is not known", field=field)
    return backbone.over(_BACKBONES[kind])


def _words(config: Config) -> int:
    return config.section(_TOKENIZER).integer("vocab_size", 16384, least=_INDICATORS + 1)


def _weights(wrapper: Wrapper) -> None:
    config, tower = wrapper.config, _tower(wrapper.config)
    place = FAMILY.place
    if isinstance(tower, SquareTower):
        place = replace(place, prefix=f"{place.prefix}.vision_model")
    tower.build(wrapper.collection, place)
    words = _words(config)
    seen = words - _INDICATORS
    head = wrapper.projector("visual_tokenizer.head", sharded=False)
    head.linear("0", seen, tower.width * tower.merge_size**2, quantizable=False)
    head.norm("1", seen, bias=True)
    table = config.integer("hidden_size", wrapper.text.hidden_size)
    wrapper.projector("", modalities=IMAGE, sharded=False).tensor("vte.weight", words * table)
    section = "llm_config" if config.has("llm_config") else "text_config"
    wrapper.read_language(prefix="llm", section=section)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    backbone = _backbone(config)
    side = backbone.integer("image_size")
    stride = config.section(_TOKENIZER).integer("hidden_stride", 1)
    patches = -(-side // backbone.integer("patch_size"))
    return MultimodalFacts(
        "ovis",
        ("image",),
        CoveringPartition(side, (patches // stride) ** 2, dummy_side=side * stride * 9),
    )


FAMILY: Final = Family(
    name="ovis",
    variants=(Variant(architecture="Ovis", model_types=("ovis",)),),
    tower=_tower,
    place=TowerPlace("visual_tokenizer.backbone", IMAGE),
    tokens=_tokens,
    weights=_weights,
)
