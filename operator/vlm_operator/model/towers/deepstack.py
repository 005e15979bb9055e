"""The tower with learned positions, plain MLPs and mergers for the levels that DeepStack hands to early layers.

Source: vLLM 0.32, ``Qwen3_VisionTransformer`` (``model_executor/models``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from vlm_operator.engine.tower_traits import Rotation, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.towers.parts import fused_attention, patch_embedding, rotary_table
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Block, Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepstackTower(Tower):
    """The tower, divided over ranks or kept whole under ``--mm-encoder-tp-mode data``.

    Attributes:
        channels, frames: colours of a pixel, frames of a patch.
        positions: rows of learned positions.
    """

    traits: ClassVar[TowerTraits] = TowerTraits(rotation=Rotation.SHARED)

    channels: int
    frames: int
    positions: int

    @classmethod
    def read(cls, vision: Config, defaults: Mapping[str, Any]) -> Self:
        """The tower of this section.

        Args:
            vision: ``vision_config``.
            defaults: what the family's class fills in; ``deepstack_visual_indexes`` is a list of blocks.
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
            deepstack_levels=len(filled.items("deepstack_visual_indexes") or []),
            channels=filled.integer("in_channels", 3),
            frames=filled.integer("temporal_patch_size", 2),
            positions=filled.integer("num_position_embeddings", 2304),
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Patches and positions, blocks, a merger for the output and one for each level."""
        tower = place.part(collection)
        patch_embedding(tower, self.width, self.patch_size, channels=self.channels, frames=self.frames, bias=True)
        tower.tensor("pos_embed.weight", self.positions * self.width)
        blocks = place.part(collection, "blocks.{}", self.layers)
        blocks.norm("norm1", self.width, bias=True)
        blocks.norm("norm2", self.width, bias=True)
        fused_attention(blocks, self.width, bias=True)
        self.mlp(blocks, ("linear_fc1", "linear_fc2"), bias=True)
        merger = place.merger(collection, "merger")
        merger.norm("norm", self.width, bias=True)
        self._merge(merger)
        levels = place.merger(collection, "deepstack_merger_list.{}", self.deepstack_levels)
        levels.norm("norm", self._merged, bias=True)
        self._merge(levels)
        rotary_table(tower, self.head_size)

    @property
    def _merged(self) -> int:
        return self.width * self.merge_size**2

    def _merge(self, merger: Block) -> None:
        merger.column("linear_fc1", self._merged, self._merged, bias=True)
        merger.row("linear_fc2", self.output_size, self._merged, bias=True)
