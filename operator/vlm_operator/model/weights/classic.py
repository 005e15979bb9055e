"""Decoders from before Llama: plain MLPs, layer norms with biases, positions that are learned, rotated or ALiBi's.

Sources: vLLM 0.32 and 0.33, ``model_executor/models/``: ``gpt2.py``, ``gpt_j.py``, ``opt.py``, ``bloom.py``,
``falcon.py``, ``orion.py``, ``dbrx.py``.
"""

from __future__ import annotations

from vlm_operator.model.facts import Stage
from vlm_operator.model.weights.experts import router
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.modules import Block

OPT_POSITIONS_BEFORE = 2
"""Rows of OPT's positions before the first token's (``OPTLearnedPositionalEmbedding.offset``)."""


def _fused(block: Block, module: str, language: Language, name: str, output: str, *, bias: bool = True) -> None:
    """Attention whose query, key and value are one matrix in the checkpoint, too, as many of each."""
    hidden, heads = language.text.hidden_size, language.text.attention_heads
    names = (name, name, name)
    block.qkv(module, heads, heads, hidden // heads, hidden, bias=bias, names=names, fused=name)
    block.row(f"{module}.{output}", hidden, hidden, bias=bias)
    block.attention_scales(f"{module}.attn")


def _inner(language: Language) -> int:
    """Width of the MLP: ``n_inner``, else four times the model's."""
    return language.config.integer("n_inner", 4 * language.text.hidden_size)


def gpt2(language: Language) -> None:
    """GPT-2: learned positions, biases everywhere."""
    hidden = language.text.hidden_size
    language.every_stage = True
    language.embeddings("transformer.wte")
    language.final_norm("transformer.ln_f", bias=True)
    language.head()
    positions = language.config.integer("n_positions", language.config.integer("max_position_embeddings", 1024))
    language.end("transformer", Stage.EVERY).linear("wpe", positions, hidden, quantizable=False)
    layers = language.layers(prefix="transformer.h.{}")
    _fused(layers, "attn", language, "c_attn", "c_proj")
    layers.mlp("mlp", hidden, _inner(language), ("c_fc", "c_proj"))
    layers.norm("ln_1", hidden, bias=True)
    layers.norm("ln_2", hidden, bias=True)


def gptj(language: Language) -> None:
    """GPT-J: one norm before attention and MLP, attention without biases, a biased head, a part of a head rotated."""
    config, hidden = language.config, language.text.hidden_size
    size = hidden // language.text.attention_heads
    language.tied(False)
    language.every_stage = True
    language.embeddings("transformer.wte")
    language.final_norm("transformer.ln_f", bias=True)
    language.head(bias=True)
    layers = language.layers(prefix="transformer.h.{}")
    layers.qkv("attn", language.text.attention_heads, language.text.attention_heads, size, hidden)
    layers.row("attn.out_proj", hidden, hidden)
    layers.attention_scales("attn.attn")
    layers.mlp("mlp", hidden, _inner(language), ("fc_in", "fc_out"))
    layers.norm("ln_1", hidden, bias=True)
    positions = config.integer("n_positions", config.integer("max_position_embeddings", 2048))
    rotated = config.integer("rotary_dim", 64) / size
    language.rotary(size, positions=positions, overrides={"partial_rotary_factor": rotated})


def opt(language: Language) -> None:
    """OPT: learned positions; the words' width may be narrower than the model's (OPT-350M)."""
    config, hidden = language.config, language.text.hidden_size
    bias, words = config.boolean("enable_bias", True), config.integer("word_embed_proj_dim", hidden)
    affine = config.boolean("layer_norm_elementwise_affine", True)
    language.every_stage = True
    language.embeddings("model.decoder.embed_tokens", columns=words)
    top = language.end("model.decoder", Stage.EVERY)
    rows = config.integer("max_position_embeddings", 2048) + OPT_POSITIONS_BEFORE
    top.linear("embed_positions", rows, hidden, quantizable=False)
    if words != hidden:
        top.linear("project_out", words, hidden)
        top.linear("project_in", hidden, words)
    if config.boolean("do_layer_norm_before", True) and not config.boolean("_remove_final_layer_norm", False):
        top.norm("final_layer_norm", hidden * affine, bias=True)
    if not language.text.tie_word_embeddings:
        language.head()
    layers = language.layers(prefix="model.decoder.layers.{}")
    heads = language.text.attention_heads
    layers.qkv("self_attn", heads, heads, hidden // heads, hidden, bias=bias)
    layers.row("self_attn.out_proj", hidden, hidden, bias=bias)
    layers.attention_scales()
    inner = config.integer("ffn_dim", language.text.intermediate_size)
    layers.column("fc1", inner, hidden, bias=bias)
    layers.row("fc2", hidden, inner, bias=bias)
    layers.norm("self_attn_layer_norm", hidden * affine, bias=True)
    layers.norm("final_layer_norm", hidden * affine, bias=True)


def bloom(language: Language) -> None:
    """BLOOM: a norm after the embeddings, ALiBi instead of positions."""
    hidden = language.text.hidden_size
    language.every_stage = True
    language.embeddings("transformer.word_embeddings")
    language.end("transformer", Stage.EVERY).norm("word_embeddings_layernorm", hidden, bias=True)
    language.final_norm("transformer.ln_f", bias=True)
    language.head()
    layers = language.layers(prefix="transformer.h.{}")
    _fused(layers, "self_attention", language, "query_key_value", "dense")
    layers.mlp("mlp", hidden, 4 * hidden, ("dense_h_to_4h", "dense_4h_to_h"))
    layers.norm("input_layernorm", hidden, bias=True)
    layers.norm("post_attention_layernorm", hidden, bias=True)


def falcon(language: Language) -> None:
    """Falcon: one key and value, or groups of them; one or two norms where attention and MLP stand side by side."""
    config, text = language.config, language.text
    hidden, heads = text.hidden_size, text.attention_heads
    size, bias = hidden // heads, config.boolean("bias", False)
    new = config.boolean("new_decoder_architecture", False)
    kv_heads = heads
    if new:
        kv_heads = config.integer("num_kv_heads", config.integer("n_head_kv", heads))
    elif config.boolean("multi_query", True):
        kv_heads = 1
    language.tied(config.boolean("tie_word_embeddings", True))
    language.every_stage = True
    language.embeddings("transformer.word_embeddings")
    language.final_norm("transformer.ln_f", bias=True)
    language.head()
    layers = language.layers(prefix="transformer.h.{}")
    names = ("query_key_value",) * 3
    layers.qkv("self_attention", heads, kv_heads, size, hidden, bias=bias, names=names, fused=names[0])
    layers.row("self_attention.dense", hidden, heads * size, bias=bias)
    layers.attention_scales("self_attention.attn")
    layers.mlp("mlp", hidden, 4 * hidden, ("dense_h_to_4h", "dense_4h_to_h"), bias=bias)
    norms = ["input_layernorm"]
    if not config.boolean("parallel_attn", True):
        norms.append("post_attention_layernorm")
    elif config.integer("num_ln_in_parallel_attn", 2 if new else 1) == 2:
        norms = ["ln_attn", "ln_mlp"]
    for name in norms:
        layers.norm(name, hidden, bias=True)
    if not config.boolean("alibi", False):
        language.rotary(size, positions=config.integer("max_position_embeddings", 2048))


def orion(language: Language) -> None:
    """Orion: Llama's layers with layer norms."""
    text = language.text
    language.frame(norm_bias=True, every_stage=True)
    layers = language.layers()
    language.attention(layers)
    layers.gated_mlp("mlp", text.hidden_size, text.intermediate_size)
    layers.norm("input_layernorm", text.hidden_size, bias=True)
    layers.norm("post_attention_layernorm", text.hidden_size, bias=True)
    language.rotary()


def dbrx(language: Language) -> None:
    """DBRX: experts in every layer, layer norms without biases, dimensions under names of its own."""
    config, text = language.config, language.text
    attention, feed = config.section("attn_config"), config.section("ffn_config")
    hidden, heads, size = text.hidden_size, text.attention_heads, text.hidden_size // text.attention_heads
    experts, width = feed.integer("moe_num_experts", 4), feed.integer("ffn_hidden_size", 3584)
    language.tied(False)
    language.every_stage = True
    language.embeddings("transformer.wte")
    language.end("transformer", Stage.EVERY).norm("norm_f", hidden)
    language.head()
    layers = language.layers(prefix="transformer.blocks.{}")
    names, kv_heads = ("Wqkv",) * 3, attention.integer("kv_n_heads", 1)
    module = "norm_attn_norm.attn"
    layers.qkv(module, heads, kv_heads, size, hidden, names=names, fused="Wqkv")
    layers.row(f"{module}.out_proj", hidden, hidden)
    layers.attention_scales(f"{module}.attn")
    layers.norm("norm_attn_norm.norm_1", hidden)
    layers.norm("norm_attn_norm.norm_2", hidden)
    router(layers, "ffn.router.layer", experts, hidden)
    layers.experts("ffn.experts", experts, hidden, width, names=("w1", "w2", "v1"))
    theta = attention.number("rope_theta", 10000.0)
    positions = config.integer("max_seq_len", 2048)
    language.rotary(size, positions=positions, overrides={"rope_type": "default", "rope_theta": theta})
