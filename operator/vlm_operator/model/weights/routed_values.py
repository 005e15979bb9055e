"""Decoders whose layers differ by block: Nemotron-NAS; values from routed experts: K2 Horizon; Muse Glimmer's text.

Sources: vLLM 0.33, ``model_executor/models/``: ``nemotron_nas.py``, ``k2_horizon.py``, ``muse_glimmer.py``.
"""

from __future__ import annotations

from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType, Sharding
from vlm_operator.model.weights.experts import expert_count, norms, router, shared_expert
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.lists import integers


def nemotron_nas(language: Language) -> None:
    """Llama-Nemotron Super and Ultra: heads and widths of a layer of its own, some without attention or MLP."""
    config, text = language.config, language.text
    hidden, heads = text.hidden_size, text.attention_heads
    bias = config.boolean("attention_bias", False)
    language.frame()
    for number, block in enumerate(config.items("block_configs") or []):
        own = Config({"block": block}, f"block_configs[{number}]").section("block")
        attention, mlp, layer = own.section("attention"), own.section("ffn"), language.layers([number])
        if not (attention.boolean("no_op", False) or attention.boolean("replace_with_linear", False)):
            kv_heads = heads // attention.integer("n_heads_in_group")
            layer.qkv("self_attn", heads, kv_heads, text.head_size, hidden, bias=bias)
            layer.row("self_attn.o_proj", hidden, heads * text.head_size, bias=bias)
            layer.attention_scales()
            layer.norm("input_layernorm", hidden)
        if not (mlp.boolean("no_op", False) or mlp.boolean("replace_with_linear", False)):
            width = int(2 * (mlp.number("ffn_mult") or 0.0) * hidden / 3)
            layer.gated_mlp("mlp", hidden, width + -width % 256, bias=config.boolean("mlp_bias", False))
            layer.norm("post_attention_layernorm", hidden)
    language.rotary()


def k2_horizon(language: Language) -> None:
    """K2 Horizon: values of sparse layers from routed experts, a gate on attention, a part of a head rotated."""
    config, text = language.config, language.text
    hidden, size, experts = text.hidden_size, text.head_size, expert_count(config, "num_experts", default=0)
    dense_only, step = set(integers(config, "mlp_only_layers")), config.integer("decoder_sparse_step", 1)
    sparse = [n for n in language.numbers if n not in dense_only and experts and (n + 1) % step == 0]
    dense = [n for n in language.numbers if n not in set(sparse)]
    bias, routed = config.boolean("attention_bias", False), config.integer("mova_num_experts", 0, least=0)
    language.frame()
    layers = language.layers()
    language.layers(dense if routed else language.numbers).qkv(
        "self_attn", text.attention_heads, text.kv_heads, size, hidden, bias=bias
    )
    if routed:
        _routed_values(language, sparse, routed, bias=bias)
    layers.row("self_attn.o_proj", hidden, text.attention_heads * size, bias=bias)
    layers.attention_scales()
    if config.boolean("query_key_norm", False):
        layers.tensor("self_attn.q_norm", text.attention_heads * size, Sharding.OUTPUT)
        layers.tensor("self_attn.k_norm", text.kv_heads * size, Sharding.KV_HEADS, heads=text.kv_heads)
    if config.text("attention_gate_func") is not None:
        layers.column("self_attn.gate_proj", text.attention_heads * size, hidden)
    language.layers(dense).gated_mlp("mlp", hidden, text.intermediate_size)
    moe, width = language.layers(sparse), config.integer("moe_intermediate_size")
    router(moe, "mlp.gate", experts, hidden)
    if config.boolean("moe_gate_bias", False):
        moe.tensor("mlp.gate.bias", experts, dtype=DType.FLOAT32)
    shared_expert(moe, "mlp.shared_experts", hidden, width * config.integer("num_shared_experts", 0, least=0))
    moe.experts("mlp.experts", experts, hidden, width)
    norms(layers, hidden)
    language.rotary(config.integer("rope_head_dim", size))


def _routed_values(language: Language, numbers: list[int], routed: int, *, bias: bool) -> None:
    text, block = language.text, language.layers(numbers)
    hidden, size, fused = text.hidden_size, text.head_size, "self_attn.qk_proj"
    block.column("self_attn.q_proj", text.attention_heads * size, hidden, bias=bias, fused=fused)
    kv = text.kv_heads * size
    block.linear("self_attn.k_proj", kv, hidden, Sharding.KV_HEADS, heads=text.kv_heads, bias=bias, fused=fused)
    router(block, "self_attn.v_router", routed, hidden)
    block.tensor("self_attn.v_router.bias", routed, dtype=DType.FLOAT32)
    block.linear("self_attn.v_experts.{}", kv, hidden, Sharding.KV_HEADS, heads=text.kv_heads, times=routed)


def muse_glimmer(language: Language) -> None:
    """Muse Glimmer: gated attention, four norms a layer, layers without positions."""
    text, config = language.text, language.config
    hidden, size = text.hidden_size, text.head_size
    language.frame()
    layers = language.layers()
    language.attention(layers, bias=config.boolean("attention_bias", False))
    layers.column("self_attn.output_gate_proj", text.attention_heads * size, hidden)
    layers.gated_mlp("mlp", hidden, text.intermediate_size)
    norms(layers, hidden)
    layers.norm("pre_feedforward_layernorm", hidden)
    layers.norm("post_feedforward_layernorm", hidden)
    bases = config.items("layer_rope_theta")
    for base in dict.fromkeys(bases or [None]):
        if base is None:
            language.rotary()
        elif base:
            language.rotary(overrides={"rope_theta": base})
