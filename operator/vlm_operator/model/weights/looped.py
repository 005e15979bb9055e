"""Decoders that run their layers several times, each time with a cache of its own: IQuest Loop-Coder, HRM.

Sources: vLLM 0.33, ``model_executor/models/iquest_loopcoder.py``, ``hrm_text.py``.
"""

from __future__ import annotations

from vlm_operator.model.facts import Component, Placement, Sharding, Stage
from vlm_operator.model.weights.experts import norms
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.modules import Block


def iquest_loop(language: Language) -> None:
    """IQuest Loop-Coder: Qwen's layers without biases, and a gate in each that mixes the passes of the loop."""
    text, loops = language.text, language.config.integer("loop_num", 2)
    language.frame()
    layers = language.layers()
    language.attention(layers)
    for _ in range(loops - 1):
        layers.attention_scales()
    layers.gated_mlp("mlp", text.hidden_size, text.intermediate_size)
    layers.tensor("gate_projections.weight", text.attention_heads * text.head_size, Sharding.OUTPUT)
    layers.tensor("gate_projections.bias", text.attention_heads, Sharding.OUTPUT)
    norms(layers, text.hidden_size)
    language.rotary()


def hrm_text(language: Language) -> None:
    """HRM: a stack of layers for each of two levels, gated attention, norms without parameters."""
    config, text = language.config, language.text
    stack = config.integer("num_layers_per_stack")
    slow, fast = config.integer("H_cycles", 2), config.integer("L_cycles", 3)
    language.every_stage = True
    language.embeddings()
    language.head()
    language.end("model", Stage.EVERY).tensor("z_L_init", text.hidden_size)
    for level, passes in (("L", slow * fast), ("H", slow)):
        block = Block(
            language.collection.modules,
            language.name(f"model.{level}_module.layers.{{}}"),
            Component.LANGUAGE_LAYERS,
            Placement(numbers=tuple(range(stack))),
            stack,
        )
        inner = text.attention_heads * text.head_size
        bias = config.boolean("attention_bias", False)
        for name in ("g_proj", "q_proj", "k_proj", "v_proj"):
            block.column(f"self_attn.{name}", inner, text.hidden_size, bias=bias, fused="self_attn.gqkv_proj")
        block.row("self_attn.o_proj", text.hidden_size, inner, bias=bias)
        block.gated_mlp("mlp", text.hidden_size, text.intermediate_size, bias=config.boolean("mlp_bias", False))
        for _ in range(passes):
            block.attention_scales()
    language.rotary()
