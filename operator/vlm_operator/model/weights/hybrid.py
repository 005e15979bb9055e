"""Hybrids: decoders whose layers differ: attention beside gated delta net, Mamba, or nothing but an MLP.

Sources: vLLM 0.32, ``model_executor/models/qwen3_next.py``, ``qwen3_5.py``, ``nemotron_h.py``, ``jamba.py``,
``granitemoehybrid.py``; ``model_executor/layers/mamba/mamba_mixer.py``, ``mamba_mixer2.py``,
``gdn/qwen_gdn_linear_attn.py``. Views of other tensors (Mamba2's ``conv_weights``) hold no bytes of their own.
"""

from __future__ import annotations

from dataclasses import dataclass

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType, Sharding
from vlm_operator.model.weights.experts import (
    expert_count,
    norms,
    qwen_sparse_mlp,
    router,
    sparse_numbers,
)
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.modules import Block

LINEAR, FULL = "linear_attention", "full_attention"


def layer_kinds(language: Language, interval_key: str = "full_attention_interval") -> list[str]:
    """Kind of every layer: ``layer_types``, else every ``full_attention_interval``-th layer is full attention."""
    kinds = language.config.items("layer_types")
    if kinds is None:
        interval = language.config.integer(interval_key, 4)
        return [LINEAR if (n + 1) % interval else FULL for n in language.numbers]
    if len(kinds) != len(language.numbers):
        raise InputError(
            f"{language.config.field('layer_types')}: {len(kinds)} entries for {len(language.numbers)} layers",
            field=language.config.field("layer_types"),
        )
    return [str(kind) for kind in kinds]


def numbers_of(language: Language, kinds: list[str], *wanted: str) -> list[int]:
    """Numbers of the layers of the wanted kinds.

    Raises:
        InputError: not one kind for each layer.
    """
    if len(kinds) != len(language.numbers):
        field = language.config.field("layer_types")
        raise InputError(f"{field}: {len(kinds)} entries for {len(language.numbers)} layers", field=field)
    return [number for number, kind in zip(language.numbers, kinds, strict=True) if kind in wanted]


def require_kinds(language: Language, kinds: list[str], *known: str) -> None:
    """Refuse a kind of layer that this family's rules do not know.

    Raises:
        UnknownFact: naming the kind.
    """
    strange = sorted(set(kinds) - set(known))
    if strange:
        field = language.config.field("layer_types")
        raise UnknownFact(f"{field}: {strange[0]!r} is not known for this family", field=field)


def qwen3_next(language: Language, *, fused_names: bool = True, sparse_everywhere: bool = False) -> None:
    """Qwen3-Next and Qwen3.5: gated delta net beside gated attention; dense or sparse MLPs.

    Args:
        language: the model being read.
        fused_names: True where the checkpoint holds ``in_proj_qkvz`` and ``in_proj_ba`` (Qwen3-Next); Qwen3.5 stores
            ``in_proj_qkv``, ``in_proj_z``, ``in_proj_b`` and ``in_proj_a``.
        sparse_everywhere: True where every layer has experts whatever the config says (Qwen3.5-MoE).
    """
    text, config = language.text, language.config
    hidden = text.hidden_size
    qwen3_next_attention(language, fused_names=fused_names)
    sparse = language.numbers if sparse_everywhere else ()
    if fused_names:
        sparse = sparse_numbers(config, language.numbers, expert_count(config, "num_experts"))
    if sparse:
        qwen_sparse_mlp(language.layers(sparse), config, hidden, shared=True)
    if len(sparse) < text.layers:
        dense = language.layers([n for n in language.numbers if n not in set(sparse)])
        dense.gated_mlp("mlp", hidden, text.intermediate_size)


def qwen3_next_attention(language: Language, *, fused_names: bool = False) -> None:
    """All of these families but their MLPs: embeddings and head, gated delta net, gated attention, norms."""
    text, config = language.text, language.config
    hidden = text.hidden_size
    kinds = layer_kinds(language)
    require_kinds(language, kinds, LINEAR, FULL)
    if fused_names:
        language.tied(False)
    language.every_stage = True
    language.embeddings()
    language.every_stage = fused_names
    language.final_norm()
    language.head()
    _gated_delta_net(language, language.layers(numbers_of(language, kinds, LINEAR)), fused_names=fused_names)
    attention = language.layers(numbers_of(language, kinds, FULL))
    gate = 2 if config.boolean("attn_output_gate", True) else 1
    attention.qkv(
        "self_attn", text.attention_heads * gate, text.kv_heads, text.head_size, hidden,
        bias=config.boolean("qkv_bias", False),
    )  # fmt: skip
    attention.row("self_attn.o_proj", hidden, text.attention_heads * text.head_size)
    attention.norm("self_attn.q_norm", text.head_size)
    attention.norm("self_attn.k_norm", text.head_size)
    attention.attention_scales()
    layers = language.layers()
    norms(layers, hidden)
    if config.boolean("layer_scale", False):
        layers.tensor("attn_layer_scale", hidden)
        layers.tensor("ffn_layer_scale", hidden)
    if FULL in kinds:
        factor = language.rope().get("partial_rotary_factor", 0.25)
        language.rotary(overrides={"partial_rotary_factor": factor})


def qwen3_5(language: Language) -> None:
    """Qwen3.5: Qwen3-Next's layers, projections stored apart; dense or sparse by its ``model_type``."""
    sparse = language.config.text("model_type") == "qwen3_5_moe_text"
    qwen3_next(language, fused_names=False, sparse_everywhere=sparse)


def _gated_delta_net(language: Language, block: Block, *, fused_names: bool) -> None:
    config, hidden = language.config, language.text.hidden_size
    key_heads, value_heads = config.integer("linear_num_key_heads", 16), config.integer("linear_num_value_heads", 32)
    key = key_heads * config.integer("linear_key_head_dim", 128)
    value_size = config.integer("linear_value_head_dim", 128)
    value, kernel = value_heads * value_size, config.integer("linear_conv_kernel_dim", 4)
    qkvz, ba = "linear_attn.in_proj_qkvz", "linear_attn.in_proj_ba"
    if fused_names:
        block.column(qkvz, 2 * key + 2 * value, hidden)
        block.column(ba, 2 * value_heads, hidden)
    else:
        names = ("linear_attn.in_proj_qkv", "linear_attn.in_proj_z")
        block.merged(qkvz, names, (2 * key + value, value), hidden)
        names = ("linear_attn.in_proj_b", "linear_attn.in_proj_a")
        block.merged(ba, names, (value_heads, value_heads), hidden)
    block.row("linear_attn.out_proj", hidden, value)
    block.column("linear_attn.conv1d", 2 * key + value, kernel, quantizable=False)
    block.tensor("linear_attn.dt_bias", value_heads, Sharding.OUTPUT)
    block.tensor("linear_attn.A_log", value_heads, Sharding.OUTPUT, dtype=DType.FLOAT32)
    block.norm("linear_attn.norm", value_size)


@dataclass(frozen=True, slots=True)
class Mamba2:
    """Dimensions of a Mamba2 mixer; ``norm`` is False where its output is not normed."""

    heads: int
    head_size: int
    groups: int
    state: int
    kernel: int
    bias: bool = False
    conv_bias: bool = True
    norm: bool = True


def mamba2(block: Block, module: str, hidden: int, mixer: Mamba2) -> None:
    """A Mamba2 mixer: one group of B and C is copied to every rank, several are divided."""
    inner, groups, shared = mixer.heads * mixer.head_size, mixer.groups, 2 * mixer.groups * mixer.state
    projection, convolution = f"{module}.in_proj", f"{module}.conv1d"
    block.column(projection, 2 * inner + mixer.heads, hidden, bias=mixer.bias, fused=projection)
    block.linear(
        projection, shared, hidden, Sharding.KV_HEADS, heads=groups, bias=mixer.bias, follows=True, fused=projection
    )
    block.column(convolution, inner, mixer.kernel, bias=mixer.conv_bias, quantizable=False)
    block.linear(
        convolution, shared, mixer.kernel, Sharding.KV_HEADS, heads=groups, bias=mixer.conv_bias, quantizable=False
    )
    block.row(f"{module}.out_proj", hidden, inner, bias=mixer.bias)
    block.tensor(f"{module}.A", mixer.heads, Sharding.OUTPUT, dtype=DType.FLOAT32)
    block.tensor(f"{module}.D", mixer.heads, Sharding.OUTPUT)
    block.tensor(f"{module}.dt_bias", mixer.heads, Sharding.OUTPUT)
    if mixer.norm:
        block.tensor(f"{module}.norm.weight", inner, Sharding.OUTPUT)


NEMOTRON_KINDS = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}


def nemotron_h(language: Language) -> None:
    """Nemotron-H and Nemotron 3: each layer is one of Mamba2, attention, MLP, experts; no rotary embeddings."""
    language.tied(False)
    text, config = language.text, language.config
    hidden = text.hidden_size
    pattern = config.text("hybrid_override_pattern")
    if pattern is not None:
        kinds = [NEMOTRON_KINDS.get(letter, letter) for letter in pattern]
    else:
        kinds = [str(kind) for kind in config.items("layers_block_type") or config.items("layer_types") or ()]
        kinds = [{LINEAR: "mamba", FULL: "attention"}.get(kind, kind) for kind in kinds]
    require_kinds(language, kinds, *NEMOTRON_KINDS.values())
    numbers = {kind: [n for n, have in enumerate(kinds) if have == kind] for kind in NEMOTRON_KINDS.values()}
    language.every_stage = True
    language.embeddings()
    language.final_norm("model.norm_f")
    language.head()
    mixer = Mamba2(
        heads=config.integer("mamba_num_heads", 128),
        head_size=config.integer("mamba_head_dim", 64),
        groups=config.integer("n_groups", 8),
        state=config.integer("ssm_state_size", 128),
        kernel=config.integer("conv_kernel", 4),
        bias=config.boolean("use_bias", False),
        conv_bias=config.boolean("use_conv_bias", True),
    )
    mamba2(language.layers(numbers["mamba"]), "mixer", hidden, mixer)
    attention = language.layers(numbers["attention"])
    attention.qkv("mixer", text.attention_heads, text.kv_heads, text.head_size, hidden)
    attention.row("mixer.o_proj", hidden, text.attention_heads * text.head_size)
    attention.attention_scales("mixer.attn")
    mlp_bias = config.boolean("mlp_bias", False)
    if numbers["mlp"]:
        block = language.layers(numbers["mlp"])
        block.mlp("mixer", hidden, text.intermediate_size, ("up_proj", "down_proj"), bias=mlp_bias)
    if numbers["moe"]:
        block = language.layers(numbers["moe"])
        experts, latent = expert_count(config, "n_routed_experts"), config.integer("moe_latent_size", hidden)
        router(block, "mixer.gate", experts, hidden, dtype=DType.FLOAT32)
        block.tensor("mixer.gate.e_score_correction_bias", experts, dtype=DType.FLOAT32)
        shared = config.integer("n_shared_experts", 0, least=0)
        if shared:
            width = config.integer("moe_shared_expert_intermediate_size") * shared
            block.mlp("mixer.shared_experts", hidden, width, ("up_proj", "down_proj"), bias=False)
        if latent != hidden or config.has("moe_latent_size"):
            block.linear("mixer.fc1_latent_proj", latent, hidden, bias=mlp_bias)
            block.linear("mixer.fc2_latent_proj", hidden, latent, bias=mlp_bias)
        block.experts(
            "mixer.experts", experts, latent, config.integer("moe_intermediate_size"), gated=False,
            names=("", "down_proj", "up_proj"),
        )  # fmt: skip
    language.layers(range(len(kinds))).norm("norm", hidden)


def jamba(language: Language) -> None:
    """Jamba: Mamba1 and attention layers by period and offset, experts likewise; no rotary embeddings."""
    language.tied(False)
    text, config = language.text, language.config
    hidden, state = text.hidden_size, config.integer("mamba_d_state", 16)
    inner = config.integer("mamba_expand", 2) * hidden
    rank = config.values.get("mamba_dt_rank", "auto")
    rank = -(-hidden // 16) if rank in (None, "auto") else config.integer("mamba_dt_rank")
    period, offset = config.integer("attn_layer_period", 8), config.integer("attn_layer_offset", 4, least=0)
    attention = [n for n in language.numbers if n % period == offset]
    experts = expert_count(config, "num_experts", default=16)
    period, offset = config.integer("expert_layer_period", 2), config.integer("expert_layer_offset", 1, least=0)
    sparse = [n for n in language.numbers if experts > 1 and n % period == offset]
    language.every_stage = True
    language.embeddings()
    language.final_norm("model.final_layernorm")
    language.head()
    block = language.layers([n for n in language.numbers if n not in set(attention)])
    bias, conv_bias = config.boolean("mamba_proj_bias", False), config.boolean("mamba_conv_bias", True)
    block.column("mamba.conv1d", inner, config.integer("mamba_d_conv", 4), bias=conv_bias, quantizable=False)
    block.column("mamba.in_proj", 2 * inner, hidden, bias=bias, quantizable=False)
    block.row("mamba.x_proj", rank + 2 * state, inner, quantizable=False)
    block.column("mamba.dt_proj", inner, rank, bias=True, quantizable=False)
    block.tensor("mamba.A", inner * state, Sharding.OUTPUT, dtype=DType.FLOAT32)
    block.tensor("mamba.D", inner, Sharding.OUTPUT)
    block.row("mamba.out_proj", hidden, inner, bias=bias, quantizable=False)
    block.norm("mamba.dt_layernorm", rank)
    block.norm("mamba.b_layernorm", state)
    block.norm("mamba.c_layernorm", state)
    attention_layers = language.layers(attention)
    attention_layers.qkv("", text.attention_heads, text.kv_heads, text.head_size, hidden)
    attention_layers.row("o_proj", hidden, text.attention_heads * text.head_size)
    attention_layers.attention_scales("attn")
    dense = language.layers([n for n in language.numbers if n not in set(sparse)])
    dense.gated_mlp("feed_forward", hidden, text.intermediate_size)
    moe = language.layers(sparse)
    if sparse:
        router(moe, "feed_forward.router", experts, hidden)
        moe.experts("feed_forward.experts", experts, hidden, text.intermediate_size)
    layers = language.layers()
    layers.norm("input_layernorm", hidden)
    layers.norm("pre_ff_layernorm", hidden)


def granitemoehybrid(language: Language) -> None:
    """Granite 4: Mamba2 and attention layers, experts and a shared MLP in each."""
    text, config = language.text, language.config
    hidden = text.hidden_size
    kinds = [str(kind) for kind in config.items("layers_block_type") or config.items("layer_types") or ()]
    kinds = [{LINEAR: "mamba", FULL: "attention"}.get(kind, kind) for kind in kinds]
    require_kinds(language, kinds, "mamba", "attention")
    mixer = Mamba2(
        heads=config.integer("mamba_n_heads", 128),
        head_size=config.integer("mamba_d_head", config.integer("mamba_expand", 2) * hidden // 128),
        groups=config.integer("mamba_n_groups", 1),
        state=config.integer("mamba_d_state", 256),
        kernel=config.integer("mamba_d_conv", 4),
        bias=config.boolean("mamba_proj_bias", False),
        conv_bias=config.boolean("mamba_conv_bias", True),
    )
    language.frame(every_stage=True)
    mamba2(language.layers(numbers_of(language, kinds, "mamba")), "mamba", hidden, mixer)
    attention = numbers_of(language, kinds, "attention")
    if attention:
        block = language.layers(attention)
        bias = config.boolean("attention_bias", False)
        language.attention(block, bias=bias, output_bias=bias)
        if config.text("position_embedding_type") == "rope":
            language.rotary()
    layers = language.layers()
    experts = config.integer("num_local_experts", 8, least=0)
    if experts:
        router(layers, "block_sparse_moe.gate", experts, hidden)
        layers.experts("block_sparse_moe.experts", experts, hidden, text.intermediate_size, names=("w1", "w2", "w3"))
    width = config.integer("shared_intermediate_size", 1024, least=0)
    if width:
        layers.column("shared_mlp.input_linear", 2 * width, hidden)
        layers.row("shared_mlp.output_linear", hidden, width)
    norms(layers, hidden)


def lfm2(language: Language, *, sparse: bool = False) -> None:
    """LFM2: short convolutions beside attention, gated MLPs of a width of their own."""
    text, config = language.text, language.config
    hidden = text.hidden_size
    kinds = [str(kind) for kind in config.items("layer_types") or ()]
    if len(kinds) != text.layers:
        field = config.field("layer_types")
        raise UnknownFact(f"{field}: {len(kinds)} entries for {text.layers} layers", field=field)
    require_kinds(language, kinds, "conv", FULL)
    language.tied(True)
    language.embeddings()
    language.final_norm("model.embedding_norm")
    conv = language.layers(numbers_of(language, kinds, "conv"))
    bias, width = config.boolean("conv_bias", False), config.integer("conv_dim", hidden)
    conv.column("short_conv.conv", width, config.integer("conv_L_cache", 3), bias=bias, quantizable=False)
    conv.column("short_conv.in_proj", 3 * width, width, bias=bias)
    conv.row("short_conv.out_proj", config.integer("conv_dim_out", hidden), width, bias=bias)
    attention = language.layers(numbers_of(language, kinds, FULL))
    attention.qkv("self_attn", text.attention_heads, text.kv_heads, text.head_size, hidden)
    attention.row("self_attn.out_proj", hidden, text.attention_heads * text.head_size)
    attention.norm("self_attn.q_layernorm", text.head_size)
    attention.norm("self_attn.k_layernorm", text.head_size)
    attention.attention_scales()
    layers = language.layers()
    layers.norm("operator_norm", hidden)
    layers.norm("ffn_norm", hidden)
    if FULL in kinds:
        language.rotary()
    if sparse:
        _lfm2_experts(language)
        return
    block = config.integer("block_dim", hidden)
    inner = _lfm2_width(config, config.integer("block_ff_dim", text.intermediate_size))
    layers.merged("feed_forward.w13", ("feed_forward.w1", "feed_forward.w3"), (inner, inner), block)
    layers.row("feed_forward.w2", block, inner)


def lfm2_moe(language: Language) -> None:
    """LFM2 with experts in all but its first layers."""
    lfm2(language, sparse=True)


def _lfm2_experts(language: Language) -> None:
    config, text = language.config, language.text
    first = config.integer("num_dense_layers", 2, least=0)
    dense, moe = language.layers(language.numbers[:first]), language.layers(language.numbers[first:])
    names = ("feed_forward.w1", "feed_forward.w3")
    inner, experts = text.intermediate_size, expert_count(config, "num_experts", default=32)
    dense.merged("feed_forward.w13", names, (inner, inner), text.hidden_size)
    dense.row("feed_forward.w2", text.hidden_size, inner)
    router(moe, "feed_forward.gate", experts, text.hidden_size)
    if config.boolean("use_expert_bias", True):
        moe.tensor("feed_forward.gate.e_score_correction_bias", experts, dtype=DType.FLOAT32)
    moe.experts(
        "feed_forward.experts", experts, text.hidden_size, config.integer("moe_intermediate_size", 1792),
        names=("w1", "w2", "w3"),
    )  # fmt: skip


def _lfm2_width(config: Config, width: int) -> int:
    """Two thirds of the stated width, times a factor, rounded up."""
    if not config.boolean("block_auto_adjust_ff_dim", True):
        return width
    factor, multiple = config.number("block_ffn_dim_multiplier", 1.0), config.integer("block_multiple_of", 256)
    width = int((1.0 if factor is None else factor) * (2 * width // 3))
    return -(-width // multiple) * multiple
