"""Latent attention with mixtures of experts that DeepSeek does not have: Sarvam, Pangu Ultra, LongCat, HY V4.

Sources: vLLM 0.33, ``model_executor/models/``: ``sarvam.py``, ``openpangu.py``, ``longcat_flash.py``,
``longcat_flash_ngram.py``; ``models/hy_v4/nvidia/``.
"""

from __future__ import annotations

from vlm_operator.model.cache_layers_latent import SPARSE_KINDS, shared_selection
from vlm_operator.model.facts import Component, DType, Sharding, Stage
from vlm_operator.model.weights.experts import expert_count, norms, router, shared_expert
from vlm_operator.model.weights.gated_experts import mlp_kinds
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.latent import indexer, latent_attention, latent_rotary
from vlm_operator.model.weights.modules import Block


def sarvam_mla(language: Language) -> None:
    """Sarvam 105B: separate down-projections, a routing bias unless the config says otherwise."""
    config, text = language.config, language.text
    hidden, experts = text.hidden_size, expert_count(config, "num_experts")
    width, first = config.integer("moe_intermediate_size"), config.integer("first_k_dense_replace", 1, least=0)
    every = config.integer("moe_layer_freq", 1)
    sparse = [n for n in language.numbers if n >= first and (n - first) % every == 0]
    language.frame()
    layers = language.layers()
    size = latent_attention(language, layers, fused=False)
    layers.attention_scales("self_attn.mla_attn")
    dense = language.layers([n for n in language.numbers if n not in set(sparse)])
    dense.gated_mlp("mlp", hidden, config.integer("intermediate_size", 16384))
    moe = language.layers(sparse)
    router(moe, "mlp.gate", experts, hidden)
    if config.boolean("moe_router_enable_expert_bias", True):
        moe.tensor("mlp.gate.e_score_correction_bias", experts, dtype=DType.FLOAT32)
    shared = config.integer("moe_shared_expert_intermediate_size", width)
    shared_expert(moe, "mlp.shared_experts", hidden, shared * config.integer("num_shared_experts", 1, least=0))
    moe.experts("mlp.experts", experts, hidden, width)
    norms(layers, hidden)
    latent_rotary(language, size)


def pangu_ultra_moe(language: Language) -> None:
    """Pangu Ultra: DeepSeek's attention, norms after attention and MLP where the config has ``sandwich_norm``."""
    config, text = language.config, language.text
    hidden, experts = text.hidden_size, expert_count(config, "n_routed_experts")
    width, first = config.integer("moe_intermediate_size"), config.integer("first_k_dense_replace", least=0)
    language.frame()
    layers = language.layers()
    size = latent_attention(language, layers, fused=True)
    layers.attention_scales("self_attn.mla_attn")
    language.layers(language.numbers[:first]).gated_mlp("mlp", hidden, text.intermediate_size)
    moe = language.layers(language.numbers[first:])
    router(moe, "mlp.gate", experts, hidden)
    if config.boolean("router_enable_expert_bias", False):
        moe.tensor("mlp.gate.e_score_correction_bias", experts, dtype=DType.FLOAT32)
    shared_expert(moe, "mlp.shared_experts", hidden, width * config.integer("n_shared_experts", 0, least=0))
    moe.experts("mlp.experts", experts, hidden, width)
    norms(layers, hidden)
    if config.boolean("sandwich_norm", False):
        layers.norm("pre_mlp_layernorm", hidden)
        layers.norm("post_mlp_layernorm", hidden)
    latent_rotary(language, size)


def longcat_flash(language: Language) -> None:
    """LongCat-Flash: two attentions and two dense MLPs a layer, experts beside them, some that do nothing."""
    language.tied(False)
    config, text = language.config, language.text
    hidden, experts = text.hidden_size, expert_count(config, "n_routed_experts")
    routed = experts + config.integer("zero_expert_num", 0, least=0)
    width = config.integer("ffn_hidden_size", config.integer("intermediate_size", 0, least=0))
    language.frame()
    layers = language.layers()
    size = 0
    for half in (layers, layers):
        size = latent_attention(language, half, fused=True)
        half.attention_scales("self_attn.mla_attn")
        half.gated_mlp("mlps", hidden, width)
        norms(half, hidden)
    _router(layers, routed, hidden)
    layers.experts("mlp.experts", experts, hidden, config.integer("expert_ffn_hidden_size"))
    latent_rotary(language, size)


def _router(layers: Block, routed: int, hidden: int) -> None:
    router(layers, "mlp.router.classifier", routed, hidden, dtype=DType.FLOAT32)
    layers.tensor("mlp.router.e_score_correction_bias", routed, dtype=DType.FLOAT32)


def longcat_ngram(language: Language) -> None:
    """LongCat-Flash with embeddings of n-grams: tables of the first stage, in one, and a projection of each."""
    longcat_flash(language)
    config, hidden = language.config, language.text.hidden_size
    ratio = config.number("ngram_vocab_size_ratio", 0.0) or 0.0
    if not ratio:
        return
    words, split = config.integer("emb_neighbor_num"), config.integer("emb_split_num")
    tables, size = split * (words - 1), int(ratio * language.text.vocab_size)
    if tables <= 0:
        return
    rows, width = sum(size + 2 * at + 1 for at in range(tables)), hidden // tables
    name = language.name("model.ngram_embeddings.oe_embedder")
    language.collection.vocabulary(name, Component.EMBEDDING, rows, width, Stage.FIRST)
    first = language.end("model.ngram_embeddings", Stage.FIRST)
    first.tensor("oe_projection", tables * width * hidden)
    # Three small tables of whole numbers, of four bytes each.
    first.tensor("tables", tables * words + tables + tables + 1, dtype=DType.FLOAT32)


def hy_v4(language: Language) -> None:
    """HY V4: a gate and a sink on latent attention, indexers in sparse layers, hyper-connections, experts in fp32."""
    config, text = language.config, language.text
    hidden, heads, experts = text.hidden_size, text.attention_heads, expert_count(config, "n_routed_experts")
    width = config.integer("moe_intermediate_size")
    kinds = config.items("layer_types") or [""] * text.layers
    sparse = [n for n in language.numbers if n < len(kinds) and kinds[n] in SPARSE_KINDS]
    language.frame(every_stage=False)
    layers = language.layers()
    size = latent_attention(language, layers, fused=True)
    layers.attention_scales("self_attn.attn")
    selects = shared_selection(config, text.layers)
    indexer(language, [n for n in sparse if selects[n]])
    if config.boolean("learnable_sink", True):
        whole = language.layers([n for n in language.numbers if n not in set(sparse)])
        whole.tensor("self_attn.learnable_sink_param", heads, Sharding.OUTPUT)
        language.layers(sparse).tensor("self_attn.learnable_sink_param", heads, Sharding.OUTPUT, dtype=DType.FLOAT32)
    if config.boolean("gated_mla", True):
        each = 1 if config.text("gating_type") == "headwise" else config.integer("v_head_dim")
        layers.column("self_attn.linear_gate", heads * each, hidden)
    dense, routed = mlp_kinds(language, 1)
    language.layers(dense).gated_mlp("mlp", hidden, text.intermediate_size)
    moe = language.layers(routed)
    router(moe, "mlp.gate", experts, hidden, dtype=DType.FLOAT32)
    moe.tensor("mlp.expert_bias", experts, dtype=DType.FLOAT32)
    shared_expert(moe, "mlp.shared_experts", hidden, width * config.integer("n_shared_experts", 1, least=0))
    moe.experts("mlp.experts", experts, hidden, width)
    norms(layers, hidden)
    if config.boolean("enable_ihc", True):
        _hyper_connections(language, layers, config.integer("hc_mult", 4))
    latent_rotary(language, size)


def _hyper_connections(language: Language, layers: Block, channels: int) -> None:
    """Gates of residual channels before attention and MLP of a layer, and before the head, in fp32."""
    inputs = channels * language.text.hidden_size
    for name in ("hc_attn_layer", "hc_mlp_layer"):
        layers.linear(f"{name}.hc_pre.hc_fn", 2 * channels, inputs, quantizable=False, dtype=DType.FLOAT32)
        layers.tensor(f"{name}.hc_pre.hc_scale", 2 + 2 * channels, dtype=DType.FLOAT32)
    head = language.end("model.hc_head")
    head.linear("hc_head_fn", channels, inputs, quantizable=False, dtype=DType.FLOAT32)
    head.tensor("hc_head_scale", 1 + channels, dtype=DType.FLOAT32)
