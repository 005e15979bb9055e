"""The tower of dots.ocr (``dots_vit``): RMS norms, gated MLPs, rotated in float32, a merger with a layer norm.

Source: vLLM 0.32 ``model_executor/models/dots_ocr.py`` and ``transformers_utils/configs/dotsocr.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Self

from vlm_operator.engine.tower_traits import Activation, Rotation, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType
from vlm_operator.model.towers.parts import fused_attention
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Collection

_DEFAULTS: Final = {
    "embed_dim": 1536,
    "hidden_size": 1536,
    "intermediate_size": 4224,
    "num_hidden_layers": 42,
    "num_attention_heads": 12,
    "patch_size": 14,
}
"""What vLLM's ``DotsVisionConfig`` fills in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DotsViT(Tower):
    """The tower; its section calls its width ``embed_dim`` and the width of its outputs ``hidden_size``.

    Attributes:
        channels: colours of a pixel.
        bias: attention and MLPs have biases.
        post_norm: a norm follows the last block.
    """

    traits: ClassVar[TowerTraits] = TowerTraits(
        gated=True, rotation=Rotation.FLOAT32, activation=Activation.SILU_AND_MUL
    )

    channels: int
    bias: bool
    post_norm: bool

    @classmethod
    def read(cls, vision: Config) -> Self:
        """The tower of this section."""
        filled = vision.over(_DEFAULTS)
        return cls(
            layers=filled.integer("num_hidden_layers"),
            width=filled.integer("embed_dim"),
            inner=filled.integer("intermediate_size"),
            heads=filled.integer("num_attention_heads"),
            patch_size=filled.integer("patch_size"),
            merge_size=filled.integer("spatial_merge_size", 2),
            output_size=filled.integer("hidden_size"),
            channels=filled.integer("num_channels", 3),
            bias=filled.boolean("use_bias", False),
            post_norm=filled.boolean("post_norm", True),
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Patches, blocks whose gated MLP has names of its own, the merger."""
        tower, width = place.part(collection), self.width
        patch = self.channels * self.patch_size**2
        tower.linear("patch_embed.patchifier.proj", width, patch, bias=True, quantizable=False)
        tower.norm("patch_embed.patchifier.norm", width)
        blocks = place.part(collection, "blocks.{}", self.layers)
        fused_attention(blocks, width, bias=self.bias)
        blocks.merged("mlp.fc13", ("mlp.fc1", "mlp.fc3"), (self.inner, self.inner), width, bias=self.bias)
        blocks.row("mlp.fc2", width, self.inner, bias=self.bias)
        blocks.norm("norm1", width)
        blocks.norm("norm2", width)
        if self.post_norm:
            tower.norm("post_trunk_norm", width)
        merger = place.merger(collection, "merger")
        merger.norm("ln_q", width, bias=True)
        merged = width * self.merge_size**2
        merger.mlp("mlp", merged, merged, ("0", "2"), outputs=self.output_size)
        tower.tensor("rotary_pos_emb.inv_freq", self.head_size // 2 // 2, dtype=DType.FLOAT32)
