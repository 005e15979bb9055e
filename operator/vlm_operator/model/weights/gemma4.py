"""Gemma 4's language model: two kinds of attention, shared keys and values, per-layer embeddings, experts beside MLPs.

Source: vLLM 0.32, ``model_executor/models/gemma4.py``; defaults of transformers' ``Gemma4TextConfig``.
"""

from __future__ import annotations

from collections.abc import Sequence

from vlm_operator.errors import UnknownFact
from vlm_operator.model.facts import Component, Stage
from vlm_operator.model.weights.experts import router
from vlm_operator.model.weights.language import Language

FULL, SLIDING = "full_attention", "sliding_attention"
NORMS = ("input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm")


def gemma4(language: Language) -> None:
    """Gemma 4 text models, dense, sparse and with per-layer embeddings."""
    config, text = language.config, language.text
    hidden, numbers = text.hidden_size, language.numbers
    kinds = [str(kind) for kind in config.items("layer_types") or _default_kinds(len(numbers))]
    if len(kinds) != len(numbers) or not set(kinds) <= {FULL, SLIDING}:
        field = config.field("layer_types")
        raise UnknownFact(f"{field}: not one of {FULL} and {SLIDING} for each of {len(numbers)} layers", field=field)
    kinds[-1:] = [FULL]  # whatever the config says (transformers: ``Gemma4TextConfig``)
    shared = config.integer("num_kv_shared_layers", 0, least=0)
    first_shared = len(numbers) - shared
    language.frame(every_stage=True)
    language.end("model", Stage.EVERY).tensor("normalizer", 1)
    for kind in (SLIDING, FULL):
        for sharing in (False, True):
            chosen = [n for n in numbers if kinds[n] == kind and (shared > 0 and n >= first_shared) is sharing]
            _attention(language, chosen, full=kind == FULL, sharing=sharing)
    wide = 2 if config.boolean("use_double_wide_mlp", False) else 1
    own = [n for n in numbers if not n >= first_shared > 0]
    sharers = [n for n in numbers if n >= first_shared > 0]
    language.layers(own).gated_mlp("mlp", hidden, text.intermediate_size)
    language.layers(sharers).gated_mlp("mlp", hidden, text.intermediate_size * wide)
    layers = language.layers()
    for name in NORMS:
        layers.norm(name, hidden)
    layers.tensor("layer_scalar", 1)
    if config.has("num_experts"):
        _experts(language)
    _per_layer_embeddings(language)


def _default_kinds(count: int) -> list[str]:
    """Every sixth layer and the last are full attention."""
    return [FULL if (n + 1) % 6 == 0 or n == count - 1 else SLIDING for n in range(count)]


def _attention(language: Language, numbers: Sequence[int], *, full: bool, sharing: bool) -> None:
    config, text = language.config, language.text
    bias, hidden = config.boolean("attention_bias", False), text.hidden_size
    size = config.integer("head_dim", 256)
    kv_heads = text.kv_heads
    if full:
        size = config.integer("global_head_dim", 512) or size
        if config.boolean("attention_k_eq_v", False):
            kv_heads = config.integer("num_global_key_value_heads", kv_heads)
    if not numbers:
        return
    layers = language.layers(numbers)
    if sharing:
        layers.column("self_attn.q_proj", text.attention_heads * size, hidden, bias=bias)
    else:
        layers.qkv("self_attn", text.attention_heads, kv_heads, size, hidden, bias=bias)
        layers.norm("self_attn.k_norm", size)
    layers.row("self_attn.o_proj", hidden, text.attention_heads * size, bias=bias)
    layers.norm("self_attn.q_norm", size)
    layers.attention_scales()
    kind = FULL if full else SLIDING
    overrides: dict[str, object] = {"kind": kind}
    by_kind = kind if config.section("rope_parameters").has(kind) else None
    if language.rope(by_kind)["rope_type"] == "proportional" or (full and by_kind is None):
        # proportional rotation keeps a table as wide as the head
        overrides |= {"rope_type": "proportional", "partial_rotary_factor": 1.0}
    language.rotary(size, layer_type=by_kind, overrides=overrides)


def _experts(language: Language) -> None:
    config, hidden = language.config, language.text.hidden_size
    experts = config.integer("num_experts")
    width = config.integer("moe_intermediate_size", config.integer("expert_intermediate_size", 0, least=0) or None)
    layers = language.layers()
    layers.tensor("router.scale", hidden)
    layers.tensor("router.per_expert_scale", experts)
    layers.tensor("router.root_size", 1)
    router(layers, "router.proj", experts, hidden)
    layers.experts("experts", experts, hidden, width)
    for name in ("post_feedforward_layernorm_1", "post_feedforward_layernorm_2", "pre_feedforward_layernorm_2"):
        layers.norm(name, hidden)


def _per_layer_embeddings(language: Language) -> None:
    config, text = language.config, language.text
    size = config.integer("hidden_size_per_layer_input", 0, least=0)
    if not size:
        return
    total = size * text.layers
    rows = config.integer("vocab_size_per_layer_input", text.vocab_size)
    name = language.name("model.embed_tokens_per_layer")
    language.collection.vocabulary(name, Component.EMBEDDING, rows, total, Stage.FIRST)
    first = language.end("model", Stage.FIRST)
    first.column("per_layer_model_projection", total, text.hidden_size)
    first.norm("per_layer_projection_norm", size)
    first.tensor("per_layer_scales", 1, times=3)
    layers = language.layers()
    layers.linear("per_layer_input_gate", size, text.hidden_size)
    layers.linear("per_layer_projection", text.hidden_size, size)
    layers.norm("post_per_layer_input_norm", text.hidden_size)
