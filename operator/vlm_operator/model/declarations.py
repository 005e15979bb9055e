"""What else does a config declare that the KV cache depends on? Its cache's element type; items that fill a batch.

Sources (vLLM): ``utils/torch_utils.py: get_kv_cache_quant_algo_string``; ``model_executor/layers/attention/
attention.py`` (``kv_cache_scheme``); ``engine/arg_utils.py: EngineArgs._get_min_mm_batched_tokens`` and
``is_mm_prefix_lm`` of ``transformers_utils/model_arch_config_convertor.py``; ``get_mm_max_tokens_per_item`` of
``gemma4_mm.py``, ``gemma3_mm.py`` and ``paligemma.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import InputError
from vlm_operator.model.config import Config
from vlm_operator.model.text_config import TextConfig

_GEMMA4: Final = ("gemma4", "gemma4_unified")
_GEMMA4_VIDEO_TOKENS: Final = 32 * (70 + 2 + 6)
"""Frames of the longest video times a frame's tokens, its two markers and its timestamp."""


def declared_cache_dtype(whole: Config) -> str | None:
    """``fp8`` where the checkpoint's quantisation declares an 8-bit float KV cache, else None."""
    try:
        quantization = whole.section("quantization_config")
        inner = quantization.section("quantization") if quantization.has("quantization") else quantization
    except InputError:
        return None  # the quantisation's own reader says what is wrong
    for place in (inner, quantization):
        for key in ("kv_cache_scheme", "kv_cache_quant_algo"):
            scheme = place.values.get(key)
            if isinstance(scheme, dict) and scheme.get("num_bits") == 8 and scheme.get("type") == "float":
                return "fp8"
            if isinstance(scheme, str) and scheme.lower() in ("fp8", "fp8_e4m3"):
                return "fp8"
    return None


def prefix_lm_item_tokens(whole: Config, text: TextConfig) -> int:
    """Tokens of the largest item of a model that must take an item in one batch, where windows make that matter.

    0 for all other models.

    Raises:
        InputError: a field is out of range.
    """
    kind = whole.text("model_type") or ""
    if kind in _GEMMA4 and text.config.text("use_bidirectional_attention") == "vision":
        vision = whole.section("vision_config") if whole.has("vision_config") else Config({})
        return max(vision.integer("default_output_length", 280), _GEMMA4_VIDEO_TOKENS)
    if kind == "gemma3":
        return whole.integer("mm_tokens_per_image", 256)
    if kind == "paligemma" and text.model_type.startswith("gemma2") and whole.has("vision_config"):
        vision = whole.section("vision_config")
        return (vision.integer("image_size", 224) // vision.integer("patch_size", 14)) ** 2
    return 0
