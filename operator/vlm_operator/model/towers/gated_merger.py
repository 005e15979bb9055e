"""The tower with RMS norms, gated MLPs and attention in windows, whose merger is an MLP over a square of patches.

Source: vLLM 0.32 ``model_executor/models/qwen2_5_vl.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from vlm_operator.engine.tower_traits import Activation, Rotation, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.towers.parts import fused_attention, patch_embedding, rotary_table
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class GatedMergerTower(Tower):
    """The tower.

    Attributes:
        channels, frames: colours of a pixel, frames of a patch.
        kv_heads: key and value heads of a block's attention; 0: as many as query heads.
    """

    traits: ClassVar[TowerTraits] = TowerTraits(
        gated=True,
        rotation=Rotation.SHARED,
        fused_norms=True,
        activation=Activation.SILU_AND_MUL,
        projections_kept=True,
    )

    channels: int
    frames: int
    kv_heads: int = 0

    @classmethod
    def read(cls, vision: Config, defaults: Mapping[str, Any], *, grouped: bool = False) -> Self:
        """The tower of this section, its class's ``defaults`` filled in.

        Args:
            vision: ``vision_config``.
            defaults: what the tower's class fills in.
            grouped: ``num_key_value_heads`` is read (``exaone4_5.py``).
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
            kv_heads=filled.integer("num_key_value_heads") if grouped else 0,
        )

    @property
    def patch_frames(self) -> int:
        """As configured."""
        return self.frames

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Patches, blocks, the merger."""
        tower = place.part(collection)
        patch_embedding(tower, self.width, self.patch_size, channels=self.channels, frames=self.frames, bias=False)
        blocks = place.part(collection, "blocks.{}", self.layers)
        blocks.norm("norm1", self.width)
        blocks.norm("norm2", self.width)
        if self.kv_heads:
            names, size = ("qkv", "qkv", "qkv"), self.head_size
            blocks.qkv("attn", self.heads, self.kv_heads, size, self.width, bias=True, names=names, fused="qkv")
            blocks.row("attn.proj", self.width, self.width, bias=True)
        else:
            fused_attention(blocks, self.width, bias=True)
        self.mlp(blocks, bias=True)
        merger = place.merger(collection, "merger")
        merger.norm("ln_q", self.width)
        merged = self.width * self.merge_size**2
        merger.mlp("mlp", merged, merged, ("0", "2"), outputs=self.output_size)
        rotary_table(tower, self.head_size)
