"""Decoders with multi-head latent attention: DeepSeek V2 and V3, Kimi K2, MiniCPM3, GLM-4.7-Flash.

Down-projections are whole on every rank; the up-projections are divided by heads.
Sources: vLLM 0.32, ``model_executor/models/deepseek_v2.py``, ``minicpm3.py``, ``glm4_moe_lite.py``.
"""

from __future__ import annotations

from vlm_operator.errors import UnknownFact
from vlm_operator.model.cache_layers_latent import selecting_layers
from vlm_operator.model.facts import DType
from vlm_operator.model.weights.experts import expert_count, norms, router, shared_expert
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.modules import Block


def latent_attention(language: Language, block: Block, *, fused: bool, value_default: int | None = None) -> int:
    """Projections of latent attention; returns the rotated head size.

    Args:
        language: the model being read.
        block: layers to add them to.
        fused: True where vLLM keeps both down-projections in one matrix.
        value_default: ``v_head_dim`` where the config says none; None where that is not known.
    """
    config, text = language.config, language.text
    hidden, heads = text.hidden_size, text.attention_heads
    rank, rope = config.integer("kv_lora_rank"), config.integer("qk_rope_head_dim")
    nope, value = config.integer("qk_nope_head_dim"), config.integer("v_head_dim", value_default)
    query_rank = config.integer("q_lora_rank", 0, least=0)
    down = "self_attn.fused_qkv_a_proj" if fused and query_rank else ""
    if query_rank:
        block.linear("self_attn.q_a_proj", query_rank, hidden, fused=down)
        block.norm("self_attn.q_a_layernorm", query_rank)
        block.column("self_attn.q_b_proj", heads * (nope + rope), query_rank)
    else:
        block.column("self_attn.q_proj", heads * (nope + rope), hidden)
    block.linear("self_attn.kv_a_proj_with_mqa", rank + rope, hidden, fused=down, follows=bool(down))
    block.norm("self_attn.kv_a_layernorm", rank)
    block.column("self_attn.kv_b_proj", heads * (nope + value), rank)
    block.row("self_attn.o_proj", hidden, heads * value)
    return rope


def deepseek(language: Language) -> None:
    """DeepSeek V2, V3 and R1, Kimi K2: latent attention, dense first layers, shared experts; MTP is not loaded."""
    config = language.config
    if config.has("index_topk"):
        raise UnknownFact(
            f"{config.field('index_topk')}: weights of a sparse-attention indexer are not known for this class",
            field=config.field("index_topk"),
            hint="give a checkpoint directory, whose headers hold the exact weights",
        )
    _deepseek(language)


def sparse(language: Language) -> None:
    """DeepSeek V3.2 and GLM-5: DeepSeek V3 with an indexer in each layer that selects tokens (``deepseek_v32``)."""
    config = language.config
    _deepseek(language)
    selecting = selecting_layers(config, len(language.numbers))
    indexer(language, [number for number in language.numbers if selecting[number]])
    if not config.boolean("indexer_rope_interleave", False):
        latent_rotary(language, config.integer("qk_rope_head_dim"), of="indexer")


def indexer(language: Language, numbers: list[int]) -> None:
    """The indexer of these layers; its key and weights are one matrix in 16 bit whatever the quantisation."""
    config, block = language.config, language.layers(numbers)
    heads, size = config.integer("index_n_heads"), config.integer("index_head_dim")
    block.linear("self_attn.indexer.wq_b", heads * size, config.integer("q_lora_rank"))
    block.linear("self_attn.indexer.wk_weights_proj", size + heads, language.text.hidden_size, quantizable=False)
    block.tensor("self_attn.indexer.k_norm", size, dtype=DType.FLOAT32, times=2)


def _deepseek(language: Language) -> None:
    language.tied(False)
    config, text = language.config, language.text
    hidden = text.hidden_size
    experts = expert_count(config, "n_routed_experts", default=0)
    first, step = config.integer("first_k_dense_replace", 0, least=0), config.integer("moe_layer_freq", 1)
    sparse = tuple(n for n in language.numbers if experts and n >= first and n % step == 0)
    language.frame()
    layers = language.layers()
    if config.integer("qk_nope_head_dim", 0, least=0) + config.integer("qk_rope_head_dim", 0, least=0):
        size = latent_attention(language, layers, fused=True)
        layers.attention_scales("self_attn.mla_attn")
        latent_rotary(language, size)
    else:
        size = hidden // text.attention_heads
        layers.qkv("self_attn", text.attention_heads, text.kv_heads, size, hidden)
        layers.row("self_attn.o_proj", hidden, text.attention_heads * size)
        layers.attention_scales()
        language.rotary(size)
    dense = language.layers([n for n in language.numbers if n not in set(sparse)])
    dense.gated_mlp("mlp", hidden, text.intermediate_size)
    moe = language.layers(sparse)
    if sparse:
        width = config.integer("moe_intermediate_size")
        router(moe, "mlp.gate", experts, hidden)
        if config.text("topk_method") == "noaux_tc":
            moe.tensor("mlp.gate.e_score_correction_bias", experts, dtype=DType.FLOAT32)
        shared = config.integer("n_shared_experts", 0, least=0)
        shared_expert(moe, "mlp.shared_experts", hidden, width * shared)
        moe.experts("mlp.experts", experts, hidden, width)
    norms(layers, hidden)


def latent_rotary(language: Language, size: int, *, of: str = "") -> None:
    """The table of rotated parts: any scaling is taken for DeepSeek's YaRN; ``of`` sets a second table apart."""
    kind = language.rope()["rope_type"]
    overrides: dict[str, object] = {} if kind == "default" else {"rope_type": "deepseek_yarn"}
    language.rotary(size, overrides={**overrides, "of": of} if of else overrides)


def glm4_moe_lite(language: Language) -> None:
    """GLM-4.7-Flash: latent attention with GLM-4.5's experts, router in fp32."""
    language.tied(False)
    config, text = language.config, language.text
    hidden, width = text.hidden_size, config.integer("moe_intermediate_size")
    experts, first = expert_count(config, "n_routed_experts"), config.integer("first_k_dense_replace", 1, least=0)
    language.frame()
    layers = language.layers()
    size = latent_attention(language, layers, fused=True)
    layers.attention_scales("self_attn.mla_attn")
    language.layers(language.numbers[:first]).gated_mlp("mlp", hidden, text.intermediate_size)
    moe = language.layers(language.numbers[first:])
    router(moe, "mlp.gate", experts, hidden, dtype=DType.FLOAT32)
    moe.tensor("mlp.gate.e_score_correction_bias", experts, dtype=DType.FLOAT32)
    shared_expert(moe, "mlp.shared_experts", hidden, width * config.integer("n_shared_experts", 0, least=0))
    moe.experts("mlp.experts", experts, hidden, width)
    norms(layers, hidden)
    latent_rotary(language, size)


def minicpm3(language: Language) -> None:
    """MiniCPM3: latent attention over a dense decoder, two separate down-projections."""
    text = language.text
    language.frame(every_stage=True)
    layers = language.layers()
    size = latent_attention(language, layers, fused=False, value_default=text.hidden_size // text.attention_heads)
    layers.attention_scales()
    layers.gated_mlp("mlp", text.hidden_size, text.intermediate_size)
    norms(layers, text.hidden_size)
    language.rotary(size)
