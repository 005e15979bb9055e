"""Caches of hybrid models: recurrent states, and attention in some layers.

Sources (vLLM): ``get_mamba_state_shape_from_config`` and the layer classes of the model files that each function names;
``SupportsMambaPrefixCaching`` for what can keep a state at every block; the config classes of transformers for
defaults.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.cache_layers_attention import Caches, attention
from vlm_operator.model.config import Config
from vlm_operator.model.facts import AttentionCache, CacheLayer, DType, StateCache, StateDType, StateKind
from vlm_operator.model.text_config import TextConfig

_RECURRENT, _ATTENTION = ("linear_attention", "mamba"), ("full_attention", "attention")


def by_kind(text: TextConfig, kinds: list[str], attention_layer: CacheLayer, state: StateCache) -> Caches:
    """A state or an attention cache in each layer, as its kind says.

    Raises:
        UnknownFact: another kind.
    """
    caches: Caches = []
    for kind in kinds:
        if kind in _RECURRENT:
            caches.append((state,))
        elif kind in _ATTENTION:
            caches.append((attention_layer,))
        else:
            field = text.config.field("layer_types")
            raise UnknownFact(f"{field}: a layer of kind {kind[:40]!r} is not known", field=field)
    return caches


def _periodic(layers: int, period: int) -> list[str]:
    return ["linear_attention" if (index + 1) % period else "full_attention" for index in range(layers)]


def _gated_delta_net(text: TextConfig, source: StateDType = StateDType.MODEL) -> StateCache:
    config = text.config
    key_heads, value_heads = config.integer("linear_num_key_heads", 16), config.integer("linear_num_value_heads", 32)
    key_size, value_size = config.integer("linear_key_head_dim", 128), config.integer("linear_value_head_dim", 128)
    return StateCache(
        kind=StateKind.GATED_DELTA_NET,
        intermediate_size=value_heads * value_size,
        groups=key_heads,
        heads=value_heads,
        head_size=value_size,
        state_size=key_size,
        conv_kernel=config.integer("linear_conv_kernel_dim", 4),
        state_dtype=_dtype(config, "mamba_ssm_dtype") if source is StateDType.CONFIG else None,
        dtype_source=source,
    )


def _dtype(config: Config, key: str) -> DType | None:
    name = config.text(key)
    if name is None:
        return None
    try:
        return DType(name.removeprefix("torch."))
    except ValueError:
        field = config.field(key)
        raise UnknownFact(f"{field}: element type {name[:40]!r} is not known", field=field) from None


def gated_delta_net(text: TextConfig) -> Caches:
    """Qwen3-Next: three gated-delta-net layers to one of attention (``qwen3_next.py``)."""
    kinds = text.layer_types(_periodic(text.layers, text.config.integer("full_attention_interval", 4))) or []
    return by_kind(text, kinds, attention(text), _gated_delta_net(text))


_READS_STATE_TYPE: Final = frozenset(
    f"Qwen3_5{kind}For{task}" for kind in ("", "Moe") for task in ("CausalLM", "ConditionalGeneration")
)
"""Whole models for which vLLM reads ``mamba_ssm_dtype`` (``models/config.py: MODELS_CONFIG_MAP``); others around the
same language model keep states in the model's own type."""


def gated_delta_net_typed(text: TextConfig) -> Caches:
    """Qwen3.5: the same, the state's element type from ``mamba_ssm_dtype`` where vLLM reads it (``qwen3_5.py``)."""
    source = StateDType.CONFIG if text.architecture in _READS_STATE_TYPE else StateDType.MODEL
    kinds = text.layer_types(_periodic(text.layers, text.config.integer("full_attention_interval", 4))) or []
    return by_kind(text, kinds, attention(text), _gated_delta_net(text, source))


def gated_delta_net_of_its_own(text: TextConfig) -> Caches:
    """OLMo Hybrid: the same as Qwen3-Next, without checkpoints of the prefill kernel (``olmo_hybrid.py``)."""
    state = replace(_gated_delta_net(text), exports_checkpoints=False)
    return by_kind(text, text.layer_types(_periodic(text.layers, 4)) or [], attention(text), state)


def jamba(text: TextConfig) -> Caches:
    """Jamba: Mamba layers, attention at every ``attn_layer_period``-th (``jamba.py``)."""
    config = text.config
    period, offset = config.integer("attn_layer_period", 8), config.integer("attn_layer_offset", 4, least=0)
    kinds = ["full_attention" if index % period == offset else "mamba" for index in range(text.layers)]
    state = StateCache(
        kind=StateKind.MAMBA1,
        intermediate_size=config.integer("mamba_expand", 2) * text.hidden_size,
        groups=0,
        heads=0,
        head_size=0,
        state_size=config.integer("mamba_d_state", 16),
        conv_kernel=config.integer("mamba_d_conv", 4),
        caches_every_block=True,
    )
    return by_kind(text, kinds, attention(text, head_size=text.hidden_per_head), state)


def mamba(text: TextConfig) -> Caches:
    """Mamba and Falcon-Mamba: no attention at all (``mamba.py``)."""
    config = text.config
    state = StateCache(
        kind=StateKind.MAMBA1,
        intermediate_size=config.integer("expand", 2) * text.hidden_size,
        groups=0,
        heads=0,
        head_size=0,
        state_size=config.integer("state_size", 16),
        conv_kernel=config.integer("conv_kernel", 4),
        caches_every_block=True,
    )
    return [(state,)] * text.layers


def mamba2(text: TextConfig) -> Caches:
    """Mamba2: no attention at all (``mamba2.py``)."""
    config = text.config
    return [
        (
            _mamba2_state(
                text,
                intermediate_size=config.integer("expand", 2) * text.hidden_size,
                groups=config.integer("n_groups", 8),
                heads=config.integer("num_heads", 128),
                head_size=config.integer("head_dim", 64),
                state_size=config.integer("state_size", 128),
                conv_kernel=config.integer("conv_kernel", 4),
            ),
        )
    ] * text.layers


def _mamba2_state(
    text: TextConfig,
    *,
    intermediate_size: int,
    groups: int,
    heads: int,
    head_size: int,
    state_size: int,
    conv_kernel: int,
    dtype: DType | None = None,
    source: StateDType = StateDType.MODEL,
    caches_every_block: bool = True,
) -> StateCache:
    config = text.config
    chunk = 0
    for key in ("mamba_chunk_size", "chunk_size"):
        if not chunk and config.has(key):
            chunk = config.integer(key)
    return StateCache(
        kind=StateKind.MAMBA2,
        intermediate_size=intermediate_size,
        groups=groups,
        heads=heads,
        head_size=head_size,
        state_size=state_size,
        conv_kernel=conv_kernel,
        state_dtype=dtype,
        dtype_source=source,
        chunk_size=chunk or _CHUNK_SIZES.get(text.model_type, 0),
        caches_every_block=caches_every_block,
    )


_CHUNK_SIZES = {
    "bamba": 256,
    "falcon_h1": 256,
    "granitemoehybrid": 256,
    "mamba2": 256,
    "nemotron_h": 128,
    "zamba2": 256,
}
"""``mamba_chunk_size`` or ``chunk_size`` of the config classes."""


def _named_mamba2_state(text: TextConfig, intermediate_size: int | None = None) -> StateCache:
    """A Mamba2 state under the field names of Bamba, Granite and Falcon-H1."""
    config = text.config
    intermediate = intermediate_size or config.integer("mamba_expand", 2) * text.hidden_size
    heads = config.integer("mamba_n_heads", 128)
    head_size = config.values.get("mamba_d_head", "auto")
    return _mamba2_state(
        text,
        intermediate_size=intermediate,
        groups=config.integer("mamba_n_groups", 1),
        heads=heads,
        head_size=intermediate // heads if head_size in ("auto", None) else config.integer("mamba_d_head"),
        state_size=config.integer("mamba_d_state", 256),
        conv_kernel=config.integer("mamba_d_conv", 4),
    )


def granite_hybrid(text: TextConfig) -> Caches:
    """Granite 4: Mamba2 layers, attention where listed (``granitemoehybrid.py``)."""
    kinds = text.config.items("layers_block_type") or text.layer_types(["mamba"] * text.layers) or []
    if len(kinds) != text.layers or not all(isinstance(kind, str) for kind in kinds):
        field = text.config.field("layers_block_type")
        raise InputError(f"{field}: {len(kinds)} entries for {text.layers} layers", field=field)
    if not any(kind in _ATTENTION for kind in kinds):
        field = text.config.field("layer_types")
        raise UnknownFact(f"{field}: a hybrid without any attention layer is not known", field=field)
    return by_kind(text, kinds, attention(text, head_size=text.hidden_per_head), _named_mamba2_state(text))


def bamba(text: TextConfig) -> Caches:
    """Bamba: Mamba2 layers, attention at ``attn_layer_indices`` (``bamba.py``, vLLM to 0.22)."""
    indices = text.config.items("attn_layer_indices") or []
    kinds = ["full_attention" if index in indices else "mamba" for index in range(text.layers)]
    if "full_attention" not in kinds:
        field = text.config.field("attn_layer_indices")
        raise UnknownFact(f"{field}: a hybrid without any attention layer is not known", field=field)
    return by_kind(text, kinds, attention(text, head_size=text.hidden_per_head), _named_mamba2_state(text))


def falcon_h1(text: TextConfig) -> Caches:
    """Falcon-H1: attention and a Mamba2 state side by side in every layer (``falcon_h1.py``)."""
    config = text.config
    inner = config.integer("mamba_d_ssm", 1024) if "mamba_d_ssm" not in config.values else None
    if config.has("mamba_d_ssm"):
        inner = config.integer("mamba_d_ssm")
    return [(attention(text), _named_mamba2_state(text, inner))] * text.layers


def zamba2(text: TextConfig) -> Caches:
    """Zamba2: a Mamba2 state in every layer, shared attention blocks before the hybrid ones (``zamba2.py``).

    vLLM registers the shared blocks' caches first, one for each hybrid layer.
    """
    config, layers = text.config, text.layers
    kinds = config.items("layers_block_type") or text.layer_types()
    if kinds is None:
        kinds = _zamba2_kinds(layers)
    if len(kinds) != layers:
        field = config.field("layers_block_type")
        raise InputError(f"{field}: {len(kinds)} entries for {layers} layers", field=field)
    hybrids = sum(1 for kind in kinds if kind == "hybrid")
    heads = text.attention_heads
    size = config.integer("attention_head_dim", 2 * text.hidden_size // heads)
    state_heads = config.integer("n_mamba_heads", 8)
    inner = config.integer("mamba_expand", 2) * text.hidden_size
    state = _mamba2_state(
        text,
        intermediate_size=inner,
        groups=config.integer("mamba_ngroups", 1),
        heads=state_heads,
        head_size=config.integer("mamba_headdim", inner // state_heads),
        state_size=config.integer("mamba_d_state", 64),
        conv_kernel=config.integer("mamba_d_conv", 4),
    )
    shared: Caches = [(AttentionCache(heads, size, size),)] * hybrids
    return shared + [(state,)] * layers


def _zamba2_kinds(layers: int) -> list[str]:
    pattern = ["mamba"] * 5 + ["hybrid"] + (["mamba"] * 5 + ["hybrid"]) * layers
    return pattern[:layers]


_PATTERN_LETTERS = {"M": "state", "*": "attention", "-": "", "E": ""}
_BLOCK_KINDS = {
    "mamba": "state",
    "linear_attention": "state",
    "attention": "attention",
    "full_attention": "attention",
    "mlp": "",
    "moe": "",
}

_READS_NEMOTRON_TYPE: Final = frozenset({"NemotronHForCausalLM", "NemotronHPuzzleForCausalLM", "NemotronH_Nano_VL_V2"})
"""The same for ``mamba_ssm_cache_dtype``; the Omni models' states are in the model's own type."""


def nemotron_h(text: TextConfig) -> Caches:
    """Nemotron-H: Mamba2, attention and MLP layers in a listed order (``nemotron_h.py``)."""
    config, kept = text.config, text.architecture in _READS_NEMOTRON_TYPE
    heads, head_size = config.integer("mamba_num_heads", 128), config.integer("mamba_head_dim", 64)
    state = _mamba2_state(
        text,
        intermediate_size=heads * head_size,
        groups=text.first("n_groups", "mamba_n_groups", default=8),
        heads=heads,
        head_size=head_size,
        state_size=config.integer("ssm_state_size", 128),
        conv_kernel=text.first("conv_kernel", "mamba_d_conv", default=4),
        dtype=_dtype(config, "mamba_ssm_cache_dtype"),
        source=StateDType.NEMOTRON_H if kept else StateDType.MODEL,
    )
    layer = AttentionCache(text.kv_heads, text.head_size, text.head_size, sliding_window=text.sliding_window)
    cached: dict[str, tuple[CacheLayer, ...]] = {"state": (state,), "attention": (layer,)}
    return [cached.get(kind, ()) for kind in _nemotron_h_kinds(config)]


def _nemotron_h_kinds(config: Config) -> list[str]:
    pattern = config.text("hybrid_override_pattern")
    listed = config.items("layers_block_type")
    field = config.field("hybrid_override_pattern" if listed is None else "layers_block_type")
    known = _PATTERN_LETTERS if listed is None else _BLOCK_KINDS
    entries = list(pattern or "") if listed is None else listed
    if not entries:
        raise UnknownFact(f"{field} is missing, so the order of layers is not known", field=field)
    if len(entries) > 4096:
        raise InputError(f"{field}: {len(entries)} layers are more than 4096", field=field)
    kinds = []
    for entry in entries:
        if not isinstance(entry, str) or entry not in known:
            raise UnknownFact(f"{field}: a layer of kind {str(entry)[:40]!r} is not known", field=field)
        kinds.append(known[entry])
    return kinds


def short_convolution(text: TextConfig) -> Caches:
    """LFM2: short convolutions, attention where listed (``lfm2.py``)."""
    return _short_convolution(text, text.config.integer("conv_dim"))


def short_convolution_experts(text: TextConfig) -> Caches:
    """LFM2-MoE: the same, as wide as the model (``lfm2_moe.py``)."""
    return _short_convolution(text, text.hidden_size)


def _short_convolution(text: TextConfig, channels: int) -> Caches:
    config = text.config
    kinds = text.layer_types()
    if kinds is None:
        full = config.items("full_attn_idxs")
        if full is None:
            field = config.field("layer_types")
            raise UnknownFact(f"{field} is missing, so which layers are convolutions is not known", field=field)
        kinds = ["full_attention" if index in full else "conv" for index in range(text.layers)]
    state = StateCache(
        kind=StateKind.SHORT_CONV,
        intermediate_size=channels,
        groups=0,
        heads=0,
        head_size=0,
        state_size=0,
        conv_kernel=config.integer("conv_L_cache", 3),
    )
    layer = attention(text, head_size=text.hidden_per_head)
    return [(layer if kind == "full_attention" else state,) for kind in kinds]


def lightning_attention(text: TextConfig) -> Caches:
    """MiniMax-Text-01 and M1: linear attention, softmax attention where listed (``minimax_text_01.py``, to 0.22)."""
    config = text.config
    flags = config.items("attn_type_list")
    kinds = text.layer_types()
    if flags is not None and len(flags) == text.layers:
        kinds = ["full_attention" if flag == 1 else "linear_attention" for flag in flags]
    if kinds is None:
        field = config.field("attn_type_list")
        raise UnknownFact(f"{field} is missing, so which layers are linear is not known", field=field)
    heads, size = text.attention_heads, text.head_size
    state = StateCache(
        kind=StateKind.LINEAR_ATTENTION,
        intermediate_size=0,
        groups=heads,
        heads=heads,
        head_size=size,
        state_size=size,
        conv_kernel=1,
    )
    return by_kind(text, kinds, attention(text), state)
