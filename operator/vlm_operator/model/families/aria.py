"""Aria: Idefics3's tower, queries that read its patches, and a mixture of experts with shared ones.

Every image costs the largest entry of ``projector_patch_to_query_dict``.
Source: vLLM 0.32 and 0.33 ``model_executor/models/aria.py``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FixedTokens, MultimodalFacts
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import IDEFICS3, SquareTower
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.experts import norms, router, shared_expert
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_PLACE: Final = TowerPlace("vision_tower", IMAGE)


def _tower(config: Config) -> Tower | None:
    if not config.has("vision_config"):
        return None
    return SquareTower.read(
        config.section("vision_config"),
        IDEFICS3,
        merge_size=1,
        output_size=text_width(config),
        post_norm=False,
        position_ids=False,
    )


def _queries(config: Config) -> int:
    queries = config.section("projector_patch_to_query_dict")
    return max((queries.integer(key) for key in queries.values), default=256)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    return MultimodalFacts("aria", ("image",), FixedTokens(_queries(config)))


def _weights(wrapper: Wrapper) -> None:
    tower = _tower(wrapper.config)
    if tower is not None:
        tower.build(wrapper.collection, _PLACE)
        _projector(wrapper, tower.width)
    _language(replace(wrapper.language(prefix=""), root="language_model"))


def _projector(wrapper: Wrapper, width: int) -> None:
    """Queries attend to patches through projections and torch's own attention; then a plain MLP without biases."""
    hidden = wrapper.text.hidden_size
    whole = wrapper.projector("multi_modal_projector", sharded=False)
    whole.tensor("query", _queries(wrapper.config) * width)
    for name in ("q_proj", "k_proj", "v_proj"):
        whole.linear(f"cross_attn.{name}", width, width, quantizable=False)
    whole.linear("cross_attn.multihead_attn.in_proj", 3 * width, width, bias=True, quantizable=False)
    whole.linear("cross_attn.multihead_attn.out_proj", width, width, bias=True, quantizable=False)
    whole.linear("cross_attn.linear", width, width, bias=True, quantizable=False)
    for name in ("cross_attn.layer_norm", "cross_attn.layer_norm_kv", "layer_norm"):
        whole.norm(name, width, bias=True)
    divided = wrapper.projector("multi_modal_projector.feed_forward")
    divided.column("linear_in", hidden, width, quantizable=False)
    divided.row("linear_out", hidden, hidden, quantizable=False)


def _language(language: Language) -> None:
    """Llama's layers with experts instead of the MLP; a head of its own, tied or not."""
    language.tied(False)
    config, text = language.config, language.text
    hidden, experts = text.hidden_size, config.integer("moe_num_experts", 8)
    bias = config.boolean("attention_bias", False)
    language.frame()
    layers = language.layers()
    language.attention(layers, bias=bias, output_bias=bias)
    router(layers, "mlp.router_weight", experts, hidden)
    shared_expert(
        layers, "mlp.shared_experts", hidden, text.intermediate_size * config.integer("moe_num_shared_experts", 2)
    )
    layers.experts("mlp.experts", experts, hidden, text.intermediate_size)
    norms(layers, hidden)
    language.rotary()


FAMILY: Final = Family(
    name="aria",
    variants=(Variant(architecture="AriaForConditionalGeneration", model_types=("aria",), nested="aria_text"),),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
)
