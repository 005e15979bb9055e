"""Audio towers: what their blocks hold.

Source: vLLM 0.32, ``model_executor/models/gemma4_mm.py``, which builds transformers' ``Gemma4AudioModel``.
"""

from __future__ import annotations

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.facts import Component
from vlm_operator.model.weights.modules import Block, Collection

AUDIO = ("audio",)
CLIPPING_LIMITS = 4
"""Scalars that a clipped matrix keeps: lower and upper limit of its input and output."""


def gemma4_audio(collection: Collection, audio: Config) -> int:
    """Gemma 4's conformer, whole on every rank; returns the width it puts out."""
    width = audio.integer("hidden_size", 1024)
    output = audio.integer("output_proj_dims", 1536)
    channels = audio.items("subsampling_conv_channels") or [128, 32]
    if len(channels) != 2 or not all(isinstance(count, int) and count > 0 for count in channels):
        field = audio.field("subsampling_conv_channels")
        raise UnknownFact(f"{field}: {str(channels)[:60]} is not two numbers of channels", field=field)
    first, second = channels
    options = {"component": Component.AUDIO_TOWER, "modalities": AUDIO, "sharded": False, "quantizable": False}
    tower = collection.tower("audio_tower", 1, **options)  # type: ignore[arg-type]
    tower.tensor("subsample_conv_projection.layer0.conv.weight", first * 9)
    tower.norm("subsample_conv_projection.layer0.norm", first)
    tower.tensor("subsample_conv_projection.layer1.conv.weight", second * first * 9)
    tower.norm("subsample_conv_projection.layer1.norm", second)
    tower.linear("subsample_conv_projection.input_proj_linear", width, first // 4 * second)
    tower.linear("output_proj", output, width, bias=True)
    tower.tensor("rel_pos_enc.inv_timescales", width // 2)
    count = audio.integer("num_hidden_layers", 12)
    blocks = collection.tower("audio_tower.layers.{}", count, **options)  # type: ignore[arg-type]
    _conformer_block(blocks, audio, width)
    return output


def _conformer_block(blocks: Block, audio: Config, width: int) -> None:
    matrices = [
        ("feed_forward1.ffw_layer_1", 4 * width, width),
        ("feed_forward1.ffw_layer_2", width, 4 * width),
        ("feed_forward2.ffw_layer_1", 4 * width, width),
        ("feed_forward2.ffw_layer_2", width, 4 * width),
        ("self_attn.q_proj", width, width),
        ("self_attn.k_proj", width, width),
        ("self_attn.v_proj", width, width),
        ("self_attn.post", width, width),
        ("lconv1d.linear_start", 2 * width, width),
        ("lconv1d.linear_end", width, width),
    ]
    clipped = audio.boolean("use_clipped_linears", True)
    for name, rows, columns in matrices:
        blocks.linear(f"{name}.linear", rows, columns)
        if clipped:
            blocks.tensor(f"{name}.limits", 1, times=CLIPPING_LIMITS)
    blocks.linear("self_attn.relative_k_proj", width, width)
    blocks.tensor("self_attn.per_dim_scale", width // audio.integer("num_attention_heads", 8))
    blocks.tensor("self_attn.softcap", 1)
    blocks.tensor("lconv1d.depthwise_conv1d.weight", width * audio.integer("conv_kernel_size", 5))
    for name in (
        "feed_forward1.pre_layer_norm",
        "feed_forward1.post_layer_norm",
        "feed_forward2.pre_layer_norm",
        "feed_forward2.post_layer_norm",
        "lconv1d.pre_layer_norm",
        "lconv1d.conv_norm",
        "norm_pre_attn",
        "norm_post_attn",
        "norm_out",
    ):
        blocks.norm(name, width)
