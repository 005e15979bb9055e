"""Zamba2: Mamba2 in every layer, a few attention blocks that hybrid layers share, each with adapters of its own.

Source: vLLM 0.32 and 0.33, ``model_executor/models/zamba2.py``.
"""

from __future__ import annotations

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.weights.hybrid import Mamba2, mamba2
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.modules import Block


def zamba2(language: Language) -> None:
    """Zamba2.

    Raises:
        UnknownFact: the config does not list which layers are hybrid.
        InputError: not one kind for each layer.
    """
    config, text = language.config, language.text
    hidden, kinds = text.hidden_size, config.items("layers_block_type")
    if kinds is None:
        field = config.field("layers_block_type")
        raise UnknownFact(f"{field} is missing, so which layers are hybrid is not known", field=field)
    if len(kinds) != text.layers:
        field = config.field("layers_block_type")
        raise InputError(f"{field}: {len(kinds)} entries for {text.layers} layers", field=field)
    hybrids = [n for n in language.numbers if kinds[n] == "hybrid"]
    heads, inner = config.integer("n_mamba_heads", 8), config.integer("mamba_expand", 2) * hidden
    mixer = Mamba2(
        heads=heads,
        head_size=inner // heads,
        groups=config.integer("mamba_ngroups", 1),
        state=config.integer("mamba_d_state", 64),
        kernel=config.integer("mamba_d_conv", 4),
        bias=config.boolean("add_bias_linear", False),
        conv_bias=config.boolean("use_conv_bias", True),
    )
    language.every_stage = True
    language.embeddings()
    language.final_norm("model.final_layernorm")
    language.head()
    for numbers, module in (
        ([n for n in language.numbers if n not in set(hybrids)], ""),
        (hybrids, "mamba_decoder."),
    ):
        block = language.layers(numbers)
        mamba2(block, f"{module}mamba", hidden, mixer)
        block.norm(f"{module}input_layernorm", hidden)
    language.layers(hybrids).linear("linear", hidden, hidden)
    _shared_blocks(language, hybrids)


def _shared_blocks(language: Language, hybrids: list[int]) -> None:
    """As many as ``num_mem_blocks``, each under the name of the first hybrid layer that uses it."""
    config, text = language.config, language.text
    hidden, heads, width = text.hidden_size, text.attention_heads, text.intermediate_size
    attention = config.integer("attention_hidden_size", 2 * hidden)
    size, rank = config.integer("attention_head_dim", attention // heads), config.integer("adapter_rank", 128)
    bias, blocks = config.boolean("add_bias_linear", False), config.integer("num_mem_blocks", 1)
    shared = language.layers(hybrids[:blocks]).part("shared_transformer")
    shared.qkv("self_attn", heads, heads, size, attention)
    shared.row("self_attn.o_proj", hidden, attention)
    shared.merged("feed_forward.gate_up_proj", ("feed_forward.gate_up_proj",) * 2, (width, width), hidden, bias=bias)
    shared.row("feed_forward.down_proj", hidden, width, bias=bias)
    shared.norm("input_layernorm", 2 * hidden)
    shared.norm("pre_ff_layernorm", hidden)
    own = language.layers(hybrids).part("shared_transformer")
    own.attention_scales("self_attn.dpa_list")
    _adapter(own, "feed_forward.gate_up_proj_adapter_list", hidden, rank, 2 * width)
    if config.boolean("use_shared_attention_adapter", False):
        for part in "qkv":
            _adapter(own, f"self_attn.linear_{part}_adapter_list", attention, rank, attention)
    if config.boolean("use_mem_rope", False):
        language.rotary(size)


def _adapter(block: Block, name: str, inputs: int, rank: int, outputs: int) -> None:
    block.column(f"{name}.A", rank, inputs)
    block.column(f"{name}.B", outputs, rank)
