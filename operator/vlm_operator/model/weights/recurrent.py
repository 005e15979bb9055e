"""Decoders of Mamba layers alone, and hybrids whose layers hold both kinds or another gated delta net.

Sources: vLLM 0.32 and 0.33, ``model_executor/models/mamba.py``, ``mamba2.py``, ``falcon_h1.py``, ``olmo_hybrid.py``;
``model_executor/layers/mamba/``.
"""

from __future__ import annotations

from vlm_operator.model.facts import DType, Sharding
from vlm_operator.model.weights.hybrid import FULL, LINEAR, Mamba2, layer_kinds, mamba2, numbers_of, require_kinds
from vlm_operator.model.weights.language import Language


def _frame(language: Language) -> None:
    language.every_stage = True
    language.embeddings("backbone.embeddings")
    language.final_norm("backbone.norm_f")
    language.head()


def mamba(language: Language) -> None:
    """Mamba and Falcon-Mamba."""
    config, hidden = language.config, language.text.hidden_size
    inner = config.integer("intermediate_size", int((config.number("expand", 2) or 2) * hidden))
    state, rank = config.integer("state_size", 16), config.values.get("time_step_rank", "auto")
    rank = -(-hidden // 16) if rank in (None, "auto") else config.integer("time_step_rank")
    bias = config.boolean("use_bias", False)
    _frame(language)
    layers = language.layers(prefix="backbone.layers.{}")
    convolved = config.boolean("use_conv_bias", True)
    layers.column("mixer.conv1d", inner, config.integer("conv_kernel", 4), bias=convolved, quantizable=False)
    layers.column("mixer.in_proj", 2 * inner, hidden, bias=bias)
    layers.row("mixer.x_proj", rank + 2 * state, inner)
    layers.column("mixer.dt_proj", inner, rank, bias=True)
    layers.tensor("mixer.A", inner * state, Sharding.OUTPUT, dtype=DType.FLOAT32)
    layers.tensor("mixer.D", inner, Sharding.OUTPUT)
    layers.row("mixer.out_proj", hidden, inner, bias=bias)
    layers.norm("norm", hidden)


def mamba2_only(language: Language) -> None:
    """Mamba2."""
    config, hidden = language.config, language.text.hidden_size
    mixer = Mamba2(
        heads=config.integer("num_heads", 128),
        head_size=config.integer("head_dim", 64),
        groups=config.integer("n_groups", 8),
        state=config.integer("state_size", 128),
        kernel=config.integer("conv_kernel", 4),
        bias=config.boolean("use_bias", False),
        conv_bias=config.boolean("use_conv_bias", True),
    )
    _frame(language)
    layers = language.layers(prefix="backbone.layers.{}")
    mamba2(layers, "mixer", hidden, mixer)
    layers.norm("norm", hidden)


def falcon_h1(language: Language) -> None:
    """Falcon-H1: every layer holds attention and Mamba2 side by side, then a gated MLP."""
    config, text = language.config, language.text
    hidden = text.hidden_size
    inner = config.integer("mamba_d_ssm", int((config.number("mamba_expand", 2) or 2) * hidden))
    heads = config.integer("mamba_n_heads", 128)
    mixer = Mamba2(
        heads=heads,
        head_size=inner // heads,
        groups=config.integer("mamba_n_groups", 1),
        state=config.integer("mamba_d_state", 256),
        kernel=config.integer("mamba_d_conv", 4),
        bias=config.boolean("mamba_proj_bias", False),
        conv_bias=config.boolean("mamba_conv_bias", True),
        norm=config.boolean("mamba_rms_norm", False),
    )
    language.embeddings()
    language.final_norm("model.final_layernorm")
    language.head()
    layers = language.layers()
    language.attention(layers)
    mamba2(layers, "mamba.mamba", hidden, mixer)
    projected = 2 * inner + heads
    layers.tensor("mamba.mup_vector", projected, Sharding.OUTPUT)
    layers.tensor("mamba.mup_vector", 2 * mixer.groups * mixer.state, Sharding.KV_HEADS, heads=mixer.groups)
    layers.gated_mlp("feed_forward", hidden, text.intermediate_size, bias=config.boolean("mlp_bias", False))
    layers.norm("input_layernorm", hidden)
    layers.norm("pre_ff_layernorm", hidden)
    rotated = config.integer("attn_rotary_emb", text.head_size)
    language.rotary(overrides={"partial_rotary_factor": rotated / text.head_size})


def olmo_hybrid(language: Language) -> None:
    """OLMo Hybrid: a gated delta net with gates of its own beside attention with norms over all heads."""
    config, text = language.config, language.text
    hidden, kinds = text.hidden_size, layer_kinds(language)
    require_kinds(language, kinds, LINEAR, FULL)
    key_heads, value_heads = config.integer("linear_num_key_heads", 30), config.integer("linear_num_value_heads", 30)
    key = key_heads * config.integer("linear_key_head_dim", 96)
    size = config.integer("linear_value_head_dim", 192)
    value = value_heads * size
    language.every_stage = True
    language.embeddings()
    language.final_norm()
    language.head()
    net = language.layers(numbers_of(language, kinds, LINEAR))
    names = tuple(f"linear_attn.{part}_proj" for part in "qkvg")
    net.merged("linear_attn.in_proj_qkvg", names, (key, key, value, value), hidden)
    for name in ("b_proj", "a_proj"):
        net.column(f"linear_attn.{name}", value_heads, hidden)
    net.column("linear_attn.conv1d", 2 * key + value, config.integer("linear_conv_kernel_dim", 4), quantizable=False)
    net.tensor("linear_attn.dt_bias", value_heads, Sharding.OUTPUT)
    net.tensor("linear_attn.A_log", value_heads, Sharding.OUTPUT)
    net.norm("linear_attn.o_norm", size)
    net.row("linear_attn.o_proj", hidden, value)
    net.norm("input_layernorm", hidden)
    attention = language.layers(numbers_of(language, kinds, FULL))
    language.attention(attention)
    attention.norm("self_attn.q_norm", hidden)
    attention.norm("self_attn.k_norm", text.kv_heads * text.head_size)
    attention.norm("post_feedforward_layernorm", hidden)
    layers = language.layers()
    layers.gated_mlp("mlp", hidden, text.intermediate_size)
    layers.norm("post_attention_layernorm", hidden)
    places = (config.section("rope_parameters").values, config.values)
    unrotated = any("rope_theta" in values and values["rope_theta"] is None for values in places)
    if FULL in kinds and not unrotated:
        language.rotary()
