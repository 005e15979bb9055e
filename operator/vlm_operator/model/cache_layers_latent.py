"""Cache of a layer with multi-head latent attention, sparse or not, and when vLLM uses it.

Sources (vLLM): ``ModelArchConfigConvertorBase.is_deepseek_mla`` and ``get_head_size`` of
``transformers_utils/model_arch_config_convertor.py``; ``deepseek_v2.py``, ``minicpm3.py``, ``longcat_flash.py``.
"""

from __future__ import annotations

from dataclasses import replace

from vlm_operator.engine import sparse_attention
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.cache_layers_attention import Caches, attention, uniform_hidden
from vlm_operator.model.config import Config
from vlm_operator.model.facts import IndexerCache, LatentCache
from vlm_operator.model.text_config import TextConfig

_LATENT_MODEL_TYPES = frozenset(
    {
        "axk1",
        "deepseek_v2",
        "deepseek_v3",
        "glm4_moe_lite",
        "kimi_k2",
        "kimi_linear",
        "longcat_flash",
        "pangu_ultra_moe",
    }
)


def latent(text: TextConfig) -> Caches:
    """One compressed vector a token where the config has ``kv_lora_rank``, else ordinary heads (``deepseek_v2.py``).

    Raises:
        UnknownFact: sparse attention with an indexer, or a model type that vLLM may not take as MLA.
    """
    config = text.config
    if config.has("index_topk") or config.has("compress_ratios"):
        field = config.field("index_topk" if config.has("index_topk") else "compress_ratios")
        raise UnknownFact(f"{field}: sparse attention is not known for {text.architecture}", field=field)
    if text.model_type not in _LATENT_MODEL_TYPES:
        field = config.field("model_type")
        raise UnknownFact(
            f"{field}: whether vLLM serves {text.model_type!r} with latent attention is not known", field=field
        )
    if not _is_latent(text):
        return _ordinary(text)
    return [(latent_layer(text),)] * text.layers


def always(text: TextConfig) -> Caches:
    """One compressed vector a token, whatever the model type (``sarvam.py: SarvamMLAAttention``)."""
    return [(latent_layer(text),)] * text.layers


def sparse(text: TextConfig, selecting: list[bool] | None = None) -> Caches:
    """DeepSeek V3.2 and GLM-5: a compressed vector and, where the layer selects tokens itself, the indexer's key.

    Args:
        text: the language model.
        selecting: layers that select; None: as these two classes read them from the config.

    Raises:
        UnknownFact: dimensions that no kernel is known to take.
    """
    config = text.config
    layer = latent_layer(text)
    selected, index_head = config.integer("index_topk", _INDEX_TOPK.get(text.model_type)), index_head_size(text)
    known = {
        "kv_lora_rank": layer.kv_lora_rank + layer.qk_rope_head_dim == sparse_attention.LATENT_SIZE,
        "index_head_dim": index_head == sparse_attention.INDEX_HEAD,
        "index_topk": selected in sparse_attention.SELECTED,
    }
    for name, is_known in known.items():
        if not is_known:
            field = config.field(name)
            raise UnknownFact(f"{field}: no kernel for sparse attention is known to take this size", field=field)
    own = replace(layer, selected=selected, fp8_on_blackwell=text.architecture == "GlmMoeDsaForCausalLM")
    shared = replace(own, shares_selection=True)
    indexer = IndexerCache(index_head)
    return [(own, indexer) if selects else (shared,) for selects in selecting or selecting_layers(config, text.layers)]


SPARSE_KINDS = frozenset({"sparse_attention", "sparse", "indexed_attention", "deepseek_sparse_attention"})
"""Kinds of layers of HY V4 whose attention is sparse."""


def sparse_as_listed(text: TextConfig) -> Caches:
    """HY V4: sparse layers as ``layer_types`` lists them, the others with whole latent attention (``hy_v4``)."""
    kinds = text.layer_types() or [""] * text.layers
    whole = (latent_layer(text),)
    if not any(kind in SPARSE_KINDS for kind in kinds):
        return [whole] * text.layers
    sparse_layers = sparse(text, shared_selection(text.config, text.layers))
    return [of if kind in SPARSE_KINDS else whole for of, kind in zip(sparse_layers, kinds, strict=True)]


def shared_selection(config: Config, layers: int) -> list[bool]:
    """Which layers of HY V4 would select tokens themselves: as listed, else the first and every fourth after it.

    Raises:
        InputError: not one entry a layer.
    """
    listed = config.items("indexer_types")
    if listed is None:
        return [index == 0 or (index - 1) % 4 == 0 for index in range(layers)]
    if len(listed) != layers:
        field = config.field("indexer_types")
        raise InputError(f"{field}: {len(listed)} entries for {layers} layers", field=field)
    return [kind != "shared" for kind in listed]


def index_head_size(text: TextConfig) -> int:
    """Elements of an indexer's key."""
    return text.config.integer("index_head_dim", _INDEX_HEAD.get(text.model_type))


def selecting_layers(config: Config, layers: int) -> list[bool]:
    """Which layers have an indexer: all, every ``index_topk_freq``-th, or as a string of letters says ("S": none).

    Source: ``models/deepseek_v32/attention.py: DeepseekV32Attention`` (0.33.0).
    """
    pattern = config.values.get("index_topk_pattern")
    if pattern is not None:
        if not isinstance(pattern, str | list | tuple):
            field = config.field("index_topk_pattern")
            raise InputError(f"{field}: {str(pattern)[:40]!r} is not a pattern of layers", field=field)
        return [index >= len(pattern) or pattern[index] != "S" for index in range(layers)]
    every = config.integer("index_topk_freq", 1)
    offset = config.integer("index_skip_topk_offset", 2, least=0)
    return [max(index - offset + 1, 0) % every == 0 for index in range(layers)]


_INDEX_TOPK = {"glm_moe_dsa": 2048, "hy_v4": 2048}
_INDEX_HEAD = {"glm_moe_dsa": 128, "hy_v4": 128}
"""``index_topk`` and ``index_head_dim`` of the config classes; DeepSeek's has neither."""


def latent_layer(text: TextConfig) -> LatentCache:
    """The compressed cache that the config's ranks give."""
    defaults = _RANKS.get(text.model_type, (None, None))
    rank = text.config.integer("kv_lora_rank", defaults[0])
    return LatentCache(rank, text.config.integer("qk_rope_head_dim", defaults[1]))


_RANKS: dict[str, tuple[int | None, int | None]] = {
    "axk1": (512, 64),
    "bailing_hybrid": (512, 64),
    "deepseek_v2": (512, 64),
    "deepseek_v3": (512, 64),
    "deepseek_v32": (512, 64),
    "glm4_moe_lite": (512, 64),
    "glm_moe_dsa": (512, 64),
    "hy_v4": (512, 64),
    "kimi_k2": (512, 64),
}
"""``kv_lora_rank`` and ``qk_rope_head_dim`` of the config classes."""


def _is_latent(text: TextConfig) -> bool:
    values = text.config.values
    if "kv_lora_rank" in values:
        return values["kv_lora_rank"] is not None
    return text.model_type in _RANKS


def _ordinary(text: TextConfig) -> Caches:
    """DeepSeek without compression (DeepSeek-VL2 Tiny, DeepSeek-OCR): heads of the hidden size over their number."""
    config = text.config
    if config.integer("qk_nope_head_dim", 0, least=0) or config.integer("qk_rope_head_dim", 0, least=0):
        field = config.field("kv_lora_rank")
        raise UnknownFact(f"{field} is missing, but the config has the heads of latent attention", field=field)
    return uniform_hidden(text)


def two_per_layer(text: TextConfig) -> Caches:
    """LongCat-Flash: each decoder layer holds two attention layers (``longcat_flash.py``)."""
    layer = latent_layer(text)
    return [(layer, layer)] * text.first("num_layers", "num_hidden_layers")


def decompressed(text: TextConfig) -> Caches:
    """MiniCPM3: latent attention that vLLM serves decompressed, values padded to the key's size (``minicpm3.py``)."""
    config = text.config
    size = config.integer("qk_nope_head_dim", 64) + config.integer("qk_rope_head_dim", 32)
    return [(attention(text, head_size=size, kv_heads=text.attention_heads),)] * text.layers
