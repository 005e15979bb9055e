"""Towers with gated MLPs and fused norms whose patches a convolution merges, then a gated merger.

Sources: vLLM 0.32, class ``…VisionTransformer`` of the two model files that the family's record names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from vlm_operator.engine.tower_traits import Activation, PositionsKept, Rotation, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType
from vlm_operator.model.towers.parts import fused_attention, patch_embedding, rotary_table
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Block, Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedDownsampleTower(Tower):
    """The tower that learns positions for one image size; its blocks' MLPs are as wide as its **output**.

    The config's ``intermediate_size`` is the merger's (``mlp_hidden_dim=vision_config.out_hidden_size``).

    Attributes:
        channels, frames: colours of a pixel, frames of a patch.
        merger_inner: width inside the merger.
        positions: learned positions.
    """

    traits: ClassVar[TowerTraits] = TowerTraits(
        gated=True,
        rotation=Rotation.SHARED_SEPARATE,
        fused_norms=True,
        activation=Activation.SILU_AND_MUL,
        positions_kept=PositionsKept.LATER,
    )

    channels: int
    frames: int
    merger_inner: int
    positions: int = 0

    @classmethod
    def read(cls, vision: Config, defaults: Mapping[str, Any]) -> Self:
        """The tower of this section, its class's ``defaults`` filled in."""
        filled = vision.over(defaults)
        output, patch = filled.integer("out_hidden_size"), filled.integer("patch_size")
        return cls(
            layers=filled.integer("depth"),
            width=filled.integer("hidden_size"),
            inner=output,
            heads=filled.integer("num_heads"),
            patch_size=patch,
            merge_size=filled.integer("spatial_merge_size", 2),
            output_size=output,
            channels=filled.integer("in_channels", 3),
            frames=filled.integer("temporal_patch_size", 2),
            merger_inner=filled.integer("intermediate_size"),
            positions=(filled.integer("image_size", 336) // patch) ** 2,
        )

    @property
    def patch_frames(self) -> int:
        """As configured."""
        return self.frames

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Patches and positions, blocks, the convolution that merges patches, the merger."""
        tower = place.part(collection)
        patch_embedding(tower, self.width, self.patch_size, channels=self.channels, frames=self.frames, bias=True)
        tower.tensor("embeddings.position_embedding.weight", self.positions * self.width)
        tower.tensor("embeddings.position_ids", self.positions, dtype=DType.INT64)
        self._blocks(place.part(collection, "blocks.{}", self.layers))
        self._norms(tower)
        tower.linear("downsample", self.output_size, self.width * self.merge_size**2, bias=True, quantizable=False)
        merger = place.merger(collection, "merger")
        merger.column("proj", self.output_size, self.output_size)
        merger.norm("post_projection_norm", self.output_size, bias=True)
        inner = self.merger_inner
        merger.merged("gate_up_proj", ("gate_proj", "up_proj"), (inner, inner), self.output_size)
        merger.row("down_proj", self.output_size, inner)
        rotary_table(tower, self.head_size)

    def _blocks(self, blocks: Block) -> None:
        blocks.norm("norm1", self.width)
        blocks.norm("norm2", self.width)
        fused_attention(blocks, self.width, bias=False)
        self.mlp(blocks, bias=False)

    def _norms(self, tower: Block) -> None:
        tower.norm("post_conv_layernorm", self.width)
        tower.norm("post_layernorm", self.width)


@dataclass(frozen=True, slots=True, kw_only=True)
class NormedDownsampleTower(GatedDownsampleTower):
    """The same with norms on query and key, MLPs of the config's width, and no learned positions.

    Attributes:
        bias: attention and MLPs have biases.
    """

    bias: bool

    @classmethod
    def read(cls, vision: Config, defaults: Mapping[str, Any], merger_inner: int = 0) -> Self:
        """The tower of this section.

        Args:
            vision: ``vision_config``.
            defaults: its class's.
            merger_inner: width inside the merger: the MLP width of the language model.
        """
        filled = vision.over(defaults)
        return cls(
            layers=filled.integer("depth"),
            width=filled.integer("hidden_size"),
            inner=filled.integer("intermediate_size"),
            heads=filled.integer("num_heads"),
            patch_size=filled.integer("patch_size"),
            merge_size=filled.integer("spatial_merge_size", 2),
            output_size=filled.integer("out_hidden_size"),
            channels=filled.integer("in_channels", 3),
            frames=filled.integer("temporal_patch_size", 2),
            merger_inner=merger_inner,
            bias=filled.boolean("attention_bias", True),
        )

    def _blocks(self, blocks: Block) -> None:
        blocks.norm("norm1", self.width)
        blocks.norm("norm2", self.width)
        blocks.norm("attn.q_norm", self.head_size)
        blocks.norm("attn.k_norm", self.head_size)
        fused_attention(blocks, self.width, bias=self.bias)
        self.mlp(blocks, bias=self.bias)

    def _norms(self, tower: Block) -> None:
        tower.norm("post_layernorm", self.width)
