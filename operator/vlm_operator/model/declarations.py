"""What else a config declares that the KV cache depends on: its cache's element type.

Sources (vLLM): ``utils/torch_utils.py: get_kv_cache_quant_algo_string``; ``model_executor/layers/attention/
attention.py`` (``kv_cache_scheme``).
"""

from __future__ import annotations

from vlm_operator.errors import InputError
from vlm_operator.model.config import Config


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
