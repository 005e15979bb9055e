"""Caches of decoders with ordinary attention: heads, head sizes, windows.

Sources (vLLM): ``Attention.__init__`` of ``model_executor/layers/attention/attention.py`` (a layer without a window of
its own takes ``cache_config.sliding_window``), ``EngineArgs.create_engine_config`` (which sets that only where all
layers have a window or the config lists no kinds), and the model files of ``model_executor/models/`` that each function
names.
"""

from __future__ import annotations

from dataclasses import replace

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.facts import AttentionCache, CacheLayer, IndexerCache
from vlm_operator.model.text_config import TextConfig

Caches = list[tuple[CacheLayer, ...]]
"""Per decoder layer, in model order: what it caches. A layer may cache nothing or several things."""

SLIDING = "sliding_attention"
FULL = "full_attention"

_PATTERN_OF_TYPE = {
    # Every n-th layer attends to everything, the others to a window.
    "afmoe": 4,
    "cohere2": 4,
    "cohere2_moe": 4,
    "exaone4": 4,
    "exaone_moe": 4,
    "gemma2": 2,
    "gemma3_text": 6,
    "gemma3n_text": 5,
    "gpt_oss": 2,
    "olmo3": 4,
    "vaultgemma": 2,
}
_PATTERN_FIELDS = ("sliding_window_pattern", "global_attn_every_n_layers")
_FULL_FIRST_OF_TYPE = {"cwm": 4, "granite_swa": 4, "granitemoe_swa": 4}
"""As above, but the first of each n layers is the one that attends to everything."""


def _leading_dense(text: TextConfig) -> list[str]:
    """Kinds of dense layers that have a pattern of their own before the others (``Cohere2MoeConfig``)."""
    if text.model_type != "cohere2_moe":
        return []
    first = min(text.config.integer("first_k_dense_replace", 0, least=0), text.layers)
    period = text.config.integer("prefix_dense_sliding_window_pattern", 1)
    return [SLIDING if (index + 1) % period else FULL for index in range(first)]


def layer_types(text: TextConfig, *, period: int | None = None) -> list[str] | None:
    """Kind of each layer: as listed, or as the config class lists them where the config does not.

    Args:
        text: the language model.
        period: every so many layers its class has a full one; None: by its ``model_type``.

    Raises:
        InputError: the list does not match the layers.
    """
    layers = text.layers
    default: list[str] | None = None
    period = period or _PATTERN_OF_TYPE.get(text.model_type)
    if period is not None:
        for field in _PATTERN_FIELDS:
            if text.config.has(field) and not isinstance(text.config.values[field], str):
                period = text.config.integer(field)
        first = _leading_dense(text)
        default = [*first, *(SLIDING if (index + 1) % period else FULL for index in range(layers - len(first)))]
    elif text.model_type in _FULL_FIRST_OF_TYPE:
        period = _FULL_FIRST_OF_TYPE[text.model_type]
        default = [SLIDING if index % period else FULL for index in range(layers)]
    return text.layer_types(default)


def attention(text: TextConfig, *, head_size: int | None = None, kv_heads: int | None = None) -> AttentionCache:
    """A layer that caches every token, with the config's heads unless others are given."""
    size = head_size or text.head_size
    return AttentionCache(kv_heads or text.kv_heads, size, size)


def _window_of_all(text: TextConfig, types: list[str] | None) -> int | None:
    """The window that vLLM gives to layers without one of their own."""
    if types is None or all(kind == SLIDING for kind in types):
        return text.sliding_window
    return None


def uniform(text: TextConfig) -> Caches:
    """All layers alike; a window in the config holds for all of them unless it lists other kinds of layers."""
    layer = replace(attention(text), sliding_window=_window_of_all(text, text.layer_types()))
    return [(layer,)] * text.layers


def uniform_hidden(text: TextConfig) -> Caches:
    """The same for families whose head size is always the hidden size over the heads (``qwen2.py`` and others)."""
    layer = attention(text, head_size=text.hidden_per_head)
    return [(replace(layer, sliding_window=_window_of_all(text, text.layer_types())),)] * text.layers


def listed(text: TextConfig) -> Caches:
    """Layers listed as sliding have a window, the others none (``llama.py``, ``gemma3.py``, ``exaone4.py`` …)."""
    types = layer_types(text)
    layer = attention(text)
    if types is None:
        return [(replace(layer, sliding_window=text.sliding_window),)] * text.layers
    full = replace(layer, sliding_window=_window_of_all(text, types))
    windowed = replace(layer, sliding_window=require_window(text)) if SLIDING in types else full
    return [(windowed if kind == SLIDING else full,) for kind in types]


def listed_or_all_windows(text: TextConfig) -> Caches:
    """Beam: every layer has a window where none are listed (``BeamConfig``), else those listed as sliding."""
    types = text.layer_types([SLIDING] * text.layers) or []
    layer, window = attention(text), text.sliding_window or 4096
    return [(replace(layer, sliding_window=window) if kind == SLIDING else layer,) for kind in types]


def listed_only(text: TextConfig) -> Caches:
    """The same for families where a window never holds for layers that are not listed as sliding (``laguna.py``)."""
    types = layer_types(text)
    layer = attention(text)
    if types is None:
        return [(layer,)] * text.layers
    windowed = replace(layer, sliding_window=require_window(text)) if SLIDING in types else layer
    return [(windowed if kind == SLIDING else layer,) for kind in types]


def inclusive(text: TextConfig) -> Caches:
    """Command R7B's family: listed windows that do not count the token itself (``commandr.py``, ``cohere2_moe.py``)."""
    return [
        tuple(
            replace(layer, inclusive_window=True)
            if isinstance(layer, AttentionCache) and layer.sliding_window is not None
            else layer
            for layer in layers
        )
        for layers in listed(text)
    ]


def alternating(text: TextConfig) -> Caches:
    """Every other layer, from the first, has a window whatever the config lists (``gpt_oss.py``)."""
    full = attention(text)
    windowed = replace(full, sliding_window=require_window(text))
    return [(windowed if index % 2 == 0 else full,) for index in range(text.layers)]


def sharing_last_layers(text: TextConfig) -> Caches:
    """Listed windows; the last ``num_kv_shared_layers`` read the cache of earlier ones (``gemma3n.py``)."""
    default = 15 if text.model_type == "gemma3n_text" else 0
    shared = text.config.integer("num_kv_shared_layers", default, least=0)
    return without_last(text, listed(text), shared)


def without_last(text: TextConfig, caches: Caches, shared: int) -> Caches:
    """The last ``shared`` layers cache nothing: they read what earlier ones keep.

    Raises:
        InputError: that is every layer.
    """
    if shared >= len(caches):
        field = text.config.field("num_kv_shared_layers")
        raise InputError(f"{field}: {shared} of {len(caches)} layers cannot share the cache of others", field=field)
    return [layers if index < len(caches) - shared else () for index, layers in enumerate(caches)]


def chunked(text: TextConfig) -> Caches:
    """Llama 4: layers with rotary positions attend within chunks (``llama4.py``)."""
    config, layers = text.config, text.layers
    full = attention(text)
    size = config.integer("attention_chunk_size", 0 if "attention_chunk_size" in config.values else 8192, least=0)
    rotary = config.items("no_rope_layers") or []
    if not rotary:
        interval = config.integer("no_rope_layer_interval", 4)
        rotary = [int((index + 1) % interval != 0) for index in range(layers)]
    if len(rotary) != layers:
        field = config.field("no_rope_layers")
        raise InputError(f"{field}: {len(rotary)} entries for {layers} layers", field=field)
    local = replace(full, chunk_size=size) if size else full
    return [(local if flag else full,) for flag in rotary]


def own_window_heads(text: TextConfig) -> Caches:
    """MiMo-V2: windowed layers have heads of their own and value heads of another size (``mimo_v2.py``)."""
    config, layers = text.config, text.layers
    pattern = config.items("hybrid_layer_pattern")
    if pattern is None or len(pattern) != layers:
        field = config.field("hybrid_layer_pattern")
        raise InputError(f"{field}: one entry per layer is needed, {layers} in all", field=field)
    head, swa_head = config.integer("head_dim"), config.integer("swa_head_dim")
    full = AttentionCache(text.kv_heads, head, config.integer("v_head_dim", head))
    window = text.first("sliding_window_size", "sliding_window")
    heads = config.integer("swa_num_key_value_heads")
    windowed = AttentionCache(heads, swa_head, config.integer("swa_v_head_dim", swa_head), sliding_window=window)
    return [(windowed if flag == 1 else full,) for flag in pattern]


def grouped_by_setting(text: TextConfig) -> Caches:
    """Step 3.5: the kind that ``attention_other_setting`` names has heads of its own (``step3p5.py``)."""
    config, layers = text.config, text.layers
    types = text.layer_types()
    window = text.sliding_window
    other = config.section("attention_other_setting") if config.has("attention_other_setting") else Config({})
    caches: Caches = []
    for index in range(layers):
        layer = AttentionCache(config.integer("num_attention_groups"), text.head_size, text.head_size)
        if types and other.values and types[index] == other.text("attention_type"):
            size = other.integer("head_dim", text.head_size)
            layer = AttentionCache(other.integer("num_attention_groups"), size, size)
        sliding = types[index] == SLIDING if types else index % 2 == 0
        caches.append((replace(layer, sliding_window=window if sliding else None),))
    return caches


def indexed(text: TextConfig) -> Caches:
    """MiniMax M3: ordinary heads, and the keys of an index in layers whose attention is sparse (``minimax_m3``)."""
    layer = AttentionCache(text.kv_heads, text.head_size, text.head_size)
    section = text.config.section("sparse_attention_config")
    index = IndexerCache(section.integer("sparse_index_dim", 128), scaled=False, block_size=128)
    return [(layer, index) if flag else (layer,) for flag in index_flags(text.config, text.layers)]


def index_flags(config: Config, layers: int) -> list[bool]:
    """Which layers of MiniMax M3 attend sparsely: as listed; all but three where the config has no section."""
    if not config.has("sparse_attention_config"):
        return [index >= 3 for index in range(layers)]
    listed = config.section("sparse_attention_config").items("sparse_attention_freq") or []
    return [index < len(listed) and listed[index] != 0 for index in range(layers)]


def window_a_layer(text: TextConfig) -> Caches:
    """PLaMo 3: a window for each layer, null where there is none (``plamo3.py``)."""
    config = text.config
    key = "interleaved_sliding_window" if config.has("interleaved_sliding_window") else "sliding_window"
    listed = config.items(key) or []
    field = config.field(key)
    if len(listed) != text.layers:
        raise InputError(f"{field}: {len(listed)} entries for {text.layers} layers", field=field)
    windows = Config({str(at): window for at, window in enumerate(listed)}, field)
    layer = attention(text)
    sizes = [windows.integer(str(at)) if windows.has(str(at)) else None for at in range(text.layers)]
    return [(replace(layer, sliding_window=size),) for size in sizes]


def looped(text: TextConfig) -> Caches:
    """IQuest Loop-Coder: a cache for each pass, whole in the first and a window in the others."""
    full = replace(attention(text, head_size=text.hidden_per_head), sliding_window=text.sliding_window)
    window = replace(full, sliding_window=text.config.integer("loop_window_size", 64))
    return [(full, *[window] * (text.config.integer("loop_num", 2) - 1))] * text.layers


def stacked(text: TextConfig) -> Caches:
    """HRM: every layer of two stacks caches as often as the cycles run it (``hrm_text.py``)."""
    config = text.config
    stack, slow = config.integer("num_layers_per_stack"), config.integer("H_cycles", 2)
    layer = attention(text, kv_heads=text.attention_heads)
    fast: Caches = [(layer,) * (slow * config.integer("L_cycles", 3))] * stack
    return fast + [(layer,) * slow] * stack


def single_kv_head(text: TextConfig) -> Caches:
    """Step 3: one key/value head (``step3_text.py``)."""
    return [(attention(text, head_size=text.config.integer("head_dim"), kv_heads=1),)] * text.layers


def falcon(text: TextConfig) -> Caches:
    """Falcon: one key/value head where ``multi_query`` says so and the decoder is the old one (``falcon.py``)."""
    config = text.config
    kv_heads = text.attention_heads
    if config.boolean("new_decoder_architecture", False):
        kv_heads = text.first("num_kv_heads", "n_head_kv", default=text.attention_heads)
    elif config.boolean("multi_query", True):
        kv_heads = 1
    return [(attention(text, head_size=text.hidden_per_head, kv_heads=kv_heads),)] * text.layers


def chatglm(text: TextConfig) -> Caches:
    """ChatGLM: ``multi_query_group_num`` heads where ``multi_query_attention`` says so (``chatglm.py``)."""
    config = text.config
    multi_query = config.boolean("multi_query_attention", False)
    kv_heads = config.integer("multi_query_group_num", 1) if multi_query else text.attention_heads
    return [(attention(text, head_size=text.hidden_per_head, kv_heads=kv_heads),)] * text.layers


def gpt_bigcode(text: TextConfig) -> Caches:
    """GPT-BigCode: one key/value head unless ``multi_query`` is off."""
    kv_heads = 1 if text.config.boolean("multi_query", True) else text.attention_heads
    return [(attention(text, head_size=text.hidden_per_head, kv_heads=kv_heads),)] * text.layers


def dbrx(text: TextConfig) -> Caches:
    """DBRX: key/value heads stand under ``attn_config`` (``dbrx.py``)."""
    heads = text.config.section("attn_config").integer("kv_n_heads", 1)
    return [(attention(text, head_size=text.hidden_per_head, kv_heads=heads),)] * text.layers


def all_heads(text: TextConfig) -> Caches:
    """Every query head has its own key/value head (``gpt2.py``, ``opt.py``, ``bloom.py``, ``gpt_j.py`` …)."""
    heads = text.attention_heads
    return [(attention(text, head_size=text.hidden_per_head, kv_heads=heads),)] * text.layers


def bidirectional(text: TextConfig) -> Caches:
    """Encoders: nothing is cached."""
    layer = replace(attention(text, head_size=text.hidden_per_head), encoder_only=True)
    return [(layer,)] * text.layers


def blocks_with_group_sizes(text: TextConfig) -> Caches:
    """Nemotron-NAS: heads differ layer by layer, some have no attention (``nemotron_nas.py``)."""
    config = text.config
    blocks = config.items("block_configs") or []
    field = config.field("block_configs")
    if len(blocks) != text.layers:
        raise InputError(f"{field}: {len(blocks)} entries for {text.layers} layers", field=field)
    caches: Caches = []
    for index, block in enumerate(blocks):
        own = Config({"block": block}, f"{field}[{index}]").section("block").section("attention")
        if own.boolean("no_op", False) or own.boolean("replace_with_linear", False):
            caches.append(())
            continue
        heads = text.attention_heads // own.integer("n_heads_in_group")
        caches.append((attention(text, kv_heads=max(1, heads)),))
    return caches


def encoder_decoder(text: TextConfig) -> Caches:
    """Whisper: each decoder layer caches its own tokens and the encoder's (``whisper.py``)."""
    config = text.config
    layers = text.first("decoder_layers", "num_hidden_layers")
    heads = text.first("decoder_attention_heads", "num_attention_heads")
    size = text.hidden_size // heads
    own = AttentionCache(heads, size, size)
    crossed = replace(own, cross_attention=True, encoder_tokens=config.integer("max_source_positions", 1500))
    return [(own, crossed)] * layers


def require_window(text: TextConfig) -> int:
    """Tokens of the window.

    Raises:
        UnknownFact: the config has none.
    """
    window = text.sliding_window
    if window is None:
        field = text.config.field("sliding_window")
        raise UnknownFact(f"{field} is missing, but layer_types lists sliding layers", field=field)
    return window
