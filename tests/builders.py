"""Models and GPUs for tests: small inline configs of real families, read by the project's own readers."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import ModelFacts
from vlm_operator.model.reader import read_model_facts

QWEN3_TEXT: dict[str, Any] = {
    "attention_bias": False,
    "head_dim": 128,
    "hidden_act": "silu",
    "hidden_size": 4096,
    "intermediate_size": 12288,
    "max_position_embeddings": 262144,
    "model_type": "qwen3_vl_text",
    "num_attention_heads": 32,
    "num_hidden_layers": 36,
    "num_key_value_heads": 8,
    "rms_norm_eps": 1e-6,
    "rope_theta": 5000000,
    "vocab_size": 151936,
}

QWEN3_VL: dict[str, Any] = {
    "architectures": ["Qwen3VLForConditionalGeneration"],
    "model_type": "qwen3_vl",
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
    "text_config": {**QWEN3_TEXT, "dtype": "bfloat16"},
    "vision_config": {
        "deepstack_visual_indexes": [8, 16, 24],
        "depth": 27,
        "hidden_act": "gelu_pytorch_tanh",
        "hidden_size": 1152,
        "in_channels": 3,
        "intermediate_size": 4304,
        "model_type": "qwen3_vl",
        "num_heads": 16,
        "num_position_embeddings": 2304,
        "out_hidden_size": 4096,
        "patch_size": 16,
        "spatial_merge_size": 2,
        "temporal_patch_size": 2,
    },
}

QWEN3: dict[str, Any] = {
    **QWEN3_TEXT,
    "architectures": ["Qwen3ForCausalLM"],
    "model_type": "qwen3",
    "max_position_embeddings": 40960,
    "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


@lru_cache
def qwen3_vl() -> ModelFacts:
    """A vision-language model of 8 billion parameters: 16.4 GiB of weights."""
    return read_model_facts(QWEN3_VL, model="example/qwen3-vl-8b", source="test")


@lru_cache
def qwen3() -> ModelFacts:
    """The text model it is built on."""
    return read_model_facts(QWEN3, model="example/qwen3-8b", source="test")


@lru_cache
def gpu(name: str = "RTX-5090") -> GPUFacts:
    """A product of the catalogue."""
    return find_gpu(name)
