"""Dense decoders that vLLM runs through transformers' own modules, their matrices replaced by parallel ones.

They keep no table of rotary embeddings, only the inverse frequencies. Sources: vLLM 0.32, ``models/registry.py``
(``_TRANSFORMERS_SUPPORTED_MODELS``), ``models/transformers/``; transformers 5, ``models/*/modeling_*.py``. Some of
these families had classes of their own in earlier releases; their matrices are the same.
"""

from __future__ import annotations

from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType, Stage
from vlm_operator.model.weights.experts import norms
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.rotary import rope_parameters, rotary_dimension


def frequencies(language: Language, *, kinds: int = 1, partial: float = 1.0) -> None:
    """Inverse frequencies in fp32, and the original ones, for each kind of attention."""
    parameters = {"partial_rotary_factor": partial, **rope_parameters(language.config)}
    width = rotary_dimension(Config(parameters, "rope_parameters"), language.text.head_size)
    language.end("model", Stage.EVERY).tensor("rotary_emb.inv_freq", width // 2, dtype=DType.FLOAT32, times=2 * kinds)


def gated(language: Language, *, qkv_bias: bool = False, output_bias: bool = False, mlp_bias: bool = False) -> None:
    """A pre-norm decoder with a gated MLP."""
    text = language.text
    language.frame()
    layers = language.layers()
    language.attention(layers, bias=qkv_bias, output_bias=output_bias)
    layers.gated_mlp("mlp", text.hidden_size, text.intermediate_size, bias=mlp_bias)
    norms(layers, text.hidden_size)


def olmo2(language: Language, *, kinds: int = 1) -> None:
    """OLMo 2: norms after attention and MLP; norms over all heads of query and key."""
    text = language.text
    bias = language.config.boolean("attention_bias", False)
    language.frame()
    layers = language.layers()
    language.attention(layers, bias=bias, output_bias=bias)
    layers.norm("self_attn.q_norm", text.attention_heads * text.head_size)
    layers.norm("self_attn.k_norm", text.kv_heads * text.head_size)
    layers.gated_mlp("mlp", text.hidden_size, text.intermediate_size)
    layers.norm("post_attention_layernorm", text.hidden_size)
    layers.norm("post_feedforward_layernorm", text.hidden_size)
    frequencies(language, kinds=kinds)


def olmo3(language: Language) -> None:
    """OLMo 3: OLMo 2 with windows in some layers, which have frequencies of their own."""
    olmo2(language, kinds=2)


def smollm3(language: Language) -> None:
    """SmolLM3: Llama's layers, some without rotary embeddings."""
    config = language.config
    bias = config.boolean("attention_bias", False)
    gated(language, qkv_bias=bias, output_bias=bias, mlp_bias=config.boolean("mlp_bias", False))
    frequencies(language)


def seed_oss(language: Language) -> None:
    """Seed-OSS: biased query, key and value."""
    config = language.config
    gated(
        language,
        qkv_bias=config.boolean("attention_bias", True),
        output_bias=config.boolean("attention_out_bias", False),
        mlp_bias=config.boolean("mlp_bias", False),
    )
    frequencies(language)


def glm(language: Language) -> None:
    """GLM-4 in transformers' first format, GLM-Edge: half of a head rotated."""
    gated(language, qkv_bias=language.config.boolean("attention_bias", False))
    frequencies(language, partial=0.5)


def starcoder2(language: Language) -> None:
    """StarCoder2: layer norms, biases everywhere, an MLP without a gate."""
    text, config = language.text, language.config
    bias = config.boolean("use_bias", True)
    language.frame(norm_bias=True)
    layers = language.layers()
    language.attention(layers, bias=bias, output_bias=bias)
    layers.mlp("mlp", text.hidden_size, text.intermediate_size, ("c_fc", "c_proj"), bias=bias)
    norms(layers, text.hidden_size, bias=True)
    frequencies(language)
