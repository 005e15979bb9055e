"""ERNIE 4.5 VL's language model: in a sparse layer, experts for text and experts for images beside each other.

Source: vLLM 0.32 and 0.33, ``model_executor/models/ernie45_vl_moe.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType
from vlm_operator.model.weights.experts import norms, router, shared_expert
from vlm_operator.model.weights.language import Language

ROTARY_ROWS: Final = 4
"""Rows a position of the table that each layer has for itself (``Ernie4_5_VLRotaryEmbedding``)."""
KINDS: Final = ("text", "vision")


def _pair(config: Config, key: str, default: int | None) -> tuple[int, int]:
    """One value for each of both kinds.

    Raises:
        UnknownFact: the field does not list two.
    """
    listed = config.items(key) if isinstance(config.values.get(key), list | tuple) else None
    if listed is None and default is not None and not config.has(key):
        return default, default
    if listed is None or len(listed) != len(KINDS):
        field = config.field(key)
        raise UnknownFact(f"{field}: one value for text and one for images are needed", field=field)
    view = Config({str(at): value for at, value in enumerate(listed)}, config.field(key))
    return view.integer("0", least=0), view.integer("1", least=0)


def ernie_vl_experts(language: Language) -> None:
    """Dense layers before and after the sparse ones; routers and their bias in fp32; a rotary table a layer."""
    text, config = language.text, language.config
    hidden, bias = text.hidden_size, config.boolean("use_bias", False)
    experts, widths = _pair(config, "moe_num_experts", None), _pair(config, "moe_intermediate_size", None)
    starts = _pair(config, "moe_layer_start_index", None)
    ends = _pair(config, "moe_layer_end_index", text.layers - 1)
    step = config.integer("moe_layer_interval", 1)
    sparse = [n for n in language.numbers if min(starts) <= n <= max(ends) and (n + 1) % step == 0 and max(experts)]
    language.frame()
    layers = language.layers()
    language.attention(layers, bias=bias)
    dense = language.layers([n for n in language.numbers if n not in set(sparse)])
    dense.gated_mlp("mlp", hidden, text.intermediate_size, bias=bias)
    moe = language.layers(sparse)
    moe.tensor("mlp.e_score_correction_bias", 2 * experts[0], dtype=DType.FLOAT32)
    shared_expert(moe, "mlp.shared_experts", hidden, widths[0] * config.integer("moe_num_shared_experts", 0, least=0))
    for kind, count, width, start, end in zip(KINDS, experts, widths, starts, ends, strict=True):
        own = language.layers([n for n in sparse if start <= n <= end])
        router(own, f"mlp.{kind}_experts_gate", count, hidden, dtype=DType.FLOAT32)
        own.experts(f"mlp.{kind}_experts", count, hidden, width)
        others = language.layers([n for n in sparse if not start <= n <= end])
        others.gated_mlp(f"mlp.{kind}_experts", hidden, text.intermediate_size, bias=bias)
    norms(layers, hidden)
    layers.tensor("self_attn.rotary_emb.cos_sin_cache", ROTARY_ROWS * language.positions * text.head_size)
