"""Small models to test with: facts with one of each kind of layer, and the files of a checkpoint."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

from vlm_operator.model.facts import (
    AttentionCache,
    Component,
    DType,
    LatentCache,
    LayerRun,
    Linear,
    MixtureOfExperts,
    ModelFacts,
    Quantization,
    Sharding,
    StateCache,
    StateKind,
    Tensors,
    TextFacts,
    VisionTower,
)

LLAMA_CONFIG: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "torch_dtype": "bfloat16",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 256,
    "max_position_embeddings": 512,
    "tie_word_embeddings": False,
}


def model_facts(**changes: Any) -> ModelFacts:
    """Facts that use every kind of part once."""
    values: dict[str, Any] = {
        "model": "example/model",
        "architecture": "ExampleForConditionalGeneration",
        "model_type": "example",
        "dtype": DType.BFLOAT16,
        "derived_max_model_len": 4096,
        "text": TextFacts(4, 64, 128, 256, 4, 2, 16, True, MixtureOfExperts(8, 2, 32, layers=3)),
        "cache_layers": (
            LayerRun(2, AttentionCache(2, 16, 16, sliding_window=1024)),
            LayerRun(1, StateCache(StateKind.GATED_DELTA_NET, 64, 2, 4, 16, 8, 4, DType.FLOAT32)),
            LayerRun(1, None),
            LayerRun(1, LatentCache(512, 64)),
        ),
        "weights": (
            Linear(Component.HEAD, "lm_head", 1, 256, 64, Sharding.VOCABULARY),
            Tensors(Component.LANGUAGE_LAYERS, "model.layers.{}.input_layernorm", 4, 64),
        ),
        "quantization": Quantization("fp8", 8, block_shape=(128, 128), ignored=("lm_head", "re:.*visual.*")),
        "vision": VisionTower(2, 32, 64, 2, 14, 2, 64, deepstack_levels=3),
        "source": "an example",
    }
    return ModelFacts(**(values | changes))


def safetensors_bytes(tensors: dict[str, Any]) -> bytes:
    """A safetensors file with this header and no data: only headers are ever read."""
    header = json.dumps(tensors).encode()
    return struct.pack("<Q", len(header)) + header


def tensor(*shape: int, dtype: str = "BF16") -> dict[str, Any]:
    """One tensor as a header describes it."""
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [0, 0]}


def model_folder(folder: Path, **changes: Any) -> Path:
    """A folder with a ``config.json``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(LLAMA_CONFIG | changes))
    return folder
