"""Kimi Linear, Kimi K3's language model, Alice AI, Ring 2.5: delta or linear attention beside latent or ordinary.

Sources: vLLM 0.33, ``models/kimi_k3/nvidia/``: ``model.py``, ``kda.py``, ``mla.py``;
``model_executor/layers/mamba/gdn/kda_linear_attn.py``; ``model_executor/models/``: ``alice_ai.py``,
``bailing_moe_linear.py``; ``layers/mamba/linear/bailing_linear_attn.py``.
"""

from __future__ import annotations

from vlm_operator.model.cache_layers_delta import delta_layers
from vlm_operator.model.facts import DType, Sharding
from vlm_operator.model.weights.experts import norms, router, shared_expert
from vlm_operator.model.weights.gated_experts import head_norms
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.latent import latent_attention
from vlm_operator.model.weights.modules import Block

LEAST_EXPERT_WIDTH = 256
"""Columns of an expert on one rank: narrower shares are padded (``min_moe_intermediate_per_partition``)."""
PROJECTION_ROWS = 16
"""Rows of Kimi K3's fused projection on one rank are a multiple of these."""


def kimi_linear(language: Language) -> None:
    """Kimi Linear and K3: delta attention in some layers, latent attention in the others, dense first layers."""
    language.tied(False)
    config, text = language.config, language.text
    hidden, section = text.hidden_size, config.section("linear_attn_config")
    recurrent = [n for n, flag in zip(language.numbers, delta_layers(config, text.layers), strict=True) if flag]
    language.frame()
    heads, size = section.integer("num_heads"), section.integer("head_dim")
    full_rank = section.boolean("use_full_rank_gate", False)
    kernel = section.integer("short_conv_kernel_size", 4)
    _delta_attention(language.layers(recurrent), "self_attn", hidden, (heads, size, kernel), full_rank=full_rank)
    latent = language.layers([n for n in language.numbers if n not in set(recurrent)])
    if config.boolean("mla_use_output_gate", False):
        latent.column("self_attn.g_proj", text.attention_heads * config.integer("v_head_dim"), hidden)
    latent_attention(language, latent, fused=True)
    latent.attention_scales("self_attn.mla_attn")
    latent.tensor("self_attn.one_scale", 1, dtype=DType.FLOAT32)
    _mlp(language)
    norms(language.layers(), hidden)
    if config.has("attn_res_block_size"):
        for name in ("self_attention_res", "mlp_res"):
            _residual(language.layers(), name, hidden)
        _residual(language.end("model"), "output_attn_res", hidden)


def _residual(block: Block, name: str, hidden: int) -> None:
    """A norm and one row that weigh earlier blocks' residuals."""
    block.norm(f"{name}_norm", hidden)
    block.linear(f"{name}_proj", 1, hidden, quantizable=False)


def _delta_attention(
    block: Block, module: str, hidden: int, shape: tuple[int, int, int], *, full_rank: bool = False
) -> None:
    """Delta attention; ``shape`` is its heads, their size and the convolution's kernel."""
    heads, size, kernel = shape
    width, fused = heads * size, f"{module}.in_proj_qkvgfab"
    for name in ("q_proj", "k_proj", "v_proj", *(("g_proj",) if full_rank else ())):
        block.column(f"{module}.{name}", width, hidden, fused=fused)
    block.column(f"{module}.b_proj", heads, hidden, fused=fused, multiple=PROJECTION_ROWS if full_rank else 0)
    block.linear(f"{module}.f_a_proj", size, hidden, fused=fused)
    block.column(f"{module}.f_b_proj", width, size)
    if not full_rank:
        block.linear(f"{module}.g_a_proj", size, hidden)
        block.column(f"{module}.g_b_proj", width, size)
    block.row(f"{module}.o_proj", hidden, width)
    block.tensor(f"{module}.dt_bias", width, Sharding.OUTPUT, dtype=DType.FLOAT32)
    block.tensor(f"{module}.A_log", heads, Sharding.OUTPUT, dtype=DType.FLOAT32)
    block.tensor(f"{module}.conv1d", 3 * width * kernel, Sharding.OUTPUT, dtype=DType.FLOAT32)
    block.norm(f"{module}.o_norm", size)


def _mlp(language: Language) -> None:
    config, text = language.config, language.text
    hidden, experts = text.hidden_size, config.integer("num_experts", 0, least=0)
    first, every = config.integer("first_k_dense_replace", 0, least=0), config.integer("moe_layer_freq", 1)
    sparse = [n for n in language.numbers if experts and n >= first and n % every == 0]
    dense = language.layers([n for n in language.numbers if n not in set(sparse)])
    dense.gated_mlp("mlp", hidden, text.intermediate_size)
    if not sparse:
        return
    moe, width, module = language.layers(sparse), config.integer("moe_intermediate_size"), "block_sparse_moe"
    router(moe, f"{module}.gate", experts, hidden)
    moe.tensor(f"{module}.gate.e_score_correction_bias", experts, dtype=DType.FLOAT32)
    shared_expert(moe, f"{module}.shared_experts", hidden, width * config.integer("num_shared_experts", 0, least=0))
    inner = config.integer("routed_expert_hidden_size", 0, least=0)
    if inner:
        moe.linear(f"{module}.routed_expert_down_proj", inner, hidden)
        moe.linear(f"{module}.routed_expert_up_proj", hidden, inner)
        if config.boolean("latent_moe_use_norm", False):
            moe.norm(f"{module}.routed_expert_norm", inner)
    names = ("w1", "w2", "w3")
    moe.experts(f"{module}.experts", experts, inner or hidden, width, names=names, least=LEAST_EXPERT_WIDTH)


def alice_ai(language: Language) -> None:
    """Alice AI: delta attention, gated attention as listed, every layer sparse, residuals of earlier blocks."""
    language.tied(False)
    config, text = language.config, language.text
    hidden, kinds = text.hidden_size, config.items("layer_types") or []
    linear = [n for n in language.numbers if n < len(kinds) and kinds[n] == "linear_attention"]
    full = [n for n in language.numbers if n not in set(linear)]
    language.frame()
    shape = (
        config.integer("linear_num_value_heads"),
        config.integer("linear_value_head_dim"),
        config.integer("linear_conv_kernel_dim", 4),
    )
    _delta_attention(language.layers(linear), "linear_attn", hidden, shape)
    block = language.layers(full)
    block.qkv("self_attn", 2 * text.attention_heads, text.kv_heads, text.head_size, hidden)
    block.row("self_attn.o_proj", hidden, text.attention_heads * text.head_size)
    head_norms(block, text.head_size)
    block.attention_scales()
    layers, experts = language.layers(), config.integer("num_experts")
    router(layers, "mlp.gate", experts, hidden)
    layers.tensor("mlp.gate.e_score_correction_bias", experts, dtype=DType.FLOAT32)
    shared = config.integer("shared_expert_intermediate_size", 0, least=0)
    layers.linear("mlp.shared_expert_gate", 1, hidden, quantizable=False)
    shared_expert(layers, "mlp.shared_expert", hidden, shared)
    layers.experts("mlp.experts", experts, hidden, config.integer("moe_intermediate_size"))
    norms(layers, hidden)
    _residual(layers, "mlp_res", hidden)
    _residual(language.layers(language.numbers[1:]), "attn_res", hidden)
    _residual(language.end("model.attnres_final"), "res", hidden)
    if full:
        language.rotary()


def bailing_linear(language: Language) -> None:
    """Ring and Ling 2.5: gated linear attention with grouped norms, latent attention at the end of each group."""
    config, text = language.config, language.text
    hidden, heads = text.hidden_size, text.attention_heads
    group, size = config.integer("layer_group_size", 1, least=0), config.integer("head_dim", text.head_size)
    linear = [n for n in language.numbers if group and (n + 1) % group]
    bias, module = config.boolean("use_bias", False), "self_attn"
    language.embeddings("model.word_embeddings")
    language.final_norm()
    language.head()
    block, inner = language.layers(linear), heads * size
    names = (f"{module}.query_key_value",) * 3
    qkv_bias = bias or config.boolean("use_qkv_bias", False)
    block.qkv("", heads, heads, size, hidden, bias=qkv_bias, names=names, fused=names[0])
    block.column(f"{module}.g_proj", inner, hidden)
    block.row(f"{module}.dense", hidden, inner, bias=bias)
    # Ranks must divide the groups of this norm.
    groups = config.integer("group_norm_size", 1)
    block.tensor(f"{module}.g_norm", groups, Sharding.OUTPUT, times=inner // groups)
    if config.boolean("use_qk_norm", False):
        block.norm(f"{module}.query_layernorm", size)
        block.norm(f"{module}.key_layernorm", size)
    latent = language.layers([n for n in language.numbers if n not in set(linear)])
    rotated = latent_attention(language, latent, fused=True)
    latent.attention_scales(f"{module}.attn")
    _bailing_mlp(language)
    language.rotary(size)
    language.rotary(rotated, overrides={"partial_rotary_factor": 1.0, "of": "latent"})


def _bailing_mlp(language: Language) -> None:
    config, text, bias = language.config, language.text, language.config.boolean("use_bias", False)
    hidden, experts = text.hidden_size, config.integer("num_experts", 0, least=0)
    first = config.integer("first_k_dense_replace", 0, least=0)
    width = config.integer("moe_intermediate_size", 0, least=0)
    sparse = [n for n in language.numbers if experts > 1 and n >= first]
    dense = language.layers([n for n in language.numbers if n not in set(sparse)])
    dense.gated_mlp("mlp", hidden, text.intermediate_size, bias=bias)
    moe = language.layers(sparse)
    in_fp32 = config.text("router_dtype") in (None, "fp32")
    router(moe, "mlp.gate", experts, hidden, dtype=DType.FLOAT32 if in_fp32 else DType.BFLOAT16)
    if config.boolean("moe_router_enable_expert_bias", False):
        moe.tensor("mlp.gate.expert_bias", experts, dtype=DType.FLOAT32)
    shared = config.integer("moe_shared_expert_intermediate_size", width, least=0)
    shared_expert(moe, "mlp.shared_experts", hidden, shared * config.integer("num_shared_experts", 0, least=0))
    moe.experts("mlp.experts", experts, hidden, width)
    norms(language.layers(), hidden)
