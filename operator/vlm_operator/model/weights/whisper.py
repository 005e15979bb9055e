"""Whisper's encoder as vLLM builds it, divided over ranks, and as transformers does, whole on every rank.

Sources: vLLM 0.33 ``model_executor/models/whisper.py``; transformers 5 ``models/qwen2_audio``, ``audioflamingo3``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.facts import Component, DType
from vlm_operator.model.weights.audio_towers import AUDIO, whisper_encoder
from vlm_operator.model.weights.modules import Block, Collection

WHISPER: Final = {
    "d_model": 384,
    "encoder_layers": 4,
    "encoder_attention_heads": 6,
    "encoder_ffn_dim": 1536,
    "num_mel_bins": 80,
    "max_source_positions": 1500,
}
"""What ``WhisperConfig`` fills in."""
QWEN2_AUDIO: Final = {
    "d_model": 1280,
    "encoder_layers": 32,
    "encoder_attention_heads": 20,
    "encoder_ffn_dim": 5120,
    "num_mel_bins": 128,
    "max_source_positions": 1500,
}
"""What ``Qwen2AudioEncoderConfig`` and ``AudioFlamingo3EncoderConfig`` fill in."""


_NAMES: Final = {
    "hidden_size": "d_model",
    "num_hidden_layers": "encoder_layers",
    "num_attention_heads": "encoder_attention_heads",
    "intermediate_size": "encoder_ffn_dim",
    "max_position_embeddings": "max_source_positions",
}
"""Names of the same fields in later config classes."""


def renamed(audio: Config) -> Config:
    """The section under Whisper's names of its fields."""
    later = {old: audio.values[new] for new, old in _NAMES.items() if audio.has(new) and not audio.has(old)}
    return Config({**audio.values, **later}, audio.path)


def whole_encoder(collection: Collection, audio: Config, prefix: str) -> None:
    """Transformers' encoder: whole on every rank, never quantised, positions in the model's type."""
    width = audio.integer("d_model")
    tower = whisper_encoder(collection, audio, prefix, width, bands=128, inner=5120, layers=32)
    tower.tensor("embed_positions.weight", audio.integer("max_source_positions") * width)


def divided_encoder(collection: Collection, audio: Config, prefix: str, *, fused: str = "qkv_proj") -> Block:
    """vLLM's encoder: attention and MLPs divided over ranks; keys have a bias of zeros. Returns its own block."""
    width, bands = audio.integer("d_model"), audio.integer("num_mel_bins")
    heads, inner = audio.integer("encoder_attention_heads"), audio.integer("encoder_ffn_dim")
    options = {"component": Component.AUDIO_TOWER, "modalities": AUDIO}
    tower = collection.tower(prefix, 1, **options)  # type: ignore[arg-type]
    tower.linear("conv1", width, 3 * bands, bias=True, quantizable=False)
    tower.linear("conv2", width, 3 * width, bias=True, quantizable=False)
    tower.norm("layer_norm", width, bias=True)
    blocks = collection.tower(f"{prefix}.layers.{{}}", audio.integer("encoder_layers"), **options)  # type: ignore[arg-type]
    encoder_layers(blocks, width, heads, inner, fused=fused)
    return tower


def encoder_layers(blocks: Block, width: int, heads: int, inner: int, *, fused: str = "qkv_proj") -> None:
    """``WhisperEncoderLayer``."""
    blocks.qkv("self_attn", heads, heads, width // heads, width, bias=True, fused=fused)
    blocks.row("self_attn.out_proj", width, width, bias=True)
    blocks.norm("self_attn_layer_norm", width, bias=True)
    blocks.column("mlp.fc1", inner, width, bias=True)
    blocks.row("mlp.fc2", width, inner, bias=True)
    blocks.norm("final_layer_norm", width, bias=True)


def positions(tower: Block, audio: Config, *, dtype: DType | None = None) -> None:
    """Sinusoids, in the model's type unless another is given."""
    tower.tensor(
        "embed_positions.weight", audio.integer("max_source_positions") * audio.integer("d_model"), dtype=dtype
    )
