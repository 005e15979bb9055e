"""A small Qwen3-VL as a folder that vLLM can be given: config, processors, a word-level tokenizer, no weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

SPECIAL: Final = {
    "<|endoftext|>": 151_643,
    "<|im_start|>": 151_644,
    "<|im_end|>": 151_645,
    "<|vision_start|>": 151_652,
    "<|vision_end|>": 151_653,
    "<|vision_pad|>": 151_654,
    "<|image_pad|>": 151_655,
    "<|video_pad|>": 151_656,
}
_UNKNOWN: Final = 151_900
_HALF: Final = [0.5, 0.5, 0.5]


def qwen3_vl(layers: int = 4) -> dict[str, Any]:
    """``config.json`` with the widths of a 2B model and few layers."""
    return {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "model_type": "qwen3_vl",
        "image_token_id": SPECIAL["<|image_pad|>"],
        "video_token_id": SPECIAL["<|video_pad|>"],
        "vision_start_token_id": SPECIAL["<|vision_start|>"],
        "vision_end_token_id": SPECIAL["<|vision_end|>"],
        "tie_word_embeddings": True,
        "text_config": {
            "model_type": "qwen3_vl_text",
            "dtype": "bfloat16",
            "hidden_size": 2048,
            "intermediate_size": 6144,
            "num_hidden_layers": layers,
            "num_attention_heads": 16,
            "num_key_value_heads": 8,
            "head_dim": 128,
            "vocab_size": 151_936,
            "max_position_embeddings": 262_144,
            "hidden_act": "silu",
            "rms_norm_eps": 1e-6,
            "attention_bias": False,
            "rope_theta": 5_000_000,
            "rope_scaling": {"rope_type": "default", "mrope_section": [24, 20, 20], "mrope_interleaved": True},
            "tie_word_embeddings": True,
        },
        "vision_config": {
            "model_type": "qwen3_vl",
            "depth": 4,
            "deepstack_visual_indexes": [0, 1, 2],
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_heads": 16,
            "in_channels": 3,
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "out_hidden_size": 2048,
            "num_position_embeddings": 2304,
            "hidden_act": "gelu_pytorch_tanh",
        },
    }


def write(folder: Path, config: dict[str, Any]) -> Path:
    """Write the model's files into ``folder``; return it."""
    common = {"patch_size": 16, "temporal_patch_size": 2, "merge_size": 2, "image_mean": _HALF, "image_std": _HALF}
    image = {"size": {"longest_edge": 16_777_216, "shortest_edge": 65_536}, "processor_class": "Qwen3VLProcessor"}
    video = {"size": {"longest_edge": 25_165_824, "shortest_edge": 4096}, "processor_class": "Qwen3VLProcessor"}
    files = {
        "config.json": config,
        "preprocessor_config.json": {**common, **image, "image_processor_type": "Qwen2VLImageProcessorFast"},
        "video_preprocessor_config.json": {**common, **video, "video_processor_type": "Qwen3VLVideoProcessor"},
        **_tokenizer_files(),
    }
    return _written(folder, files)


def write_text_model(folder: Path, config: dict[str, Any]) -> Path:
    """Write the config of a text model and a word-level tokenizer into ``folder``; return it."""
    return _written(folder, {"config.json": config, **_tokenizer_files()})


def _written(folder: Path, files: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    return folder


def _tokenizer_files() -> dict[str, Any]:
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "unk_token": "<unk>", "pad_token": "<unk>"}
    return {"tokenizer.json": _tokenizer(), "tokenizer_config.json": {**settings, "model_max_length": 262_144}}


def _tokenizer() -> dict[str, Any]:
    """A tokenizer of the model's special tokens; every other word is unknown."""
    added = [
        {"id": token, "content": text, "special": True, "normalized": False, "lstrip": False, "rstrip": False,
         "single_word": False}
        for text, token in SPECIAL.items()
    ]  # fmt: skip
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": added,
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": None,
        "decoder": {"type": "Fuse"},
        "model": {"type": "WordLevel", "vocab": {"<unk>": _UNKNOWN, **SPECIAL}, "unk_token": "<unk>"},
    }
