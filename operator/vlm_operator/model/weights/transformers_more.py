"""Decoders that vLLM runs through transformers' own modules and that differ from Llama in more than a bias.

Sources: vLLM 0.33, ``models/registry.py`` (``_TRANSFORMERS_SUPPORTED_MODELS``), ``models/transformers/``; transformers
5, ``models/*/modeling_*.py``.
"""

from __future__ import annotations

from vlm_operator.model.facts import DType, Stage
from vlm_operator.model.weights.experts import expert_count, norms, router
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.transformers_backend import frequencies, gated


def llama_like(language: Language) -> None:
    """CWM, Nanbeige: Llama's layers, with windows or without."""
    config = language.config
    bias = config.boolean("attention_bias", False)
    gated(language, qkv_bias=bias, output_bias=bias, mlp_bias=config.boolean("mlp_bias", False))
    frequencies(language)


def olmo(language: Language) -> None:
    """OLMo: norms without parameters."""
    text = language.text
    bias = language.config.boolean("attention_bias", False)
    language.embeddings()
    language.head()
    layers = language.layers()
    language.attention(layers, bias=bias, output_bias=bias)
    layers.gated_mlp("mlp", text.hidden_size, text.intermediate_size)
    frequencies(language)


def hunyuan_dense(language: Language) -> None:
    """Hunyuan: norms on each head's query and key."""
    llama_like(language)
    _hunyuan_norms(language)


def hunyuan_moe(language: Language) -> None:
    """Hunyuan-A13B: every layer sparse, with a shared expert as wide as a routed one."""
    text, config = language.text, language.config
    hidden, width, experts = text.hidden_size, text.intermediate_size, expert_count(config, "num_experts", default=1)
    bias = config.boolean("attention_bias", False)
    language.frame()
    layers = language.layers()
    language.attention(layers, bias=bias, output_bias=bias)
    _hunyuan_norms(language)
    router(layers, "mlp.gate.wg", experts, hidden)
    layers.gated_mlp("mlp.shared_mlp", hidden, width)
    layers.experts("mlp.experts", experts, hidden, width)
    norms(layers, hidden)
    frequencies(language)


def _hunyuan_norms(language: Language) -> None:
    for name in ("query_layernorm", "key_layernorm"):
        language.layers().norm(f"self_attn.{name}", language.text.head_size)


def jais2(language: Language) -> None:
    """Jais 2: layer norms, biases, an MLP without a gate."""
    text, config = language.text, language.config
    bias = config.boolean("attention_bias", True)
    language.frame(norm_bias=True)
    layers = language.layers()
    language.attention(layers, bias=bias, output_bias=bias)
    mlp_bias = config.boolean("mlp_bias", True)
    layers.mlp("mlp", text.hidden_size, text.intermediate_size, ("up_proj", "down_proj"), bias=mlp_bias)
    norms(layers, text.hidden_size, bias=True)
    frequencies(language)


def phi(language: Language) -> None:
    """Phi-1.5 and Phi-2: one norm before attention and MLP, biases everywhere, half of a head rotated."""
    text, hidden = language.text, language.text.hidden_size
    language.embeddings()
    language.final_norm("model.final_layernorm", bias=True)
    language.head()
    layers = language.layers()
    layers.qkv("self_attn", text.attention_heads, text.kv_heads, text.head_size, hidden, bias=True)
    layers.row("self_attn.dense", hidden, text.attention_heads * text.head_size, bias=True)
    layers.attention_scales()
    if language.config.boolean("qk_layernorm", False):
        for name in ("q_layernorm", "k_layernorm"):
            layers.norm(f"self_attn.{name}", text.head_size, bias=True)
    layers.mlp("mlp", hidden, text.intermediate_size, ("fc1", "fc2"))
    layers.norm("input_layernorm", hidden, bias=True)
    frequencies(language, partial=0.5)


def gpt_neox(language: Language) -> None:
    """GPT-NeoX, Pythia: query, key and value in one matrix of the checkpoint, a quarter of a head rotated."""
    text, hidden = language.text, language.text.hidden_size
    bias = language.config.boolean("attention_bias", True)
    language.embeddings("model.embed_in")
    language.final_norm("model.final_layer_norm", bias=True)
    language.head()
    layers = language.layers()
    layers.column("attention.query_key_value", 3 * hidden, hidden, bias=bias)
    layers.row("attention.dense", hidden, hidden, bias=bias)
    layers.attention_scales("attention.attn")
    layers.mlp("mlp", hidden, text.intermediate_size, ("dense_h_to_4h", "dense_4h_to_h"))
    norms(layers, hidden, bias=True)
    partial = language.config.number("rotary_pct", 0.25)
    frequencies(language, partial=0.25 if partial is None else partial)


def gpt_bigcode(language: Language) -> None:
    """GPT-BigCode, StarCoder: one key and value for all heads, learned positions, the head tied, a mask of booleans."""
    language.tied(language.config.boolean("tie_word_embeddings", True))
    text, hidden = language.text, language.text.hidden_size
    multi = language.config.boolean("multi_query", True)
    positions = language.config.integer("n_positions", language.positions)
    language.embeddings("model.wte")
    language.end("model", Stage.FIRST).tensor("wpe.weight", positions * hidden)
    language.end("model", Stage.EVERY).tensor("bias", positions * positions, dtype=DType.FP8)
    language.final_norm("model.ln_f", bias=True)
    language.head()
    layers = language.layers(prefix="model.h.{}")
    # Transformers' plan of this family divides attention alone, and only with one key/value head.
    if multi:
        names = ("attn.c_attn",) * 3
        layers.qkv("", text.attention_heads, 1, text.head_size, hidden, bias=True, names=names, fused=names[0])
        layers.row("attn.c_proj", hidden, hidden, bias=True)
    else:
        layers.linear("attn.c_attn", 3 * hidden, hidden, bias=True)
        layers.linear("attn.c_proj", hidden, hidden, bias=True)
    layers.attention_scales("attn.attn")
    layers.linear("mlp.c_fc", text.intermediate_size, hidden, bias=True)
    layers.linear("mlp.c_proj", hidden, text.intermediate_size, bias=True)
    layers.norm("ln_1", hidden, bias=True)
    layers.norm("ln_2", hidden, bias=True)


def vaultgemma(language: Language) -> None:
    """VaultGemma: Gemma's layers with a norm before attention and MLP each, the head tied."""
    text, hidden = language.text, language.text.hidden_size
    bias = language.config.boolean("attention_bias", False)
    language.tied(True)
    language.embeddings()
    language.final_norm()
    language.end("model", language.first).tensor("embed_tokens.embed_scale", 1)
    layers = language.layers()
    language.attention(layers, bias=bias, output_bias=bias)
    layers.gated_mlp("mlp", hidden, text.intermediate_size)
    layers.norm("input_layernorm", hidden)
    layers.norm("pre_feedforward_layernorm", hidden)
    frequencies(language)


def flex_olmo(language: Language) -> None:
    """FlexOlmo: OLMo 2 with every layer sparse."""
    text, config = language.text, language.config
    hidden, experts = text.hidden_size, expert_count(config, "num_experts", default=7)
    bias = config.boolean("attention_bias", False)
    language.frame()
    layers = language.layers()
    language.attention(layers, bias=bias, output_bias=bias)
    layers.norm("self_attn.q_norm", text.attention_heads * text.head_size)
    layers.norm("self_attn.k_norm", text.kv_heads * text.head_size)
    router(layers, "mlp.gate", experts, hidden)
    layers.experts("mlp.experts", experts, hidden, text.intermediate_size)
    layers.norm("post_attention_layernorm", hidden)
    layers.norm("post_feedforward_layernorm", hidden)
    frequencies(language)


def mellum(language: Language) -> None:
    """Mellum: norms on each head's query and key, sparse layers as listed, frequencies for each kind of attention."""
    text, config = language.text, language.config
    hidden, experts = text.hidden_size, expert_count(config, "num_local_experts", "num_experts", default=64)
    bias = config.boolean("attention_bias", False)
    kinds = config.items("mlp_layer_types")
    sparse = [n for n in language.numbers if kinds is None or (n < len(kinds) and kinds[n] == "sparse")]
    language.frame()
    layers = language.layers()
    language.attention(layers, bias=bias, output_bias=bias)
    for name in ("q_norm", "k_norm"):
        layers.norm(f"self_attn.{name}", text.head_size)
    dense = language.layers([n for n in language.numbers if n not in set(sparse)])
    dense.gated_mlp("mlp", hidden, text.intermediate_size)
    moe = language.layers(sparse)
    router(moe, "mlp.gate", experts, hidden)
    moe.experts("mlp.experts", experts, hidden, config.integer("moe_intermediate_size", 896))
    norms(layers, hidden)
    frequencies(language, kinds=len(set(map(str, config.items("layer_types") or ["full_attention"]))))
