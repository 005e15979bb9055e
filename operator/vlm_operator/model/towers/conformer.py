"""An audio encoder: the conformer of transformers with clipped matrices, whole on every rank and never quantised.

Source: transformers 5, class ``…AudioModel`` of the family that has it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Self

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.facts import Component
from vlm_operator.model.weights.modules import Block, Collection

_CLIPPING_LIMITS: Final = 4
"""Scalars that a clipped matrix keeps: lower and upper limit of its input and output."""
_OPTIONS: Final = {
    "component": Component.AUDIO_TOWER,
    "modalities": ("audio",),
    "sharded": False,
    "quantizable": False,
}
_NORMS: Final = (
    "feed_forward1.pre_layer_norm",
    "feed_forward1.post_layer_norm",
    "feed_forward2.pre_layer_norm",
    "feed_forward2.post_layer_norm",
    "lconv1d.pre_layer_norm",
    "lconv1d.conv_norm",
    "norm_pre_attn",
    "norm_post_attn",
    "norm_out",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConformerTower:
    """The encoder.

    Attributes:
        layers, width, heads: its blocks.
        output_size: elements of one output.
        channels: of the two convolutions over the spectrogram.
        kernel: of the depthwise convolution in each block.
        clipped: matrices keep limits of their input and output.
    """

    layers: int
    width: int
    heads: int
    output_size: int
    channels: tuple[int, int]
    kernel: int
    clipped: bool

    @classmethod
    def read(cls, audio: Config) -> Self:
        """The encoder of this section.

        Raises:
            UnknownFact: not two convolutions.
        """
        channels = audio.items("subsampling_conv_channels") or [128, 32]
        if len(channels) != 2 or not all(isinstance(count, int) and count > 0 for count in channels):
            field = audio.field("subsampling_conv_channels")
            raise UnknownFact(f"{field}: {str(channels)[:60]} is not two numbers of channels", field=field)
        return cls(
            layers=audio.integer("num_hidden_layers", 12),
            width=audio.integer("hidden_size", 1024),
            heads=audio.integer("num_attention_heads", 8),
            output_size=audio.integer("output_proj_dims", 1536),
            channels=(channels[0], channels[1]),
            kernel=audio.integer("conv_kernel_size", 5),
            clipped=audio.boolean("use_clipped_linears", True),
        )

    def build(self, collection: Collection, prefix: str) -> None:
        """Two convolutions, the blocks, a matrix to its outputs."""
        first, second = self.channels
        tower = collection.tower(prefix, 1, **_OPTIONS)  # type: ignore[arg-type]
        tower.tensor("subsample_conv_projection.layer0.conv.weight", first * 9)
        tower.norm("subsample_conv_projection.layer0.norm", first)
        tower.tensor("subsample_conv_projection.layer1.conv.weight", second * first * 9)
        tower.norm("subsample_conv_projection.layer1.norm", second)
        tower.linear("subsample_conv_projection.input_proj_linear", self.width, first // 4 * second)
        tower.linear("output_proj", self.output_size, self.width, bias=True)
        tower.tensor("rel_pos_enc.inv_timescales", self.width // 2)
        self._blocks(collection.tower(f"{prefix}.layers.{{}}", self.layers, **_OPTIONS))  # type: ignore[arg-type]

    def _blocks(self, blocks: Block) -> None:
        width = self.width
        for name, rows, columns in (
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
        ):
            blocks.linear(f"{name}.linear", rows, columns)
            if self.clipped:
                blocks.tensor(f"{name}.limits", 1, times=_CLIPPING_LIMITS)
        blocks.linear("self_attn.relative_k_proj", width, width)
        blocks.tensor("self_attn.per_dim_scale", width // self.heads)
        blocks.tensor("self_attn.softcap", 1)
        blocks.tensor("lconv1d.depthwise_conv1d.weight", width * self.kernel)
        for name in _NORMS:
            blocks.norm(name, width)
