"""Grouped-query attention with routers of their own: Step 3.5, Param 2, MiniMax M3; and dense Pangu and PLaMo 3.

Sources: vLLM 0.33, ``model_executor/models/``: ``step3p5.py``, ``param2moe.py``, ``openpangu.py``, ``plamo3.py``;
``models/minimax_m3/nvidia/model.py``.
"""

from __future__ import annotations

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.cache_layers_attention import SLIDING, index_flags
from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType, Sharding
from vlm_operator.model.weights.experts import expert_count, norms, router, shared_expert
from vlm_operator.model.weights.gated_experts import head_norms, mlp_kinds
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.lists import integers, strings


def param2moe(language: Language) -> None:
    """Param 2: a router in fp32 with a bias, shared experts, dense first layers."""
    config, text = language.config, language.text
    hidden, experts = text.hidden_size, expert_count(config, "num_experts")
    width, first = config.integer("moe_intermediate_size"), config.integer("first_k_dense_replace", 1, least=0)
    bias = config.boolean("use_bias", False)
    language.frame()
    layers = language.layers()
    language.attention(layers, bias=bias or config.boolean("use_qkv_bias", False), output_bias=bias)
    if config.boolean("use_qk_norm", False):
        head_norms(layers, text.head_size)
    language.layers(language.numbers[:first]).gated_mlp("mlp", hidden, text.intermediate_size, bias=bias)
    moe = language.layers(language.numbers[first:])
    router(moe, "mlp.gate", experts, hidden, dtype=DType.FLOAT32)
    if config.boolean("moe_router_enable_expert_bias", True):
        moe.tensor("mlp.gate.e_score_correction_bias", experts, dtype=DType.FLOAT32)
    shared = config.integer("num_shared_experts", 1, least=0)
    if shared:
        shared_expert(
            moe, "mlp.shared_experts", hidden, config.integer("moe_shared_expert_intermediate_size", width * shared)
        )
    moe.experts("mlp.experts", experts, hidden, width)
    norms(layers, hidden)
    factor = config.number("partial_rotary_factor", 1.0)
    language.rotary(overrides={"partial_rotary_factor": 1.0 if factor is None else factor})


def pangu_embedded(language: Language) -> None:
    """Pangu Embedded: Llama's layers, attention biased where the config says so (``bias`` or ``attention_bias``)."""
    text, config = language.text, language.config
    bias = config.boolean("attention_bias", False) or config.boolean("bias", False)
    query = config.boolean("qkv_bias", bias) if config.has("qkv_bias") else bias
    language.frame()
    layers = language.layers()
    language.attention(layers, bias=query, output_bias=bias)
    layers.gated_mlp("mlp", text.hidden_size, text.intermediate_size, bias=config.boolean("mlp_bias", False))
    norms(layers, text.hidden_size)
    language.rotary()


def plamo3(language: Language) -> None:
    """PLaMo 3: norms before and after attention and MLP, a table of positions for each kind of attention."""
    text, hidden = language.text, language.text.hidden_size
    language.embeddings()
    language.final_norm()
    language.head(rows=_padded_head(text.vocab_size))
    layers = language.layers(prefix="model.layers.layers.{}")
    layers.qkv("mixer", text.attention_heads, text.kv_heads, text.head_size, hidden)
    layers.row("mixer.o_proj", hidden, text.attention_heads * text.head_size)
    layers.attention_scales("mixer.attn")
    layers.norm("mixer.q_norm", text.head_size)
    layers.norm("mixer.k_norm", text.head_size)
    layers.gated_mlp("mlp", hidden, text.intermediate_size)
    for name in ("pre_mixer_norm", "post_mixer_norm", "pre_mlp_norm", "post_mlp_norm"):
        layers.norm(name, hidden)
    for kind in dict.fromkeys(strings(language.config, "layer_types")):
        language.rotary(layer_type=kind)


def _padded_head(words: int) -> int:
    """Rows of the head: words in blocks of 64, and what rounding up to 16 adds after them."""
    added = -words % 16
    return words + -words % 64 + added if added else words


def step3p5(language: Language) -> None:
    """Step 3.5: heads by kind of attention, a gate a head, router and its bias in fp32, a shared expert."""
    language.tied(False)
    config, text = language.config, language.text
    hidden, width = text.hidden_size, config.integer("moe_intermediate_size")
    experts = config.integer("moe_num_experts", config.integer("n_routed_experts", 0, least=0))
    language.frame()
    _step_attention(language)
    sparse = _step_sparse(language)
    language.layers([n for n in language.numbers if n not in set(sparse)]).gated_mlp(
        "mlp", hidden, text.intermediate_size
    )
    moe = language.layers(sparse)
    router(moe, "moe.gate", experts, hidden, dtype=DType.FLOAT32)
    moe.tensor("moe.router_bias", experts, dtype=DType.FLOAT32)
    shared_expert(moe, "moe.share_expert", hidden, config.integer("share_expert_dim"))
    moe.experts("moe.experts", experts, hidden, width)
    norms(language.layers(), hidden)


def _step_attention(language: Language) -> None:
    config, text = language.config, language.text
    kinds = strings(config, "layer_types")
    if kinds and len(kinds) < text.layers:
        field = config.field("layer_types")
        raise InputError(f"{field}: {len(kinds)} entries for {text.layers} layers", field=field)
    other = config.section("attention_other_setting") if config.has("attention_other_setting") else Config({})
    theta, factors = config.values.get("rope_theta"), config.items("partial_rotary_factors")
    for sliding in (False, True):
        numbers = [n for n in language.numbers if ((kinds[n] == SLIDING) if kinds else n % 2 == 0) is sliding]
        if not numbers:
            continue
        kind = kinds[numbers[0]] if kinds else ""
        own = other.values and other.text("attention_type") == kind
        heads = other.integer("num_attention_heads") if own else text.attention_heads
        groups = other.integer("num_attention_groups") if own else config.integer("num_attention_groups")
        size = other.integer("head_dim", text.head_size) if own else text.head_size
        block = language.layers(numbers)
        block.qkv("self_attn", heads, groups, size, text.hidden_size)
        block.row("self_attn.o_proj", text.hidden_size, heads * size)
        if config.boolean("use_head_wise_attn_gate", False):
            block.column("self_attn.g_proj", heads, text.hidden_size)
        head_norms(block, size)
        block.attention_scales()
        for number in numbers:
            base = theta[number] if isinstance(theta, list) and number < len(theta) else theta
            factor = factors[number] if factors and number < len(factors) else 1.0
            language.rotary(size, overrides={"rope_theta": base, "partial_rotary_factor": factor})


def _step_sparse(language: Language) -> list[int]:
    """Sparse layers: as ``mlp_layer_types`` lists them, or as numbers in a string."""
    config = language.config
    kinds = config.items("mlp_layer_types")
    if kinds is not None:
        return [n for n in language.numbers if n < len(kinds) and kinds[n] == "sparse"]
    listed = config.text("moe_layers_enum")
    if listed is None:
        return list(language.numbers[1:])
    numbers = {part.strip() for part in listed.split(",")}
    return [n for n in language.numbers if str(n) in numbers]


def minimax_m3(language: Language) -> None:
    """MiniMax M3: norms on each head, an index query and key in sparse layers, router and its bias in fp32."""
    config, text = language.config, language.text
    hidden, experts = text.hidden_size, config.integer("num_local_experts", 128)
    width, size = config.integer("intermediate_size", 3072), text.head_size
    selecting = [n for n, flag in zip(language.numbers, index_flags(config, text.layers), strict=True) if flag]
    language.tied(config.boolean("tie_word_embeddings", False))
    language.frame()
    layers = language.layers()
    language.attention(layers)
    head_norms(layers, size)
    index = config.section("sparse_attention_config")
    heads, own = index.integer("sparse_num_index_heads", 4), index.integer("sparse_index_dim", 128)
    if selecting and heads != text.kv_heads:
        field = index.field("sparse_num_index_heads")
        raise UnknownFact(f"{field}: vLLM takes as many index heads as key/value heads", field=field)
    sparse = language.layers(selecting)
    sparse.linear("self_attn.index_q_proj", heads * own, hidden, Sharding.KV_HEADS, heads=heads, follows=True)
    sparse.linear("self_attn.index_k_proj", own, hidden, follows=True)
    sparse.norm("self_attn.index_q_norm", own)
    sparse.norm("self_attn.index_k_norm", own)
    flags = integers(config, "moe_layer_freq") or [0] * 3 + [1] * (text.layers - 3)
    experts_in = [n for n in language.numbers if n < len(flags) and flags[n]]
    dense = language.layers([n for n in language.numbers if n not in set(experts_in)])
    dense.gated_mlp("mlp", hidden, config.integer("dense_intermediate_size", 12288))
    moe = language.layers(experts_in)
    router(moe, "block_sparse_moe.gate", experts, hidden, dtype=DType.FLOAT32)
    if config.boolean("use_routing_bias", True):
        moe.tensor("block_sparse_moe.e_score_correction_bias", experts, dtype=DType.FLOAT32)
    shared = width * config.integer("n_shared_experts", 1, least=0)
    shared_expert(moe, "block_sparse_moe.shared_experts", hidden, shared)
    moe.experts("block_sparse_moe.experts", experts, hidden, width, names=("w1", "w2", "w3"))
    norms(layers, hidden)
    factor = config.number("partial_rotary_factor", 0.5)
    theta = config.number("rope_theta", 5000000.0)
    language.rotary(overrides={"rope_type": "default", "rope_theta": theta, "partial_rotary_factor": factor})


def beam(language: Language) -> None:
    """Beam: a gate beside query, key and value, four norms a layer, a table in fp32."""
    config, text = language.config, language.text
    hidden, experts = text.hidden_size, expert_count(config, "num_experts", default=128)
    language.frame()
    layers = language.layers()
    language.attention(layers)
    inner = text.attention_heads * text.head_size
    layers.column("self_attn.gate_proj", inner, hidden, fused="self_attn.qkv_gate_proj")
    layers.tensor("self_attn.gate_bias", text.attention_heads, Sharding.OUTPUT)
    head_norms(layers, text.head_size)
    dense, sparse = mlp_kinds(language, 0)
    language.layers(dense).gated_mlp("mlp", hidden, text.intermediate_size)
    moe = language.layers(sparse)
    router(moe, "mlp.gate", experts, hidden, dtype=DType.FLOAT32)
    moe.tensor("mlp.gate.e_score_correction_bias", experts, dtype=DType.FLOAT32)
    moe.experts("mlp.experts", experts, hidden, config.integer("moe_intermediate_size", 768))
    norms(layers, hidden)
    layers.norm("pre_feedforward_layernorm", hidden)
    layers.norm("post_feedforward_layernorm", hidden)
    language.rotary(dtype=DType.FLOAT32)
