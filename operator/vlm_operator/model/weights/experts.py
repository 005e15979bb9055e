"""Mixture-of-experts decoders: which layers are sparse, what a sparse layer holds.

Sources: vLLM 0.32, ``model_executor/models/``: ``mixtral.py``, ``qwen2_moe.py``, ``qwen3_moe.py``, ``llama4.py``,
``phimoe.py``, ``gpt_oss.py``, ``minimax_m2.py``, ``mimo_v2.py``, ``glm4_moe.py``, ``granitemoe.py``, ``olmoe.py``.
"""

from __future__ import annotations

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import SHARED_EXPERT_WIDTHS
from vlm_operator.model.facts import DType, Sharding
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.lists import integers
from vlm_operator.model.weights.modules import Block


def expert_count(config: Config, *keys: str, default: int | None = None) -> int:
    """Routed experts of a layer; transformers 5 writes ``num_local_experts`` for what some families call otherwise."""
    for key in (*keys, "num_local_experts"):
        if config.has(key):
            return config.integer(key, least=0)
    return config.integer(keys[0], default, least=0)


def norms(block: Block, hidden: int, *, bias: bool = False) -> None:
    """The two norms of a pre-norm layer."""
    block.norm("input_layernorm", hidden, bias=bias)
    block.norm("post_attention_layernorm", hidden, bias=bias)


def shared_expert(block: Block, module: str, hidden: int, intermediate: int) -> None:
    """An expert that every token visits; it is laid over ranks as a dense MLP."""
    if intermediate > 0:
        block.gated_mlp(module, hidden, intermediate)


def router(
    block: Block, name: str, experts: int, hidden: int, *, bias: bool = False, dtype: DType | None = None
) -> None:
    """The router's matrix: whole on every rank, never quantised."""
    block.linear(name, experts, hidden, bias=bias, quantizable=False, dtype=dtype)


def mixtral(language: Language) -> None:
    """Mixtral: every layer is sparse."""
    text, config = language.text, language.config
    experts = config.integer("num_local_experts")
    language.frame(every_stage=True)
    layers = language.layers()
    language.attention(layers)
    router(layers, "block_sparse_moe.gate", experts, text.hidden_size)
    layers.experts(
        "block_sparse_moe.experts", experts, text.hidden_size, text.intermediate_size, names=("w1", "w2", "w3")
    )
    norms(layers, text.hidden_size)
    language.rotary()


def sparse_numbers(config: Config, numbers: tuple[int, ...], experts: int) -> tuple[int, ...]:
    """Layers that are sparse by ``mlp_only_layers`` and ``decoder_sparse_step`` (Qwen)."""
    dense = set(integers(config, "mlp_only_layers"))
    step = config.integer("decoder_sparse_step", 1)
    return tuple(n for n in numbers if n not in dense and experts > 0 and (n + 1) % step == 0)


def qwen_sparse_mlp(block: Block, config: Config, hidden: int, *, shared: bool) -> None:
    """Router, routed experts and, where there is one, the gated shared expert of the Qwen families."""
    experts = expert_count(config, "num_experts")
    router(block, "mlp.gate", experts, hidden)
    default = SHARED_EXPERT_WIDTHS.get(config.text("model_type") or "", 0)
    width = config.integer("shared_expert_intermediate_size", default, least=0)
    if shared or width:
        block.linear("mlp.shared_expert_gate", 1, hidden, quantizable=False)
        shared_expert(block, "mlp.shared_expert", hidden, width)
    block.experts("mlp.experts", experts, hidden, config.integer("moe_intermediate_size"))


def qwen2_moe(language: Language) -> None:
    """Qwen2-MoE: biased attention, a gated shared expert."""
    _qwen_moe(language, bias=True, qk_norm=False, shared=True)


def qwen3_moe(language: Language) -> None:
    """Qwen3-MoE: norms on query and key, no shared expert unless the config has one."""
    _qwen_moe(language, bias=language.config.boolean("attention_bias", False), qk_norm=True, shared=False)


def _qwen_moe(language: Language, *, bias: bool, qk_norm: bool, shared: bool) -> None:
    text, config = language.text, language.config
    sparse = sparse_numbers(config, language.numbers, expert_count(config, "num_experts"))
    language.frame(every_stage=True)
    layers = language.layers()
    language.attention(layers, bias=bias)
    if qk_norm:
        layers.norm("self_attn.q_norm", text.head_size)
        layers.norm("self_attn.k_norm", text.head_size)
    qwen_sparse_mlp(language.layers(sparse), config, text.hidden_size, shared=shared)
    dense = language.layers([n for n in language.numbers if n not in set(sparse)])
    dense.gated_mlp("mlp", text.hidden_size, text.intermediate_size)
    norms(layers, text.hidden_size)
    language.rotary()


def llama4(language: Language) -> None:
    """Llama 4: sparse every ``interleave_moe_layer_step`` layers, with one shared expert."""
    language.tied(False)
    text, config = language.text, language.config
    step = config.integer("interleave_moe_layer_step", 1, least=0)
    experts, width = config.integer("num_local_experts", 16), config.integer("intermediate_size", 8192)
    sparse = tuple(n for n in language.numbers if step > 0 and (n + 1) % step == 0)
    language.frame()
    layers = language.layers()
    language.attention(layers)
    moe = language.layers(sparse)
    router(moe, "feed_forward.router", experts, text.hidden_size)
    shared_expert(moe, "feed_forward.shared_expert", text.hidden_size, width)
    moe.experts("feed_forward.experts", experts, text.hidden_size, width)
    if len(sparse) < text.layers:
        dense = language.layers([n for n in language.numbers if n not in set(sparse)])
        dense.gated_mlp("feed_forward", text.hidden_size, config.integer("intermediate_size_mlp", 16384))
    norms(layers, text.hidden_size)
    language.rotary()


def phimoe(language: Language) -> None:
    """Phi-3.5-MoE: biased attention and head, layer norms with biases."""
    language.tied(False)
    text, config = language.text, language.config
    experts = config.integer("num_local_experts", 16)
    language.frame(head_bias=True, norm_bias=True, every_stage=True)
    layers = language.layers()
    language.attention(layers, bias=True, output_bias=True)
    router(layers, "block_sparse_moe.gate", experts, text.hidden_size)
    layers.experts(
        "block_sparse_moe.experts", experts, text.hidden_size, text.intermediate_size, names=("w1", "w2", "w3")
    )
    norms(layers, text.hidden_size, bias=True)
    language.rotary()


def gpt_oss(language: Language) -> None:
    """gpt-oss: attention sinks, biased router and experts, rotary table in fp32."""
    language.tied(False)
    text, config = language.text, language.config
    experts = config.integer("num_local_experts")
    language.every_stage = True
    language.embeddings("model.embedding")
    language.final_norm()
    language.head()
    layers = language.layers()
    layers.tensor("attn.sinks", text.attention_heads, Sharding.OUTPUT)
    language.attention(layers, bias=True, output_bias=True, module="attn")
    router(layers, "mlp.router", experts, text.hidden_size, bias=True)
    layers.experts("mlp.experts", experts, text.hidden_size, text.intermediate_size, bias=True)
    norms(layers, text.hidden_size)
    language.rotary(dtype=DType.FLOAT32, overrides={"rope_type": "yarn"})


def minimax_m2(language: Language) -> None:
    """MiniMax M2: norms over all heads of query and key, router and its bias in fp32."""
    language.tied(False)
    text, config = language.text, language.config
    experts = config.integer("num_local_experts")
    language.frame()
    layers = language.layers()
    language.attention(layers, bias=config.boolean("attention_bias", False))
    layers.tensor("self_attn.q_norm.weight", text.attention_heads * text.head_size, Sharding.OUTPUT)
    layers.tensor("self_attn.k_norm.weight", text.kv_heads * text.head_size, Sharding.KV_HEADS, heads=text.kv_heads)
    if config.boolean("use_routing_bias", False):
        layers.tensor("block_sparse_moe.e_score_correction_bias", experts, dtype=DType.FLOAT32)
    router(layers, "block_sparse_moe.gate", experts, text.hidden_size, dtype=DType.FLOAT32)
    layers.experts(
        "block_sparse_moe.experts", experts, text.hidden_size, text.intermediate_size, names=("w1", "w2", "w3")
    )
    norms(layers, text.hidden_size)
    rotary_dim = config.integer("rotary_dim", text.head_size)
    language.rotary(overrides={"partial_rotary_factor": rotary_dim / text.head_size})


def glm4_moe(language: Language) -> None:
    """GLM-4.5 and later: dense first layers, fp32 routing bias, a shared expert; MTP layers are not loaded."""
    language.tied(False)
    text, config = language.text, language.config
    experts = expert_count(config, "n_routed_experts")
    first = config.integer("first_k_dense_replace", 1, least=0)
    width = config.integer("moe_intermediate_size")
    language.frame()
    layers = language.layers()
    language.attention(layers, bias=config.boolean("attention_bias", False))
    if config.boolean("use_qk_norm", False):
        layers.norm("self_attn.q_norm", text.head_size)
        layers.norm("self_attn.k_norm", text.head_size)
    language.layers(language.numbers[:first]).gated_mlp("mlp", text.hidden_size, text.intermediate_size)
    moe = language.layers(language.numbers[first:])
    router(moe, "mlp.gate", experts, text.hidden_size, dtype=DType.FLOAT32)
    moe.tensor("mlp.gate.e_score_correction_bias", experts, dtype=DType.FLOAT32)
    shared_expert(moe, "mlp.shared_experts", text.hidden_size, width * config.integer("n_shared_experts", 1, least=0))
    moe.experts("mlp.experts", experts, text.hidden_size, width)
    norms(layers, text.hidden_size)
    factor = language.rope().get("partial_rotary_factor", 0.5)
    language.rotary(overrides={"partial_rotary_factor": factor})


def granitemoe(language: Language) -> None:
    """Granite MoE, with the shared expert of its second form where the config has one."""
    text, config = language.text, language.config
    experts, hidden = config.integer("num_local_experts", 8), text.hidden_size
    language.frame(every_stage=True)
    layers = language.layers()
    language.attention(layers)
    router(layers, "block_sparse_moe.gate", experts, hidden)
    layers.experts("block_sparse_moe.experts", experts, hidden, text.intermediate_size, names=("w1", "w2", "w3"))
    width = config.integer("shared_intermediate_size", 0, least=0)
    if width:
        layers.column("shared_mlp.input_linear", 2 * width, hidden)
        layers.row("shared_mlp.output_linear", hidden, width)
    norms(layers, hidden)
    language.rotary()


def olmoe(language: Language) -> None:
    """OLMoE: norms over all heads of query and key."""
    language.tied(False)
    text, config = language.text, language.config
    experts = expert_count(config, "num_experts", default=64)
    language.frame(every_stage=True)
    layers = language.layers()
    language.attention(layers)
    layers.norm("self_attn.q_norm", text.attention_heads * text.head_size)
    layers.norm("self_attn.k_norm", text.kv_heads * text.head_size)
    router(layers, "mlp.gate", experts, text.hidden_size)
    layers.experts("mlp.experts", experts, text.hidden_size, text.intermediate_size)
    norms(layers, text.hidden_size)
    language.rotary()


def mimo_v2(language: Language) -> None:
    """MiMo V2: two kinds of attention, each with its own heads; sinks where the config adds them."""
    language.tied(False)
    text, config = language.text, language.config
    pattern = config.items("hybrid_layer_pattern") or []
    sparse = config.items("moe_layer_freq") or []
    experts, hidden = expert_count(config, "n_routed_experts"), text.hidden_size
    full = [n for n in language.numbers if not (n < len(pattern) and pattern[n])]
    windowed = [n for n in language.numbers if n < len(pattern) and pattern[n]]
    bias = config.boolean("attention_bias", False)
    language.frame()
    for numbers, prefix in ((full, ""), (windowed, "swa_")):
        block = language.layers(numbers)
        heads = config.integer(f"{prefix}num_attention_heads")
        kv_heads = config.integer(f"{prefix}num_key_value_heads")
        size, value_size = config.integer(f"{prefix}head_dim"), config.integer(f"{prefix}v_head_dim")
        block.qkv("self_attn", heads, kv_heads, size, hidden, bias=bias, value_head_size=value_size)
        block.row("self_attn.o_proj", hidden, heads * value_size)
        if config.boolean(f"add_{prefix or 'full_'}attention_sink_bias", False):
            block.tensor("self_attn.attention_sink_bias", heads, Sharding.OUTPUT)
        block.attention_scales()
        theta = config.number(f"{prefix}rope_theta", 0.0)
        language.rotary(size, overrides={"rope_type": "default", "rope_theta": theta})
    moe = language.layers([n for n in language.numbers if n < len(sparse) and sparse[n]])
    dense = language.layers([n for n in language.numbers if not (n < len(sparse) and sparse[n])])
    dense.gated_mlp("mlp", hidden, text.intermediate_size)
    router(moe, "mlp.gate", experts, hidden, dtype=DType.FLOAT32)
    moe.tensor("mlp.gate.e_score_correction_bias", experts, dtype=DType.FLOAT32)
    moe.experts("mlp.experts", experts, hidden, config.integer("moe_intermediate_size"))
    norms(language.layers(), hidden)


def ernie4_5_moe(language: Language) -> None:
    """ERNIE 4.5 MoE: dense layers before and after the sparse ones, router and its bias in fp32."""
    text, config = language.text, language.config
    experts = config.integer("moe_num_experts")
    start, end = config.integer("moe_layer_start_index", 1, least=0), config.integer("moe_layer_end_index", 0, least=-1)
    end = text.layers - 1 if end <= 0 else min(end, text.layers - 1)
    step, width = config.integer("moe_layer_interval", 1), config.integer("moe_intermediate_size")
    sparse = tuple(n for n in language.numbers if start <= n <= end and (n + 1) % step == 0)
    language.frame()
    layers = language.layers()
    bias = config.boolean("use_bias", False)
    language.attention(layers, bias=bias, output_bias=bias)
    dense = language.layers([n for n in language.numbers if n not in set(sparse)])
    dense.gated_mlp("mlp", text.hidden_size, text.intermediate_size, bias=bias)
    moe = language.layers(sparse)
    router(moe, "mlp.gate", experts, text.hidden_size, dtype=DType.FLOAT32)
    moe.tensor("mlp.gate.e_score_correction_bias", experts, dtype=DType.FLOAT32)
    shared_expert(
        moe, "mlp.shared_experts", text.hidden_size, width * config.integer("moe_num_shared_experts", 0, least=0)
    )
    moe.experts("mlp.experts", experts, text.hidden_size, width)
    norms(layers, text.hidden_size)
    language.rotary()


def step3_text(language: Language) -> None:
    """Step3: one key and value for all heads, queries through a narrow matrix, a shared expert."""
    text, config = language.text, language.config
    hidden, experts = text.hidden_size, config.integer("moe_num_experts", 48)
    size, heads = config.integer("head_dim", 256), text.attention_heads
    narrow = config.integer("share_q_dim", 2048)
    listed = config.text("moe_layers_enum")
    if listed is None:
        field = config.field("moe_layers_enum")
        raise UnknownFact(f"{field}: which layers are sparse is not known", field=field)
    numbers = [part.strip() for part in listed.split(",")]
    sparse = tuple(n for n in language.numbers if str(n) in numbers)
    language.tied(False)
    language.frame()
    layers = language.layers()
    layers.linear("self_attn.qkv_proj", narrow + 2 * size, hidden)
    layers.norm("self_attn.inter_norm", narrow)
    layers.column("self_attn.wq", heads * size, narrow)
    layers.row("self_attn.o_proj", hidden, heads * size)
    layers.attention_scales()
    language.layers([n for n in language.numbers if n not in set(sparse)]).gated_mlp(
        "mlp", hidden, text.intermediate_size
    )
    moe = language.layers(sparse)
    router(moe, "moe.gate", experts, hidden)
    moe.experts("moe.experts", experts, hidden, config.integer("moe_intermediate_size", 5120))
    shared_expert(moe, "share_expert", hidden, config.integer("share_expert_dim", 5120))
    norms(layers, hidden)
    language.rotary(size, positions=config.integer("max_position_embedding", 65536))
