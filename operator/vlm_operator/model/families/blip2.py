"""BLIP-2: one token a query of a Q-Former between EVA-CLIP's tower and OPT.

Source: vLLM 0.32 and 0.33 ``model_executor/models/blip2.py``, ``blip.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FixedTokens, MultimodalFacts
from vlm_operator.model.towers.blip_vit import BlipTower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.qformer import qformer
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_PLACE: Final = TowerPlace("vision_model", IMAGE)
_QFORMER: Final[Mapping[str, Any]] = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "encoder_hidden_size": 1408,
    "cross_attention_frequency": 2,
}
"""What ``Blip2QFormerConfig`` fills in."""


def _tower(config: Config) -> Tower | None:
    if not config.has("vision_config"):
        return None
    return BlipTower.read(config.section("vision_config"), output_size=text_width(config))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    processor = FixedTokens(config.integer("num_query_tokens", 32))
    return MultimodalFacts("blip-2", ("image",), processor, item_limits=(("image", 1),))


def _weights(wrapper: Wrapper) -> None:
    config = wrapper.config
    former = config.section("qformer_config").over(_QFORMER)
    width = former.integer("hidden_size")
    BlipTower.read(config.section("vision_config"), output_size=0).build(wrapper.collection, _PLACE)
    top = wrapper.projector("", sharded=False)
    top.tensor("query_tokens", config.integer("num_query_tokens", 32) * width)
    qformer(
        wrapper,
        "qformer",
        width=width,
        inner=former.integer("intermediate_size"),
        blocks=former.integer("num_hidden_layers"),
        step=former.integer("cross_attention_frequency"),
        source=former.integer("encoder_hidden_size"),
    )
    top.linear("language_projection", wrapper.text.hidden_size, width, bias=True, quantizable=False)
    wrapper.read_language()


FAMILY: Final = Family(
    name="blip2",
    variants=(Variant(architecture="Blip2ForConditionalGeneration", model_types=("blip-2",), nested="opt"),),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
)
