"""Audio towers: what their blocks hold.

Sources: vLLM 0.32, ``model_executor/models/qwen2_5_omni_thinker.py`` (transformers' ``Qwen2_5OmniAudioEncoder``),
``qwen3_omni_moe_thinker.py``, ``phi4mm_audio.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.facts import Component, DType
from vlm_operator.model.weights.modules import Block, Collection

AUDIO = ("audio",)
PHI4_AUDIO: Final[Mapping[str, object]] = {
    "bias_in_glu": True,
    "batch_norm": False,
    "cnn_layer_norm": True,
    "depthwise_multiplier": 1,
    "ext_pw_kernel_size": 1,
    "input_layer": "nemo_conv",
    "time_reduction": 8,
}
"""Options of Phi-4-multimodal's encoder that shapes depend on, as published."""


def minicpmo_audio(collection: Collection, audio: Config, output: int) -> None:
    """MiniCPM-o: Whisper's encoder and a two-layer projector, whole on every rank and unquantised."""
    width, inner = audio.integer("d_model", 384), audio.integer("encoder_ffn_dim", 1536)
    tower = whisper_encoder(collection, audio, "apm", width, bands=80, inner=1536, layers=4)
    tower.tensor("embed_positions.weight", audio.integer("max_source_positions", 1500) * width)
    projector = collection.tower(
        "audio_projection_layer", 1, component=Component.PROJECTOR, modalities=AUDIO, sharded=False
    )
    projector.linear("linear1", output, inner // 4, bias=True, quantizable=False)
    projector.linear("linear2", output, output, bias=True, quantizable=False)


def whisper_encoder(
    collection: Collection, audio: Config, prefix: str, width: int, *, bands: int, inner: int, layers: int
) -> Block:
    """Whisper's encoder without its positions; returns the tower's own block.

    Args:
        collection: where the modules go.
        audio: its section.
        prefix: vLLM's name of it.
        width: its width.
        bands, inner, layers: defaults of ``num_mel_bins``, ``encoder_ffn_dim``, ``encoder_layers``.
    """
    inner, bands = audio.integer("encoder_ffn_dim", inner), audio.integer("num_mel_bins", bands)
    options = {"component": Component.AUDIO_TOWER, "modalities": AUDIO, "sharded": False, "quantizable": False}
    tower = collection.tower(prefix, 1, **options)  # type: ignore[arg-type]
    tower.linear("conv1", width, 3 * bands, bias=True)
    tower.linear("conv2", width, 3 * width, bias=True)
    tower.norm("ln_post", width, bias=True)
    count = audio.integer("encoder_layers", layers)
    blocks = collection.tower(f"{prefix}.layers.{{}}", count, **options)  # type: ignore[arg-type]
    for name in ("q_proj", "k_proj", "v_proj", "out_proj"):
        blocks.linear(f"self_attn.{name}", width, width, bias=name != "k_proj")
    blocks.norm("self_attn_layer_norm", width, bias=True)
    blocks.linear("fc1", inner, width, bias=True)
    blocks.linear("fc2", width, inner, bias=True)
    blocks.norm("final_layer_norm", width, bias=True)
    return tower


def phi4_audio(collection: Collection, audio: Config, output: int) -> None:
    """Phi-4-multimodal's conformer, whole on every rank: relative positions, gated convolutions, two projectors.

    Raises:
        UnknownFact: options of the encoder other than the published model's.
    """
    for key, known in PHI4_AUDIO.items():
        if audio.values.get(key, known) != known:
            field = audio.field(key)
            raise UnknownFact(f"{field}: {str(audio.values[key])[:60]!r} is not known", field=field)
    width, inner = audio.integer("attention_dim", 1024), audio.integer("linear_units", 1536)
    heads, bands = audio.integer("attention_heads", 16), audio.integer("input_size", 80)
    options = {"component": Component.AUDIO_TOWER, "modalities": AUDIO, "sharded": False, "quantizable": False}
    prefix = "embed_tokens_extend"
    tower = collection.tower(prefix, 1, **options)  # type: ignore[arg-type]
    channels = audio.section("nemo_conv_settings").integer("conv_channels", width)
    tower.linear("encoder.embed.conv.0", channels, 9, bias=True)
    tower.tensor("encoder.embed.conv", channels * 9 + channels + channels * channels + channels, times=2)
    for _ in range(3):
        bands = -(-bands // 2)
    tower.linear("encoder.embed.out", width, channels * bands, bias=True)
    distance = audio.section("relative_attention_bias_args").integer("t5_bias_max_distance", 500)
    tower.tensor("encoder.relative_attention_bias_layer.bias_values", 2 * distance * heads)
    tower.tensor("encoder.encoder_embedding.global", 2 * audio.integer("input_size", 80))
    tower.tensor("encoder.dev_type", 1)
    for name in ("audio_projection", "audio_projection_for_vision"):
        tower.linear(f"{name}.0", output, width, bias=True)
        tower.linear(f"{name}.2", output, output, bias=True)
    count, kernel = audio.integer("num_blocks", 24), audio.integer("kernel_size", 3)
    blocks = collection.tower(f"{prefix}.encoder.encoders.{{}}", count, **options)  # type: ignore[arg-type]
    for name in ("feed_forward_in", "feed_forward_out"):
        blocks.norm(f"{name}.layer_norm", width, bias=True)
        blocks.linear(f"{name}.net.0.linear", 2 * inner, width, bias=True)
        blocks.linear(f"{name}.net.2", width, inner, bias=True)
    for name in ("linear_q", "linear_k", "linear_v", "linear_out"):
        blocks.linear(f"self_attn.{name}", width, width, bias=True)
    for name in ("conv.layer_norm", "layer_norm_att", "layer_norm"):
        blocks.norm(name, width, bias=True)
    blocks.tensor("conv.glu.b", width, times=2)
    blocks.linear("conv.glu.ext_pw_conv_1d", 2 * width, width, bias=True)
    blocks.linear("conv.ext_pw_conv_1d", width, width, bias=True)
    blocks.linear("conv.dw_sep_conv_1d.dw_conv", width, kernel, bias=True)
    blocks.linear("conv.dw_sep_conv_1d.pw_conv", width, width, bias=True)


def block_encoder(collection: Collection, audio: Config) -> None:
    """Qwen3's encoder: three convolutions over the spectrogram, blocks divided over ranks."""
    width, output = audio.integer("d_model", 1280), audio.integer("output_dim", 3584)
    inner, channels = audio.integer("encoder_ffn_dim", 5120), audio.integer("downsample_hidden_size", 480)
    heads, bands = audio.integer("encoder_attention_heads", 20), audio.integer("num_mel_bins", 128)
    options = {"component": Component.AUDIO_TOWER, "modalities": AUDIO}
    tower = collection.tower("audio_tower", 1, **options)  # type: ignore[arg-type]
    for name, inputs in (("conv2d1", 1), ("conv2d2", channels), ("conv2d3", channels)):
        tower.linear(name, channels, 9 * inputs, bias=True, quantizable=False)
        bands = -(-bands // 2)
    tower.linear("conv_out", width, channels * bands)
    tower.norm("ln_post", width, bias=True)
    tower.linear("proj1", width, width, bias=True)
    tower.linear("proj2", output, width, bias=True)
    tower.tensor("positional_embedding", audio.integer("max_source_positions", 1500) * width, dtype=DType.FLOAT32)
    layers = audio.integer("encoder_layers", 32)
    blocks = collection.tower("audio_tower.layers.{}", layers, **options)  # type: ignore[arg-type]
    blocks.qkv("self_attn", heads, heads, width // heads, width, bias=True)
    blocks.row("self_attn.out_proj", width, width, bias=True)
    blocks.norm("self_attn_layer_norm", width, bias=True)
    blocks.column("fc1", inner, width, bias=True)
    blocks.row("fc2", width, inner, bias=True)
    blocks.norm("final_layer_norm", width, bias=True)
