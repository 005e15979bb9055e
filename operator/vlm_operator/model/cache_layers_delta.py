"""Caches of models with delta attention (Kimi Linear, K3, Alice AI), and linear beside latent attention (Ring 2.5).

Sources (vLLM): ``kimi_linear.py`` (to 0.26), ``models/kimi_k3/``, ``alice_ai.py``,
``bailing_moe_linear.py``; ``mamba_utils.py: kda_state_shape``.
"""

from __future__ import annotations

from dataclasses import replace

from vlm_operator.errors import UnknownFact
from vlm_operator.model.cache_layers_attention import Caches, attention
from vlm_operator.model.cache_layers_latent import latent_layer
from vlm_operator.model.cache_layers_recurrent import by_kind
from vlm_operator.model.config import Config
from vlm_operator.model.facts import StateCache, StateDType, StateKind
from vlm_operator.model.text_config import TextConfig


def kimi_delta_attention(text: TextConfig) -> Caches:
    """Kimi Linear: delta attention, latent attention at ``full_attn_layers`` (``kimi_linear.py``)."""
    linear = text.config.section("linear_attn_config")
    kernel = linear.integer("short_conv_kernel_size", 4)
    state = _delta_state(linear.integer("num_heads"), linear.integer("head_dim"), kernel)
    # FlashKDA's prefill keeps a checkpoint; it takes heads of 128 and a bounded gate (``is_flashkda_supported``).
    flash = linear.boolean("use_full_rank_gate", False) and state.head_size == 128 and linear.has("gate_lower_bound")
    state = replace(state, exports_checkpoints=flash)
    layer = latent_layer(text)
    return [(state,) if recurrent else (layer,) for recurrent in delta_layers(text.config, text.layers)]


def delta_and_gated_attention(text: TextConfig) -> Caches:
    """Alice AI: delta attention, ordinary attention where listed (``alice_ai.py``)."""
    config = text.config
    kinds = text.layer_types()
    if kinds is None:
        field = config.field("layer_types")
        raise UnknownFact(f"{field} is missing, so which layers are recurrent is not known", field=field)
    state = _delta_state(
        config.integer("linear_num_value_heads"),
        config.integer("linear_value_head_dim"),
        config.integer("linear_conv_kernel_dim", 4),
    )
    return by_kind(text, kinds, attention(text), state)


def linear_and_latent(text: TextConfig) -> Caches:
    """Ring and Ling 2.5: linear attention, latent attention in the last layer of each group."""
    config, heads = text.config, text.attention_heads
    group, size = config.integer("layer_group_size", 1, least=0), config.integer("head_dim", text.hidden_per_head)
    state = StateCache(
        kind=StateKind.LINEAR_ATTENTION,
        intermediate_size=0,
        groups=heads,
        heads=heads,
        head_size=size,
        state_size=size,
        conv_kernel=1,
    )
    layer = latent_layer(text)
    return [(state,) if group and (index + 1) % group else (layer,) for index in range(text.layers)]


def _delta_state(heads: int, size: int, kernel: int) -> StateCache:
    return StateCache(
        kind=StateKind.KIMI_DELTA_ATTENTION,
        intermediate_size=heads * size,
        groups=heads,
        heads=heads,
        head_size=size,
        state_size=size,
        conv_kernel=kernel,
        dtype_source=StateDType.FLOAT32,
        exports_checkpoints=False,
    )


def delta_layers(config: Config, layers: int) -> list[bool]:
    """Which layers have delta attention: ``kda_layers``, counted from one.

    Raises:
        UnknownFact: the config does not list them.
    """
    linear = config.section("linear_attn_config")
    recurrent = linear.items("kda_layers")
    if not recurrent:
        field = linear.field("kda_layers")
        raise UnknownFact(f"{field} is missing, so which layers are recurrent is not known", field=field)
    return [index + 1 in recurrent for index in range(layers)]
