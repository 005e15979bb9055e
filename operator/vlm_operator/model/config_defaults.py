"""Defaults of language models by ``model_type``: what a config leaves out.

A ``config.json`` holds only what differs from its class, nested ``text_config`` objects above all. The figures are the
defaults of Hugging Face transformers 5 (``src/transformers/models/<model_type>/configuration_*.py``, class
``*Config`` or ``*TextConfig``), those that follow from other fields left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from vlm_operator.model import registry

_FIELDS: Final = (
    "num_hidden_layers",
    "hidden_size",
    "intermediate_size",
    "vocab_size",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "max_position_embeddings",
    "sliding_window",
)


def text_class(*figures: int | None, tied: bool = False) -> Mapping[str, Any]:
    """What a config class of a language model fills in: the figures of ``TEXT_DEFAULTS``, in its order."""
    known = {name: figure for name, figure in zip(_FIELDS, figures, strict=False) if figure is not None}
    return MappingProxyType({**known, "tie_word_embeddings": tied})


TEXT_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    "afmoe": text_class(32, 2048, 6144, 200192, 16, None, 128, 16384, 1024),
    "apertus": text_class(32, 4096, 14336, 131072, 32, None, None, 65536),
    "arcee": text_class(32, 2560, 18432, 32000, 32, None, None, 4096),
    "aria_text": text_class(32, 4096, 4096, 32000, 32, None, None, 2048),
    "axk1": text_class(61, 7168, 18432, 163840, 64, 64, 64, 32768),
    "bamba": text_class(32, 4096, 14336, 128000, 32, 8, None, 262144),
    "beam": text_class(24, 2048, 6144, 151936, 32, 4, None, 32768, 4096),
    "bloom": text_class(2, 64, None, 250880, 8, tied=True),
    "cohere": text_class(40, 8192, 22528, 256000, 64, None, None, 8192, tied=True),
    "cohere2": text_class(40, 8192, 22528, 256000, 64, None, None, 8192, 4096, tied=True),
    "cohere2_moe": text_class(40, 8192, 22528, 256000, 64, None, 128, 8192, 4096, tied=True),
    "cwm": text_class(64, 6144, 21504, 128256, 48, 8, 128, 131072, 8192),
    "deepseek_ocr2_text": text_class(32, 4096, 11008, 102400, 32, None, None, 2048),
    "deepseek_v2": text_class(32, 4096, 11008, 102400, 32, None, 64, 2048),
    "deepseek_v3": text_class(61, 7168, 18432, 129280, 128, 128, 64, 4096),
    "deepseek_v32": text_class(61, 7168, 18432, 129280, 128, 128, 64, 4096),
    "dots1": text_class(62, 4608, 10944, 152064, 32, 32, None, 2048),
    "emu3_text_model": text_class(32, 4096, 14336, 184622, 32, 8, None, 9216),
    "ernie4_5": text_class(18, 1024, 3072, 103424, 16, 2, 128, 131072, tied=True),
    "ernie4_5_moe": text_class(28, 2560, 12288, 103424, 20, 4, None, 131072, tied=True),
    "exaone4": text_class(32, 4096, 16384, 102400, 32, 32, None, 2048, 4096),
    "exaone_moe": text_class(32, 4096, 16384, 102400, 32, 32, None, 2048, 4096),
    "falcon": text_class(32, 4544, None, 65024, 71, None, None, 2048, tied=True),
    "falcon_h1": text_class(32, 4096, 14336, 128000, 32, 8, None, 8192),
    "falcon_mamba": text_class(32, 768, 1536, 50280, tied=True),
    "flex_olmo": text_class(32, 4096, 11008, 100352, 32, None, None, 4096),
    "gemma": text_class(28, 3072, 24576, 256000, 16, 16, 256, 8192, tied=True),
    "gemma2": text_class(26, 2304, 9216, 256000, 8, 4, 256, 8192, 4096, tied=True),
    "gemma3_text": text_class(26, 2304, 9216, 262208, 8, 4, 256, 131072, 4096, tied=True),
    "gemma3n_text": text_class(35, 2048, 16384, 262400, 8, 2, 256, 32768, 512, tied=True),
    "glm": text_class(40, 4096, 13696, 151552, 32, 2, 128, 131072),
    "glm4": text_class(40, 4096, 13696, 151552, 32, 2, 128, 131072),
    "glm4_moe": text_class(46, 4096, 10944, 151552, 96, 8, None, 131072),
    "glm4_moe_lite": text_class(47, 2048, 10240, 154880, 20, 20, 64, 202752),
    "glm_moe_dsa": text_class(78, 6144, 12288, 154880, 64, 64, 64, 202752),
    "gpt2": text_class(12, 768, None, 50257, 12, None, None, 1024, tied=True),
    "gpt_bigcode": text_class(12, 768, None, 50257, 12, 1, None, 1024, tied=True),
    "gpt_neox": text_class(44, 6144, 24576, 50432, 64, None, None, 2048),
    "gpt_oss": text_class(36, 2880, 2880, 201088, 64, 8, 64, 131072, 128),
    "gptj": text_class(28, 4096, None, 50400, 16, None, None, 2048),
    "granite": text_class(32, 4096, 11008, 32000, 32, None, None, 2048),
    "granite_swa": text_class(24, 2560, 8192, 100352, 20, 4, None, 8192, 128, tied=True),
    "granitemoe": text_class(32, 4096, 11008, 32000, 32, None, None, 2048),
    "granitemoe_swa": text_class(32, 4096, 11008, 32000, 32, None, None, 2048, 128),
    "granitemoehybrid": text_class(32, 4096, 11008, 32000, 32, None, None, 2048),
    "granitemoeshared": text_class(32, 4096, 11008, 32000, 32, None, None, 2048),
    "helium": text_class(24, 2560, 7040, 48000, 20, 20, 128, 4096),
    "hrm_text": text_class(32, 1024, 4096, None, 16, None, 128, 8192),
    "hunyuan_v1_dense": text_class(32, 4096, 11008, 290943, 32, None, None, 2048),
    "hunyuan_v1_moe": text_class(32, 4096, 11008, 290943, 32, None, None, 2048),
    "hunyuan_vl_text": text_class(32, 4096, 11008, 290943, 32, None, None, 2048, tied=True),
    "hy_v4": text_class(34, 2816, 6912, 120832, 32, 32, 64, 262144),
    "hy_v3": text_class(80, 4096, 13312, 120832, 64, 8, 128, 131072),
    "hyperclovax": text_class(32, 4096, 11008, 32000, 32, None, None, 2048),
    "jais2": text_class(32, 3328, 26624, 150272, 26, None, None, 8192),
    "jamba": text_class(32, 4096, 14336, 65536, 32, 8, None, 262144),
    "laguna": text_class(40, 2048, 8192, 100352, 48, 8, 128, 131072, 512),
    "lfm2": text_class(32, 2560, 12288, 65536, 32, 8, None, 128000, tied=True),
    "lfm2_moe": text_class(32, 2048, 7168, 65536, 32, 8, None, 128000, tied=True),
    "llama": text_class(32, 4096, 11008, 32000, 32, None, None, 2048),
    "llama4_text": text_class(48, 5120, 8192, 202048, 40, 8, 128, 131072),
    "mamba": text_class(32, 768, 1536, 50280, tied=True),
    "mamba2": text_class(64, 4096, None, 32768, None, None, 64),
    "mellum": text_class(28, 2304, 7168, 98304, 32, 4, 128, 131072, 1024),
    "minicpm3": text_class(62, 2560, 6400, 73448, 40, 40, 32, 32768, tied=True),
    "minimax": text_class(32, 4096, 14336, 32000, 32, 8, None, 131072),
    "minimax_m3_text": text_class(60, 6144, 3072, 200064, 64, 4, 128, 524288),
    "minimax_m2": text_class(62, 3072, 1536, 200064, 48, 8, 128, 196608),
    "ministral": text_class(32, 4096, 14336, 32000, 32, 8, None, 131072, 4096),
    "ministral3": text_class(34, 4096, 14336, 131072, 32, 8, 128, 262144),
    "mistral": text_class(32, 4096, 14336, 32000, 32, 8, None, 131072, 4096),
    "mistral4": text_class(36, 4096, 12288, 131072, 32, 32, 128, 1048576),
    "mixtral": text_class(32, 4096, 14336, 32000, 32, 8, None, 131072),
    "nemotron": text_class(32, 6144, 24576, 256000, 48, None, None, 4096),
    "nemotron_h": text_class(4, 4096, 21504, 131072, 32, 8, 128, 4096),
    "olmo": text_class(32, 4096, 11008, 50304, 32, None, None, 2048),
    "olmo2": text_class(32, 4096, 11008, 50304, 32, None, None, 2048),
    "olmo3": text_class(32, 4096, 11008, 50304, 32, None, None, 2048, 4096),
    "olmo_hybrid": text_class(32, 3840, 11008, 100352, 30, None, None, 65536),
    "olmoe": text_class(16, 2048, 2048, 50304, 16, None, None, 4096),
    "opt": text_class(12, 768, None, 50272, 12, None, None, 2048, tied=True),
    "phi": text_class(24, 2048, 8192, 51200, 32, None, None, 2048),
    "phi3": text_class(32, 3072, 8192, 32064, 32, None, None, 4096),
    "phimoe": text_class(32, 4096, 6400, 32064, 32, 8, None, 131072),
    "qwen2": text_class(32, 4096, 22016, 151936, 32, 32, None, 32768),
    "qwen2_moe": text_class(24, 2048, 5632, 151936, 16, 16, None, 32768),
    "qwen3": text_class(32, 4096, 22016, 151936, 32, 32, 128, 32768),
    "qwen3_moe": text_class(24, 2048, 6144, 151936, 32, 4, None, 32768),
    "qwen3_next": text_class(48, 2048, 5632, 151936, 16, 2, 256, 32768),
    "seed_oss": text_class(64, 4096, 27648, 155136, 80, 8, 128, 524288),
    "smollm3": text_class(36, 2048, 11008, 128256, 16, 4, None, 32768, tied=True),
    "solar_open": text_class(48, 4096, None, 196608, 64, 8, 128, 131072),
    "stablelm": text_class(32, 2560, 6912, 50304, 32, 32, None, 4096),
    "starcoder2": text_class(30, 3072, 12288, 49152, 24, 2, None, 4096, tied=True),
    "vaultgemma": text_class(26, 2304, 9216, 256000, 8, 4, 256, 8192, 4096, tied=True),
    "voxtral_realtime_text": text_class(32, 4096, 14336, 32000, 32, 8, None, 131072, 4096),
    "zamba2": text_class(54, 2560, 10240, 32000, 32, None, None, 4096, tied=True),
}
"""Layers, hidden size, intermediate size, vocabulary, heads, key/value heads, head size, positions, window."""

_WINDOW_ONLY_IF_USED: Final = frozenset({"dots1", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "smollm3"})

TEXT_MODEL_TYPES: Final[Mapping[str, str]] = {
    "audioflamingo3": "qwen2",
    "aya_vision": "cohere2",
    "emu3": "emu3_text_model",
    "glmasr": "llama",
    "granite_speech": "granite",
    "granite_speech_plus": "granite",
    "qwen2_audio": "qwen2",
    "video_llava": "llama",
    "vipllava": "llama",
    "voxtral": "llama",
    "voxtral_realtime": "voxtral_realtime_text",
}
"""``model_type`` of a nested language model whose config does not name it, by ``model_type`` of the whole."""


def text_defaults(model_type: str) -> Mapping[str, Any]:
    """Dimensions that the class of a language model's section fills in; empty where the class is not known."""
    known = TEXT_DEFAULTS.get(model_type)
    return registry.text_defaults(model_type) if known is None else known


def nested_type(whole_type: str) -> str | None:
    """``model_type`` of the language model that a whole config nests without naming it; None where not known."""
    if whole_type in TEXT_DEFAULTS:
        return None  # a language model itself
    return TEXT_MODEL_TYPES.get(whole_type) or registry.nested_type(whole_type)


def window_only_if_used(model_type: str) -> bool:
    """True where the class drops ``sliding_window`` unless ``use_sliding_window`` says otherwise."""
    if model_type in TEXT_DEFAULTS:
        return model_type in _WINDOW_ONLY_IF_USED
    found = registry.text_section(model_type)
    return found is not None and found.window_only_if_used


SHARED_EXPERT_WIDTHS: Final[Mapping[str, int]] = {"qwen2_moe": 5632, "qwen3_5_moe_text": 512, "qwen3_next": 512}
"""``shared_expert_intermediate_size`` where a config says none (transformers 5: the default of each config class)."""
