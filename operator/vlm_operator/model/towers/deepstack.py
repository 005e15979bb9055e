"""The tower with learned positions, plain MLPs and mergers for the levels that DeepStack hands to early layers.

Source: vLLM 0.32, ``Qwen3_VisionTransformer`` (``model_executor/models``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from vlm_operator.engine.tower_traits import PositionsKept, Rotation, TowerTraits
from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.towers.parts import fused_attention, patch_embedding, rotary_table
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Collection

DEEPSTACK_CLASS: Final[Mapping[str, Any]] = {
    "depth": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_heads": 16,
    "patch_size": 16,
    "out_hidden_size": 3584,
}
"""What the config class of this tower fills in (transformers 5: the class of the first family and those derived)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeepstackTower(Tower):
    """The tower, divided over ranks or kept whole under ``--mm-encoder-tp-mode data``.

    Attributes:
        channels, frames: colours of a pixel, frames of a patch.
        positions: rows of learned positions.
    """

    traits: ClassVar[TowerTraits] = TowerTraits(rotation=Rotation.SHARED, positions_kept=PositionsKept.ALWAYS)

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
            positions=cls._positions(filled),
        )

    @staticmethod
    def _positions(filled: Config) -> int:
        return filled.integer("num_position_embeddings", 2304)

    @property
    def patch_frames(self) -> int:
        """As configured."""
        return self.frames

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
        self._mergers(collection, place)
        rotary_table(tower, self.head_size)

    @property
    def merged(self) -> int:
        """Elements of the patches that a merger joins."""
        return self.width * self.merge_size**2

    def _mergers(self, collection: Collection, place: TowerPlace) -> None:
        output = place.merger(collection, "merger")
        levels = place.merger(collection, "deepstack_merger_list.{}", self.deepstack_levels)
        for merger, normed in ((output, self.width), (levels, self.merged)):
            merger.norm("norm", normed, bias=True)
            merger.column("linear_fc1", self.merged, self.merged, bias=True)
            merger.row("linear_fc2", self.output_size, self.merged, bias=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenamedDeepstackTower(DeepstackTower):
    """The same tower where mergers have other names and positions follow from ``image_size``."""

    @staticmethod
    def _positions(filled: Config) -> int:
        return (filled.integer("image_size", 0, least=0) // filled.integer("patch_size")) ** 2

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """As the tower above.

        Raises:
            UnknownFact: ``image_size`` is missing, so how many positions there are is not known.
        """
        if not self.positions:
            raise UnknownFact("vision_config.image_size is missing", field="vision_config.image_size")
        DeepstackTower.build(self, collection, place)

    def _mergers(self, collection: Collection, place: TowerPlace) -> None:
        output = place.merger(collection, "merger")
        levels = place.merger(collection, "merger_list.{}", self.deepstack_levels)
        for merger, normed in ((output, self.width), (levels, self.merged)):
            merger.norm("ln_q", normed, bias=True)
            merger.mlp("mlp", self.merged, self.merged, ("0", "2"), outputs=self.output_size)
