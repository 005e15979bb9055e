"""Dense decoders: what a layer of each family holds.

Sources: vLLM 0.32, ``model_executor/models/``: ``llama.py``, ``qwen2.py``, ``qwen3.py``, ``gemma.py``, ``gemma2.py``,
``gemma3.py``, ``commandr.py``, ``phi3.py``, ``stablelm.py``, ``chatglm.py``, ``granite.py``, ``glm4.py``,
``internlm2.py``, ``nemotron.py``, ``olmo2.py``.
"""

from __future__ import annotations

from vlm_operator.errors import UnknownFact
from vlm_operator.model.facts import Component, DType, Sharding, Stage
from vlm_operator.model.weights.language import Language

FULL, SLIDING = "full_attention", "sliding_attention"

MOLMO_IMAGE_ROWS = 128
"""Rows that Molmo's embeddings have beyond the vocabulary (``ADDITIONAL_VOCAB_SIZE``)."""


def llama(language: Language, *, qk_norm: bool = False, attention_bias: bool | None = None) -> None:
    """Llama and the families built on it: Mistral, InternLM3, TeleChat3, Phi-3 and Phi-4."""
    config, text = language.config, language.text
    bias = config.boolean("attention_bias", False) or config.boolean("bias", False)
    output_bias = bias
    if config.has("qkv_bias"):
        bias = config.boolean("qkv_bias", False)
    if attention_bias is not None:
        bias, output_bias = attention_bias, False
    language.frame()
    layers = language.layers()
    language.attention(layers, bias=bias, output_bias=output_bias)
    if qk_norm:
        layers.norm("self_attn.q_norm", text.head_size)
        layers.norm("self_attn.k_norm", text.head_size)
    layers.gated_mlp("mlp", text.hidden_size, text.intermediate_size, bias=config.boolean("mlp_bias", False))
    layers.norm("input_layernorm", text.hidden_size)
    layers.norm("post_attention_layernorm", text.hidden_size)
    language.rotary()


def minicpm(language: Language) -> None:
    """MiniCPM: Llama's layers, dense; scales hold no bytes."""
    if language.config.integer("num_experts", 0, least=0):
        field = language.config.field("num_experts")
        raise UnknownFact(f"{field}: the weights of MiniCPM with experts are not known", field=field)
    llama(language, attention_bias=False)


def qwen2(language: Language) -> None:
    """Qwen2 and 2.5: biased query, key and value, nothing else biased."""
    language.frame()
    layers = language.layers()
    language.attention(layers, bias=True)
    if language.config.boolean("qk_norm", False):
        layers.norm("self_attn.q_norm", language.text.head_size)
        layers.norm("self_attn.k_norm", language.text.head_size)
    layers.gated_mlp("mlp", language.text.hidden_size, language.text.intermediate_size)
    layers.norm("input_layernorm", language.text.hidden_size)
    layers.norm("post_attention_layernorm", language.text.hidden_size)
    language.rotary()


def qwen3(language: Language) -> None:
    """Qwen3: a norm on each head's query and key; bias only where the config says so."""
    language.frame()
    layers = language.layers()
    language.attention(layers, bias=language.config.boolean("attention_bias", False))
    layers.norm("self_attn.q_norm", language.text.head_size)
    layers.norm("self_attn.k_norm", language.text.head_size)
    layers.gated_mlp("mlp", language.text.hidden_size, language.text.intermediate_size)
    layers.norm("input_layernorm", language.text.hidden_size)
    layers.norm("post_attention_layernorm", language.text.hidden_size)
    language.rotary()


def gemma(language: Language) -> None:
    """Gemma 1: as Llama, embeddings scaled by a buffered normalizer."""
    language.frame(every_stage=True)
    layers = language.layers()
    language.attention(layers)
    layers.gated_mlp("mlp", language.text.hidden_size, language.text.intermediate_size)
    layers.norm("input_layernorm", language.text.hidden_size)
    layers.norm("post_attention_layernorm", language.text.hidden_size)
    language.end("model", Stage.EVERY).tensor("normalizer", 1)
    language.rotary()


def gemma2(language: Language, *, qk_norm: bool = False) -> None:
    """Gemma 2 and 3: four norms a layer."""
    if not qk_norm:
        language.tied(True)
    bias = language.config.boolean("attention_bias", False)
    language.frame(every_stage=True)
    layers = language.layers()
    language.attention(layers, bias=bias, output_bias=bias)
    if qk_norm:
        layers.norm("self_attn.q_norm", language.text.head_size)
        layers.norm("self_attn.k_norm", language.text.head_size)
    layers.gated_mlp("mlp", language.text.hidden_size, language.text.intermediate_size)
    for name in (
        "input_layernorm",
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
    ):
        layers.norm(name, language.text.hidden_size)
    language.end("model", Stage.EVERY).tensor("normalizer", 1)
    if not qk_norm:
        language.rotary()


def gemma3(language: Language) -> None:
    """Gemma 3: as Gemma 2 with query and key norms; one rotary table for windows, one for full attention.

    The table for full attention is stretched by the scaling's factor, the one for windows never is.
    """
    gemma2(language, qk_norm=True)
    kinds = language.config.items("layer_types")
    if kinds is None:
        pattern = language.config.integer("sliding_window_pattern", 6)
        kinds = [SLIDING if (number + 1) % pattern else FULL for number in language.numbers]
    by_kind = language.config.section("rope_parameters").has(FULL)
    if FULL in kinds:
        language.rotary(layer_type=FULL)
    if SLIDING in kinds and by_kind:
        language.rotary(layer_type=SLIDING)
    elif SLIDING in kinds:
        base = language.config.number("rope_local_base_freq", 10000.0)
        language.rotary(overrides={"rope_type": "default", "rope_theta": base, "local": True})


def cohere(language: Language) -> None:
    """Command R: one norm before both attention and MLP; head always tied."""
    language.tied(True)
    config, text = language.config, language.text
    language.every_stage = True
    language.embeddings()
    language.final_norm()
    layers = language.layers()
    language.attention(layers)
    if config.boolean("use_qk_norm", False):
        layers.tensor("self_attn.q_norm.weight", text.attention_heads * text.head_size, Sharding.OUTPUT)
        layers.tensor("self_attn.k_norm.weight", text.kv_heads * text.head_size, Sharding.KV_HEADS, heads=text.kv_heads)
    layers.gated_mlp("mlp", text.hidden_size, text.intermediate_size)
    layers.norm("input_layernorm", text.hidden_size)
    language.rotary(positions=config.integer("model_max_length", language.positions))


def stablelm(language: Language) -> None:
    """StableLM 2: layer norms with biases."""
    text = language.text
    language.frame(norm_bias=True, every_stage=True)
    layers = language.layers()
    language.attention(layers, bias=language.config.boolean("use_qkv_bias", False))
    layers.gated_mlp("mlp", text.hidden_size, text.intermediate_size)
    layers.norm("input_layernorm", text.hidden_size, bias=True)
    layers.norm("post_attention_layernorm", text.hidden_size, bias=True)
    factor = language.rope().get("partial_rotary_factor", 0.25)
    language.rotary(overrides={"partial_rotary_factor": factor})


def chatglm(language: Language) -> None:
    """ChatGLM 2 and 3, GLM-4 9B in its first format: interleaved names, half of each head rotated."""
    config, text = language.config, language.text
    rows = config.integer("padded_vocab_size", text.vocab_size)
    inner = config.integer("ffn_hidden_size", text.intermediate_size)
    shares = config.boolean("multi_query_attention", False)
    kv_heads = config.integer("multi_query_group_num", 1) if shares else text.attention_heads
    linear_bias = config.boolean("add_bias_linear", False)
    norm_bias = not config.boolean("rmsnorm", True)
    language.every_stage = True
    language.embeddings("transformer.embedding", rows)
    if config.boolean("post_layer_norm", True):
        language.final_norm("transformer.encoder.final_layernorm", bias=norm_bias)
    language.head("transformer.output_layer", rows=rows)
    layers = language.layers(prefix="transformer.encoder.layers.{}")
    layers.qkv(
        "self_attention",
        text.attention_heads,
        kv_heads,
        text.head_size,
        text.hidden_size,
        bias=linear_bias or config.boolean("add_qkv_bias", False),
        names=("query_key_value", "query_key_value", "query_key_value"),
        fused="query_key_value",
    )
    layers.row("self_attention.dense", text.hidden_size, text.attention_heads * text.head_size, bias=linear_bias)
    layers.attention_scales("self_attention.attn")
    layers.merged(
        "mlp.dense_h_to_4h",
        ("mlp.dense_h_to_4h", "mlp.dense_h_to_4h"),
        (inner, inner),
        text.hidden_size,
        bias=linear_bias,
    )
    layers.row("mlp.dense_4h_to_h", text.hidden_size, inner, bias=linear_bias)
    layers.norm("input_layernorm", text.hidden_size, bias=norm_bias)
    layers.norm("post_attention_layernorm", text.hidden_size, bias=norm_bias)
    language.end("transformer", Stage.EVERY).tensor(
        "rotary_emb.cos_sin_cache", config.integer("seq_length", 2048) * (text.head_size // 2)
    )


def granite(language: Language) -> None:
    """Granite: Llama's layers; scalar multipliers hold no bytes."""
    bias = language.config.boolean("attention_bias", False) or language.config.boolean("bias", False)
    text = language.text
    language.frame()
    layers = language.layers()
    language.attention(layers, bias=bias, output_bias=bias)
    layers.gated_mlp("mlp", text.hidden_size, text.intermediate_size, bias=language.config.boolean("mlp_bias", False))
    layers.norm("input_layernorm", text.hidden_size)
    layers.norm("post_attention_layernorm", text.hidden_size)
    language.rotary()


def glm4(language: Language) -> None:
    """GLM-4 0414: norms before and after both attention and MLP."""
    text = language.text
    language.frame()
    layers = language.layers()
    language.attention(layers, bias=language.config.boolean("attention_bias", False))
    layers.gated_mlp("mlp", text.hidden_size, text.intermediate_size)
    for name in ("input_layernorm", "post_attention_layernorm", "post_self_attn_layernorm", "post_mlp_layernorm"):
        layers.norm(name, text.hidden_size)
    language.rotary(overrides=_half_rotated(language))


def _half_rotated(language: Language) -> dict[str, object]:
    """GLM rotates half of a head where the config does not say (0.32: ``glm4.py``, ``Glm4Attention``)."""
    factor = language.rope().get("partial_rotary_factor", 0.5)
    return {"partial_rotary_factor": factor}


def internlm2(language: Language) -> None:
    """InternLM2: Llama's layers under names of its own, query, key and value fused in the checkpoint."""
    text = language.text
    language.every_stage = True
    language.embeddings("model.tok_embeddings")
    language.final_norm()
    language.head("output")
    layers = language.layers()
    layers.qkv(
        "attention", text.attention_heads, text.kv_heads, text.head_size, text.hidden_size,
        names=("wqkv", "wqkv", "wqkv"), fused="wqkv",
    )  # fmt: skip
    layers.row("attention.wo", text.hidden_size, text.attention_heads * text.head_size)
    layers.attention_scales("attention.attn")
    layers.merged(
        "feed_forward.gate_up_proj",
        ("feed_forward.w1", "feed_forward.w3"),
        (text.intermediate_size, text.intermediate_size),
        text.hidden_size,
    )
    layers.row("feed_forward.w2", text.hidden_size, text.intermediate_size)
    layers.norm("attention_norm", text.hidden_size)
    layers.norm("ffn_norm", text.hidden_size)
    language.rotary()


def nemotron(language: Language) -> None:
    """Nemotron: squared ReLU, so one matrix up and one down; layer norms with biases; half of a head rotated."""
    config, text = language.config, language.text
    bias = config.boolean("attention_bias", False) or config.boolean("bias", False)
    language.frame(norm_bias=True)
    layers = language.layers()
    language.attention(layers, bias=bias, output_bias=bias)
    layers.mlp(
        "mlp",
        text.hidden_size,
        text.intermediate_size,
        ("up_proj", "down_proj"),
        bias=config.boolean("mlp_bias", False),
    )
    layers.norm("input_layernorm", text.hidden_size, bias=True)
    layers.norm("post_attention_layernorm", text.hidden_size, bias=True)
    language.rotary(overrides=_half_rotated(language))


def bert(language: Language) -> None:
    """BERT encoders: learned positions and token types; token types are padded like a vocabulary."""
    config, text = language.config, language.text
    hidden = text.hidden_size
    inner = language.with_(prefix="model")
    inner.embeddings("embeddings.word_embeddings")
    types = config.integer("type_vocab_size", 2)
    token_types = inner.name("embeddings.token_type_embeddings")
    inner.collection.vocabulary(token_types, Component.EMBEDDING, types, hidden, Stage.FIRST)
    positions = config.integer("max_position_embeddings", 512)
    first = inner.end("embeddings", Stage.FIRST)
    inner.collection.vocabulary(
        inner.name("embeddings.position_embeddings"), Component.EMBEDDING, positions, hidden, Stage.FIRST
    )
    first.tensor("position_ids", positions, dtype=DType.INT64)
    first.norm("LayerNorm", hidden, bias=True)
    layers = inner.layers(prefix="encoder.layer.{}")
    layers.qkv(
        "attention.self", text.attention_heads, text.attention_heads, text.head_size, hidden,
        bias=True, names=("query", "key", "value"),
    )  # fmt: skip
    layers.row("attention.output.dense", hidden, hidden, bias=True)
    layers.attention_scales("attention.self.attn")
    layers.norm("attention.output.LayerNorm", hidden, bias=True)
    layers.column("intermediate.dense", text.intermediate_size, hidden, bias=True)
    layers.row("output.dense", hidden, text.intermediate_size, bias=True)
    layers.norm("output.LayerNorm", hidden, bias=True)


def bert_masked(language: Language) -> None:
    """BERT with the head of masked words: a matrix of its own for them, with a bias."""
    bert(language)
    hidden, vocabulary = language.text.hidden_size, language.text.vocab_size
    head = language.end("mlm_head")
    head.linear("dense", hidden, hidden, bias=True, quantizable=False)
    head.norm("layer_norm", hidden, bias=True)
    head.linear("decoder", vocabulary, hidden, bias=True, quantizable=False)


def exaone4(language: Language) -> None:
    """EXAONE 4: norms after attention and MLP, and on each head's query and key."""
    text = language.text
    bias = language.config.boolean("attention_bias", False) or language.config.boolean("bias", False)
    language.frame()
    layers = language.layers()
    language.attention(layers, bias=bias)
    layers.norm("self_attn.q_norm", text.head_size)
    layers.norm("self_attn.k_norm", text.head_size)
    layers.gated_mlp("mlp", text.hidden_size, text.intermediate_size)
    layers.norm("post_attention_layernorm", text.hidden_size)
    layers.norm("post_feedforward_layernorm", text.hidden_size)
    language.rotary()


def molmo(language: Language) -> None:
    """Molmo: rows for image tokens beside the vocabulary's; half of the stated width for gate and for up."""
    config, text = language.config, language.text
    words, hidden = config.integer("embedding_size", text.vocab_size), text.hidden_size
    language.tied(config.boolean("weight_tying", False))
    language.embeddings(rows=words + MOLMO_IMAGE_ROWS)
    language.final_norm()
    language.head(rows=words)
    layers = language.layers()
    language.attention(layers, bias=config.boolean("qkv_bias", False))
    if config.boolean("attention_layer_norm", False):
        layers.norm("self_attn.q_norm", text.attention_heads * text.head_size)
        layers.tensor("self_attn.k_norm.weight", text.kv_heads * text.head_size, Sharding.KV_HEADS, heads=text.kv_heads)
    layers.gated_mlp("mlp", hidden, text.intermediate_size // 2)
    layers.norm("input_layernorm", hidden)
    layers.norm("post_attention_layernorm", hidden)
    language.rotary()
