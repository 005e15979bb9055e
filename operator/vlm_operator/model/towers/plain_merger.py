"""The tower with layer norms and plain MLPs whose merger is an MLP over two by two patches.

Source: vLLM 0.32 ``model_executor/models/qwen2_vl.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from vlm_operator.engine.tower_traits import Activation, Rotation, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.towers.parts import fused_attention, patch_embedding, rotary_table
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower, widened
from vlm_operator.model.weights.modules import Collection

_MERGED: Final = 4
"""Patches that the merger joins: vLLM's class has its own default, whatever ``spatial_merge_size`` says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainMergerTower(Tower):
    """The tower; its section calls its width ``embed_dim`` and the width of its outputs ``hidden_size``.

    Attributes:
        channels, frames: colours of a pixel, frames of a patch.
    """

    traits: ClassVar[TowerTraits] = TowerTraits(rotation=Rotation.SHARED_JOINED, activation=Activation.QUICK_GELU)

    channels: int
    frames: int

    @classmethod
    def read(cls, vision: Config, defaults: Mapping[str, Any]) -> Self:
        """The tower of this section, its class's ``defaults`` filled in."""
        filled = vision.over(defaults)
        width = filled.integer("embed_dim")
        return cls(
            layers=filled.integer("depth"),
            width=width,
            inner=widened(width, filled, "mlp_ratio"),
            heads=filled.integer("num_heads"),
            patch_size=filled.integer("patch_size"),
            merge_size=filled.integer("spatial_merge_size", 2),
            output_size=filled.integer("hidden_size"),
            channels=filled.integer("in_channels", 3),
            frames=filled.integer("temporal_patch_size", 2),
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
        blocks.norm("norm1", self.width, bias=True)
        blocks.norm("norm2", self.width, bias=True)
        fused_attention(blocks, self.width, bias=True)
        self.mlp(blocks, ("fc1", "fc2"), bias=True)
        merger = place.merger(collection, "merger")
        merger.norm("ln_q", self.width, bias=True)
        merged = self.width * _MERGED
        merger.mlp("mlp", merged, merged, ("0", "2"), outputs=self.output_size)
        rotary_table(tower, self.head_size)
