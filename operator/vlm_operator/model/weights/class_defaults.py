"""Defaults of config classes that shapes of weights depend on, by ``model_type``.

A field that is missing has its class's default; a field that is null stays null (a null ``q_lora_rank`` is a choice).
Figures are the defaults of Hugging Face transformers 5 (``src/transformers/models/<model_type>/configuration_*.py``)
and of vLLM 0.32 (``transformers_utils/configs/``); those every config states, and those that readers state
themselves, are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

from vlm_operator.model import registry
from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import TEXT_DEFAULTS, text_defaults

_DEEPSEEK_V3: Final = {
    "first_k_dense_replace": 3, "kv_lora_rank": 512, "moe_intermediate_size": 2048, "n_routed_experts": 256,
    "n_shared_experts": 1, "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128,
}  # fmt: skip
_YARN_MINISTRAL3: Final = {"rope_type": "yarn", "factor": 16.0, "original_max_position_embeddings": 16384}
_YARN_GPT_OSS: Final = {"rope_type": "yarn", "factor": 32.0, "original_max_position_embeddings": 4096}

FIELDS: Final[Mapping[str, Mapping[str, Any]]] = {
    "bailing_hybrid": {"kv_lora_rank": 512, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "v_head_dim": 128},
    "deepseek_v2": {
        "kv_lora_rank": 512, "moe_intermediate_size": 1407, "n_routed_experts": 64, "n_shared_experts": 2,
        "q_lora_rank": 1536, "qk_nope_head_dim": 128, "qk_rope_head_dim": 64, "topk_method": "greedy",
        "v_head_dim": 128,
    },
    "deepseek_v3": _DEEPSEEK_V3,
    "deepseek_v32": _DEEPSEEK_V3,
    "ernie4_5_moe": {
        "moe_intermediate_size": 1536, "moe_layer_end_index": 27, "moe_num_experts": 64, "moe_num_shared_experts": 2,
    },
    "glm": {"attention_bias": True},
    "glm4": {"attention_bias": True},
    "glm4_moe": {"moe_intermediate_size": 1408, "n_routed_experts": 128},
    "glm4_moe_lite": {
        "kv_lora_rank": 512, "moe_intermediate_size": 1536, "n_routed_experts": 64, "n_shared_experts": 1,
        "q_lora_rank": 768, "qk_nope_head_dim": 192, "qk_rope_head_dim": 64, "v_head_dim": 256,
    },
    "glm_moe_dsa": {
        "first_k_dense_replace": 3, "index_head_dim": 128, "index_n_heads": 32, "index_topk": 2048,
        "kv_lora_rank": 512, "moe_intermediate_size": 2048, "n_routed_experts": 256, "n_shared_experts": 1,
        "q_lora_rank": 2048, "qk_nope_head_dim": 192, "qk_rope_head_dim": 64, "v_head_dim": 256,
    },
    "gpt_oss": {"num_local_experts": 128, "rope_parameters": _YARN_GPT_OSS},
    "hy_v4": {
        "index_head_dim": 128, "index_n_heads": 16, "index_topk": 2048, "kv_lora_rank": 512,
        "moe_intermediate_size": 768, "n_routed_experts": 256, "n_shared_experts": 1, "q_lora_rank": 1536,
        "qk_nope_head_dim": 192, "qk_rope_head_dim": 64, "v_head_dim": 256,
    },
    "kimi_k2": _DEEPSEEK_V3,
    "mimo_v2_flash": {
        "head_dim": 192, "moe_intermediate_size": 2048, "n_routed_experts": 256, "num_attention_heads": 64,
        "num_key_value_heads": 4, "v_head_dim": 128,
    },
    "minicpm3": {"kv_lora_rank": 256, "q_lora_rank": 768, "qk_nope_head_dim": 64, "qk_rope_head_dim": 32},
    "minimax_m2": {"num_local_experts": 256},
    "ministral3": {"rope_parameters": _YARN_MINISTRAL3},
    "mixtral": {"num_local_experts": 8},
    "phi3": {"original_max_position_embeddings": 4096},
    "qwen2_moe": {"moe_intermediate_size": 1408, "num_experts": 60},
    "qwen3_moe": {"moe_intermediate_size": 768, "num_experts": 128},
    "qwen3_next": {"moe_intermediate_size": 512, "num_experts": 512},
}  # fmt: skip
"""Fields that weights depend on, by ``model_type`` of their section."""

POSITIONS: Final[Mapping[str, int]] = {
    "bert": 512, "chatglm": 8192, "internlm2": 32768, "minicpm": 32768, "step3_text": 65536,
}  # fmt: skip
"""``max_position_embeddings`` of types that ``config_defaults.TEXT_DEFAULTS`` does not hold."""

OTHER_NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "n_routed_experts": ("num_experts", "num_local_experts"),
    "num_experts": ("num_local_experts",),
    "num_local_experts": ("num_experts",),
    "rope_parameters": ("rope_scaling",),
}
"""Other names of a field; it is not missing where one of them is given."""


def positions_of(kind: str) -> int | None:
    """``max_position_embeddings`` of a language model of this type, or None where that is not known."""
    known: int | None = POSITIONS.get(kind)
    return known if known is not None else text_defaults(kind).get("max_position_embeddings")


def weight_defaults(kind: str) -> Mapping[str, Any]:
    """Fields that weights depend on and the class of this ``model_type`` fills in."""
    if kind in FIELDS or kind in TEXT_DEFAULTS:
        return FIELDS.get(kind, {})
    found = registry.text_section(kind)
    return found.weight_defaults if found else {}


def filled(section: Config, kind: str | None = None) -> Config:
    """The section with its class's defaults for what it leaves out.

    Args:
        section: a language model's, a tower's or a whole config.
        kind: ``model_type`` of its class, where that is not what the section says or where it says none.
    """
    name = kind or section.text("model_type") or ""
    missing: dict[str, Any] = {"model_type": name} if name and not section.has("model_type") else {}
    missing |= {
        key: value
        for key, value in weight_defaults(name).items()
        if not any(other in section.values for other in (key, *OTHER_NAMES.get(key, ())))
    }
    if not missing:
        return section
    return Config(MappingProxyType({**section.values, **missing}), section.path)
