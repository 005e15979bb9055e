"""Cache of a layer with multi-head latent attention, and when vLLM uses it.

Sources (vLLM): ``ModelArchConfigConvertorBase.is_deepseek_mla`` and ``get_head_size`` of
``transformers_utils/model_arch_config_convertor.py``; ``deepseek_v2.py``, ``minicpm3.py``, ``longcat_flash.py``.
"""

from __future__ import annotations

from vlm_operator.errors import UnknownFact
from vlm_operator.model.cache_layers_attention import Caches, attention, uniform_hidden
from vlm_operator.model.facts import LatentCache
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
        raise UnknownFact(f"{field}: the cache of sparse latent attention depends on the GPU's kernels", field=field)
    if text.model_type not in _LATENT_MODEL_TYPES:
        field = config.field("model_type")
        raise UnknownFact(
            f"{field}: whether vLLM serves {text.model_type!r} with latent attention is not known", field=field
        )
    if not _is_latent(text):
        return _ordinary(text)
    return [(latent_layer(text),)] * text.layers


def latent_layer(text: TextConfig) -> LatentCache:
    """The compressed cache that the config's ranks give."""
    defaults = _RANKS.get(text.model_type, (None, None))
    rank = text.config.integer("kv_lora_rank", defaults[0])
    return LatentCache(rank, text.config.integer("qk_rope_head_dim", defaults[1]))


_RANKS: dict[str, tuple[int | None, int | None]] = {
    "axk1": (512, 64),
    "deepseek_v2": (512, 64),
    "deepseek_v3": (512, 64),
    "glm4_moe_lite": (512, 64),
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
