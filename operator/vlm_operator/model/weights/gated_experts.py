"""Mixtures of experts with a router of their own: Cohere 2, EXAONE 4 and K, Laguna, Trinity, Hunyuan 3, A.X K1, Ling.

Sources: vLLM 0.32 and 0.33, ``model_executor/models/``: ``cohere2_moe.py``, ``exaone_moe.py``, ``laguna.py``,
``afmoe.py``, ``hy_v3.py``, ``AXK1.py``, ``bailing_moe.py``.
"""

from __future__ import annotations

from collections.abc import Sequence

from vlm_operator.errors import InputError
from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType, Sharding
from vlm_operator.model.weights.experts import expert_count, norms, router, shared_expert
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.latent import latent_attention
from vlm_operator.model.weights.modules import Block

SPARSE, SLIDING = "sparse", "sliding_attention"


def mlp_kinds(language: Language, first_dense: int) -> tuple[list[int], list[int]]:
    """(dense, sparse) layers: as ``mlp_layer_types`` lists them, else sparse from ``first_dense`` on.

    Raises:
        InputError: not one entry a layer.
    """
    listed = language.config.items("mlp_layer_types")
    if listed is None:
        return list(language.numbers[:first_dense]), list(language.numbers[first_dense:])
    if len(listed) != len(language.numbers):
        field = language.config.field("mlp_layer_types")
        raise InputError(f"{field}: {len(listed)} entries for {len(language.numbers)} layers", field=field)
    sparse = [number for number in language.numbers if listed[number] == SPARSE]
    return [number for number in language.numbers if number not in set(sparse)], sparse


def head_norms(block: Block, size: int) -> None:
    """A norm on each head's query and key."""
    block.norm("self_attn.q_norm", size)
    block.norm("self_attn.k_norm", size)


def cohere2_moe(language: Language) -> None:
    """Command A with experts: one norm before attention and MLP, the head tied, experts as wide as a dense MLP."""
    language.tied(True)
    config, text = language.config, language.text
    hidden, experts = text.hidden_size, expert_count(config, "num_experts", default=8)
    dense, sparse = mlp_kinds(language, config.integer("first_k_dense_replace", 0, least=0))
    language.every_stage = True
    language.embeddings()
    language.final_norm()
    layers = language.layers()
    language.attention(layers)
    width = config.integer("prefix_dense_intermediate_size", text.intermediate_size)
    language.layers(dense).gated_mlp("mlp", hidden, width)
    moe = language.layers(sparse)
    router(moe, "mlp.gate", experts, hidden)
    shared = config.integer("num_shared_experts", 0, least=0)
    shared_expert(moe, "mlp.shared_experts", hidden, text.intermediate_size * shared)
    moe.experts("mlp.experts", experts, hidden, text.intermediate_size)
    layers.norm("input_layernorm", hidden)
    language.rotary(positions=config.integer("model_max_length", language.positions))


def exaone_moe(language: Language) -> None:
    """K-EXAONE: norms on query and key, a routing bias in fp32, dense layers as listed."""
    config, text = language.config, language.text
    hidden, experts = text.hidden_size, expert_count(config, "num_experts")
    width = config.integer("moe_intermediate_size")
    bias = config.boolean("attention_bias", False) or config.boolean("bias", False)
    dense, sparse = mlp_kinds(language, config.integer("first_k_dense_replace", 1, least=0))
    language.frame()
    layers = language.layers()
    language.attention(layers, bias=bias, output_bias=bias)
    head_norms(layers, text.head_size)
    mlp_bias = config.boolean("mlp_bias", False)
    language.layers(dense).gated_mlp("mlp", hidden, text.intermediate_size, bias=mlp_bias)
    moe = language.layers(sparse)
    router(moe, "mlp.gate", experts, hidden)
    moe.tensor("mlp.e_score_correction_bias", experts, dtype=DType.FLOAT32)
    shared_expert(moe, "mlp.shared_experts", hidden, width * config.integer("num_shared_experts", 0, least=0))
    moe.experts("mlp.experts", experts, hidden, width)
    norms(layers, hidden)
    language.rotary()


def afmoe(language: Language) -> None:
    """Trinity: gated attention, four norms a layer, router and its bias in fp32, dense first layers."""
    config, text = language.config, language.text
    language.tied(False)
    hidden, experts = text.hidden_size, expert_count(config, "num_experts", default=64)
    width = config.integer("moe_intermediate_size", 1408)
    first = config.integer("num_dense_layers", 1, least=0)
    language.frame()
    layers = language.layers()
    language.attention(layers)
    layers.column("self_attn.gate_proj", text.attention_heads * text.head_size, hidden)
    head_norms(layers, text.head_size)
    language.layers(language.numbers[:first]).gated_mlp("mlp", hidden, text.intermediate_size)
    moe = language.layers(language.numbers[first:])
    router(moe, "mlp.gate", experts, hidden, dtype=DType.FLOAT32)
    moe.tensor("mlp.expert_bias", experts, dtype=DType.FLOAT32)
    shared_expert(moe, "mlp.shared_experts", hidden, width * config.integer("num_shared_experts", 0, least=0))
    moe.experts("mlp.experts", experts, hidden, width)
    for name in ("input_layernorm", "post_attention_layernorm", "pre_mlp_layernorm", "post_mlp_layernorm"):
        layers.norm(name, hidden)
    kinds = config.items("layer_types")
    if kinds is None or SLIDING in kinds:
        language.rotary()


def hy_v3(language: Language) -> None:
    """Hunyuan 3: router and its bias in fp32, a shared MLP, dense first layers."""
    config, text = language.config, language.text
    hidden, experts = text.hidden_size, expert_count(config, "num_experts")
    first, width = config.integer("first_k_dense_replace", least=0), config.integer("expert_hidden_dim")
    language.frame(every_stage=True)
    layers = language.layers()
    language.attention(layers)
    if config.boolean("qk_norm", False):
        head_norms(layers, text.head_size)
    language.layers(language.numbers[:first]).gated_mlp("mlp", hidden, text.intermediate_size)
    moe = language.layers(language.numbers[first:])
    router(moe, "mlp.gate", experts, hidden, dtype=DType.FLOAT32)
    moe.tensor("mlp.expert_bias", experts, dtype=DType.FLOAT32)
    shared_expert(moe, "mlp.shared_mlp", hidden, width * config.integer("num_shared_experts", 0, least=0))
    moe.experts("mlp.experts", experts, hidden, width)
    norms(layers, hidden)
    language.rotary()


def axk1(language: Language) -> None:
    """A.X K1: DeepSeek-V3's layers with a third norm after the MLP."""
    language.tied(False)
    config, text = language.config, language.text
    hidden, experts = text.hidden_size, expert_count(config, "n_routed_experts", default=0)
    first, step = config.integer("first_k_dense_replace", 0, least=0), config.integer("moe_layer_freq", 1)
    sparse = [n for n in language.numbers if experts and n >= first and n % step == 0]
    language.frame()
    layers = language.layers()
    size = latent_attention(language, layers, fused=True)
    layers.attention_scales("self_attn.mla_attn")
    language.layers([n for n in language.numbers if n not in set(sparse)]).gated_mlp(
        "mlp", hidden, text.intermediate_size
    )
    moe, width = language.layers(sparse), config.integer("moe_intermediate_size")
    router(moe, "mlp.gate", experts, hidden)
    if config.text("topk_method", "noaux_tc") == "noaux_tc":
        moe.tensor("mlp.gate.e_score_correction_bias", experts, dtype=DType.FLOAT32)
    shared_expert(moe, "mlp.shared_experts", hidden, width * config.integer("n_shared_experts", 0, least=0))
    moe.experts("mlp.experts", experts, hidden, width)
    norms(layers, hidden)
    layers.norm("post_mlp_layernorm", hidden)
    kind = language.rope()["rope_type"]
    language.rotary(size, overrides={} if kind == "default" else {"rope_type": "deepseek_yarn"})


_ROUTER_TYPES = {"fp32": DType.FLOAT32, "bf16": DType.BFLOAT16}


def bailing_moe(language: Language) -> None:
    """Ling and Ring: query, key and value fused in the checkpoint, dense first layers, shared experts."""
    config, text = language.config, language.text
    hidden, experts = text.hidden_size, expert_count(config, "num_experts")
    bias, width = config.boolean("use_bias", False), config.integer("moe_intermediate_size")
    first = config.integer("first_k_dense_replace", 0, least=0)
    language.embeddings("model.word_embeddings")
    language.final_norm()
    language.head()
    layers = language.layers()
    names = ("query_key_value",) * 3
    layers.qkv(
        "attention", text.attention_heads, text.kv_heads, text.head_size, hidden,
        bias=bias or config.boolean("use_qkv_bias", False), names=names, fused=names[0],
    )  # fmt: skip
    layers.row("attention.dense", hidden, text.attention_heads * text.head_size, bias=bias)
    layers.attention_scales("attention.attn")
    if config.boolean("use_qk_norm", False):
        for name in ("query_layernorm", "key_layernorm"):
            layers.norm(f"attention.{name}", text.head_size, bias=not config.boolean("use_rmsnorm", False))
    language.layers(language.numbers[:first]).gated_mlp("mlp", hidden, text.intermediate_size, bias=bias)
    moe = language.layers(language.numbers[first:])
    router(moe, "mlp.gate", experts, hidden, dtype=_ROUTER_TYPES.get(config.text("router_dtype") or ""))
    if config.boolean("moe_router_enable_expert_bias", False):
        moe.tensor("mlp.gate.expert_bias", experts, dtype=DType.FLOAT32)
    shared = config.integer("moe_shared_expert_intermediate_size", width)
    shared *= config.integer("num_shared_experts", 0, least=0)
    if shared:
        moe.gated_mlp("mlp.shared_experts", hidden, shared, bias=bias)
    moe.experts("mlp.experts", experts, hidden, width)
    norms(layers, hidden)
    rotated = config.integer("rotary_dim", int(text.head_size * (config.number("partial_rotary_factor", 1.0) or 1.0)))
    language.rotary(overrides={"partial_rotary_factor": rotated / text.head_size})


def laguna(language: Language) -> None:
    """Laguna: heads that differ by layer, gated attention, MLPs whose gate and up projections are not fused."""
    config, text = language.config, language.text
    hidden, experts, width = text.hidden_size, expert_count(config, "num_experts"), text.intermediate_size
    kinds = config.items("layer_types") or ["full_attention"] * text.layers
    heads = config.items("num_attention_heads_per_layer") or [text.attention_heads] * text.layers
    for name, listed in (("layer_types", kinds), ("num_attention_heads_per_layer", heads)):
        if len(listed) != text.layers:
            field = config.field(name)
            raise InputError(f"{field}: {len(listed)} entries for {text.layers} layers", field=field)
    language.frame()
    sinks = config.boolean("swa_attention_sink_enabled", False)
    for count in sorted(set(heads)):
        for sliding in (False, True):
            numbers = [n for n in language.numbers if heads[n] == count and (kinds[n] == SLIDING) is sliding]
            _laguna_attention(language, numbers, count, sinks=sinks and sliding)
    dense, sparse = mlp_kinds(language, len(config.items("mlp_only_layers") or ()))
    _unfused_mlp(language.layers(dense), "mlp", hidden, width)
    moe = language.layers(sparse)
    if sparse:
        router(moe, "mlp.gate", experts, hidden)
        moe.tensor("mlp.experts.e_score_correction_bias", experts, dtype=DType.FLOAT32)
        shared = config.integer("shared_expert_intermediate_size", 0, least=0)
        _unfused_mlp(moe, "mlp.shared_expert", hidden, shared)
        moe.experts("mlp.experts", experts, hidden, config.integer("moe_intermediate_size"))
    norms(language.layers(), hidden)
    for kind in dict.fromkeys(map(str, kinds)):
        _laguna_rotary(language, config, kind)


def _laguna_attention(language: Language, numbers: Sequence[int], heads: int, *, sinks: bool) -> None:
    config, text, block = language.config, language.text, language.layers(numbers)
    hidden, size, bias = text.hidden_size, text.head_size, config.boolean("attention_bias", False)
    block.qkv("self_attn", heads, text.kv_heads, size, hidden, bias=bias)
    block.row("self_attn.o_proj", hidden, heads * size, bias=bias)
    gating = config.values.get("gating", True)
    if gating:
        block.column("self_attn.g_proj", heads if gating is True or gating == "per-head" else heads * size, hidden)
    if sinks:
        block.tensor("self_attn.sink", heads, Sharding.OUTPUT)
    head_norms(block, size)
    block.attention_scales()


def _laguna_rotary(language: Language, config: Config, kind: str) -> None:
    """By kind of layer; where the config says nothing, its class rotates half of a head of full attention."""
    nested = any(isinstance(value, dict) for value in config.section("rope_parameters").values.values())
    overrides: dict[str, object] = {}
    if not config.has("rope_parameters"):
        overrides = {"rope_type": "default", "partial_rotary_factor": 1.0 if kind == SLIDING else 0.5, "kind": kind}
    if kind == SLIDING and config.has("swa_rope_parameters"):
        overrides = dict(config.section("swa_rope_parameters").values)
    factor = config.values.get("partial_rotary_factor")
    if factor is not None and "partial_rotary_factor" not in {**language.rope(kind if nested else None), **overrides}:
        overrides["partial_rotary_factor"] = factor
    language.rotary(layer_type=kind if nested and not overrides else None, overrides=overrides)


def _unfused_mlp(block: Block, module: str, hidden: int, width: int) -> None:
    if width > 0:
        block.column(f"{module}.gate_proj", width, hidden)
        block.column(f"{module}.up_proj", width, hidden)
        block.row(f"{module}.down_proj", hidden, width)
