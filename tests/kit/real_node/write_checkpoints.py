"""Write small checkpoints with random weights as a Hugging Face cache. Runs with the Python of the vLLM environment.

Usage: write_checkpoints.py FOLDER. They are real to vLLM: safetensors of its own classes, a tokenizer of single bytes,
a chat template, and for the vision-language model the configuration of Qwen3-VL's processors.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

CONTEXT = 131072
VOCABULARY = 512
END, PAD = "<|im_end|>", "<|endoftext|>"
VISION = ("<|vision_start|>", "<|image_pad|>", "<|video_pad|>", "<|vision_end|>")
CHAT = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{% if message.content is string %}{{ message.content }}{% else %}{% for part in message.content %}"
    "{% if part.type == 'image' %}<|vision_start|><|image_pad|><|vision_end|>"
    "{% elif part.type == 'video' %}<|vision_start|><|video_pad|><|vision_end|>"
    "{% elif part.type == 'text' %}{{ part.text }}{% endif %}{% endfor %}{% endif %}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
LANGUAGE = {
    "vocab_size": VOCABULARY,
    "hidden_size": 256,
    "intermediate_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "max_position_embeddings": CONTEXT,
    "tie_word_embeddings": True,
}
"""16 KiB of keys and values a token in bfloat16: 65,536 tokens in a GiB."""


def tokenizer(folder: Path) -> dict[str, int]:
    """A tokenizer of one token a byte; the ids of its special tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    found = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[]))
    found.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    found.decoder = decoders.ByteLevel()
    special = (PAD, "<|im_start|>", END, *VISION)
    found.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special])
    fast = PreTrainedTokenizerFast(tokenizer_object=found, eos_token=END, pad_token=PAD, model_max_length=CONTEXT)
    fast.chat_template = CHAT
    fast.save_pretrained(folder)
    return {text: found.token_to_id(text) for text in special}


def text(folder: Path) -> None:
    """A Qwen3 of four layers."""
    ids = tokenizer(folder)
    config = Qwen3Config(**LANGUAGE, rope_theta=1e6, bos_token_id=ids[PAD], eos_token_id=ids[END])
    Qwen3ForCausalLM(config).to(torch.bfloat16).save_pretrained(folder)


def vision(folder: Path) -> None:
    """A Qwen3-VL of four layers under a vision tower of two."""
    ids = tokenizer(folder)
    rope = {"rope_type": "default", "rope_theta": 5e6, "mrope_section": [24, 20, 20], "mrope_interleaved": True}
    config = Qwen3VLConfig(
        text_config={**LANGUAGE, "rope_parameters": rope, "bos_token_id": ids[PAD], "eos_token_id": ids[END]},
        vision_config={
            "depth": 2,
            "hidden_size": 128,
            "intermediate_size": 256,
            "num_heads": 4,
            "out_hidden_size": LANGUAGE["hidden_size"],
            "patch_size": 16,
            "spatial_merge_size": 2,
            "temporal_patch_size": 2,
            "num_position_embeddings": 2304,
            "deepstack_visual_indexes": [0, 1],
        },
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        tie_word_embeddings=True,
    )
    Qwen3VLForConditionalGeneration(config).to(torch.bfloat16).save_pretrained(folder)
    processor: dict[str, Any] = {
        "processor_class": "Qwen3VLProcessor",
        "patch_size": 16,
        "merge_size": 2,
        "temporal_patch_size": 2,
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
    }
    images = {"size": {"longest_edge": 16777216, "shortest_edge": 65536}}
    videos = {"size": {"longest_edge": 25165824, "shortest_edge": 4096}}
    write(folder / "preprocessor_config.json", image_processor_type="Qwen2VLImageProcessorFast", **images, **processor)
    write(
        folder / "video_preprocessor_config.json", video_processor_type="Qwen3VLVideoProcessor", **videos, **processor
    )
    write(folder / "tokenizer_config.json", processor_class="Qwen3VLProcessor")


def unknown_to_vllm(folder: Path) -> None:
    """A config whose architecture no release of vLLM has."""
    text(folder)
    write(folder / "config.json", architectures=["FrobnicatorForCausalLM"])


def write(path: Path, **fields: Any) -> None:
    """Set fields of a JSON document, which need not exist yet."""
    found = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(found | fields, indent=1))


def place(hub: Path, name: str, build: Callable[[Path], None]) -> None:
    """A repository of the Hugging Face cache with one revision."""
    repository = hub / f"models--{name.replace('/', '--')}"
    shutil.rmtree(repository, ignore_errors=True)
    commit = hashlib.sha1(name.encode()).hexdigest()
    snapshot = repository / "snapshots" / commit
    snapshot.mkdir(parents=True)
    torch.manual_seed(0)
    build(snapshot)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)


if __name__ == "__main__":
    HUB = Path(sys.argv[1]) / "hub"
    place(HUB, "local/tiny-text", text)
    place(HUB, "local/tiny-vision", vision)
    place(HUB, "local/tiny-unknown", unknown_to_vllm)
