"""Dense decoders that differ from Llama or Granite in one thing: an MLP, norms, names, sinks.

Sources: vLLM 0.32 and 0.33, ``model_executor/models/``: ``apertus.py``, ``arcee.py``, ``exaone.py``, ``granite.py``,
``granitemoe.py``, ``granitemoeshared.py``, ``hyperclovax.py``, ``telechat2.py``.
"""

from __future__ import annotations

from vlm_operator.model.facts import Sharding
from vlm_operator.model.weights import dense, experts
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.transformers_backend import frequencies

XIELU_SCALARS = 4
"""Two parameters and two buffers of xIELU, a scalar each (``layers/activation.py: XIELU``)."""


def _attention(language: Language) -> None:
    config = language.config
    bias = config.boolean("attention_bias", False) or config.boolean("bias", False)
    query_bias = config.boolean("qkv_bias", False) if config.has("qkv_bias") else bias
    language.attention(language.layers(), bias=query_bias, output_bias=bias)


def apertus(language: Language) -> None:
    """Apertus: xIELU between one matrix up and one down, norms on query and key."""
    text = language.text
    language.frame()
    _attention(language)
    layers = language.layers()
    layers.norm("self_attn.q_norm", text.head_size)
    layers.norm("self_attn.k_norm", text.head_size)
    bias = language.config.boolean("mlp_bias", False)
    layers.mlp("mlp", text.hidden_size, text.intermediate_size, ("up_proj", "down_proj"), bias=bias)
    layers.tensor("mlp.act_fn", 1, times=XIELU_SCALARS)
    layers.norm("attention_layernorm", text.hidden_size)
    layers.norm("feedforward_layernorm", text.hidden_size)
    language.rotary()


def arcee(language: Language) -> None:
    """Arcee: squared ReLU between one matrix up and one down; vLLM runs transformers' modules."""
    text = language.text
    language.frame()
    _attention(language)
    layers = language.layers()
    bias = language.config.boolean("mlp_bias", False)
    layers.mlp("mlp", text.hidden_size, text.intermediate_size, ("up_proj", "down_proj"), bias=bias)
    experts.norms(layers, text.hidden_size)
    frequencies(language)


def exaone(language: Language) -> None:
    """EXAONE 3: Llama's layers under names of its own."""
    text, config = language.text, language.config
    bias = config.boolean("attention_bias", False) or config.boolean("bias", False)
    language.embeddings("transformer.wte")
    language.final_norm("transformer.ln_f")
    language.head()
    layers = language.layers(prefix="transformer.h.{}")
    module = "attn.attention"
    layers.qkv(module, text.attention_heads, text.kv_heads, text.head_size, text.hidden_size, bias=bias)
    layers.row(f"{module}.out_proj", text.hidden_size, text.attention_heads * text.head_size, bias=bias)
    layers.attention_scales(f"{module}.attn")
    mlp_bias, width = config.boolean("mlp_bias", False), text.intermediate_size
    names = ("mlp.c_fc_0", "mlp.c_fc_1")
    layers.merged("mlp.gate_up_proj", names, (width, width), text.hidden_size, bias=mlp_bias)
    layers.row("mlp.c_proj", text.hidden_size, width, bias=mlp_bias)
    layers.norm("ln_1", text.hidden_size)
    layers.norm("ln_2", text.hidden_size)
    language.rotary()


def hyperclovax(language: Language) -> None:
    """HyperCLOVA X: Granite's layers, with norms after attention and MLP where the config says so."""
    dense.granite(language)
    if language.config.boolean("use_post_norm", False):
        layers = language.layers()
        layers.norm("post_norm1", language.text.hidden_size)
        layers.norm("post_norm2", language.text.hidden_size)


def telechat2(language: Language) -> None:
    """TeleChat2: Llama's layers, output and down projection biased."""
    text = language.text
    language.frame()
    layers = language.layers()
    language.attention(layers, output_bias=True)
    width, hidden = text.intermediate_size, text.hidden_size
    layers.merged("mlp.gate_up_proj", ("mlp.gate_proj", "mlp.up_proj"), (width, width), hidden)
    layers.row("mlp.down_proj", hidden, width, bias=True)
    experts.norms(layers, hidden)
    language.rotary()


def _sinks(language: Language) -> None:
    """One a head in every layer where the config lists kinds of layers, unless it says otherwise."""
    config = language.config
    if config.boolean("attention_sinks", config.has("layer_types")):
        language.layers().tensor("self_attn.sinks", language.text.attention_heads, Sharding.OUTPUT)


def granite_swa(language: Language) -> None:
    """Granite with windows: attention sinks."""
    dense.granite(language)
    _sinks(language)


def granitemoe_swa(language: Language) -> None:
    """Granite MoE with windows: attention sinks."""
    experts.granitemoe(language)
    _sinks(language)
