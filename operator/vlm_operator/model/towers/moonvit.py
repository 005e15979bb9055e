"""MoonViT: learned positions on a grid, in later models in time too; rotated as complex numbers.

Sources: vLLM 0.32 ``model_executor/models/moonvit.py`` and ``kimi_k25_vit.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from vlm_operator.engine.tower_traits import Rotation, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.lists import pair
from vlm_operator.model.weights.modules import Collection

MOONVIT: Final = {
    "num_hidden_layers": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "patch_size": 14,
}
"""What vLLM's ``MoonViTConfig`` and transformers' ``KimiK25VisionConfig`` fill in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoonViT(Tower):
    """The tower.

    Attributes:
        grid: rows and columns of learned positions.
        frames: positions in time; 0 where it has none.
        merged: patches that the projector joins.
    """

    grid: tuple[int, int]
    frames: int
    merged: int

    @classmethod
    def read(cls, vision: Config, output_size: int, defaults: Mapping[str, Any] = MOONVIT, *, frames: int = 0) -> Self:
        """The tower of this section.

        Args:
            vision: ``vision_config``.
            output_size: width of the language model.
            defaults: its class's.
            frames: positions in time; 0 where it has none.
        """
        filled = vision.over(defaults)
        rows, columns = pair(filled, "merge_kernel_size", 2)
        return cls(
            layers=filled.integer("num_hidden_layers"),
            width=filled.integer("hidden_size"),
            inner=filled.integer("intermediate_size"),
            heads=filled.integer("num_attention_heads"),
            patch_size=filled.integer("patch_size"),
            merge_size=rows,
            output_size=output_size,
            grid=(filled.integer("init_pos_emb_height", 64), filled.integer("init_pos_emb_width", 64)),
            frames=frames,
            merged=rows * columns,
        )

    @property
    def memory_traits(self) -> TowerTraits:
        """The tower with positions in time rotates otherwise in later releases; embedded patches stay."""
        rotation = Rotation.COMPLEX_IN_TIME if self.frames else Rotation.COMPLEX
        return TowerTraits(rotation=rotation, embeddings_kept=1)

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Patches and positions, blocks with one matrix for query, key and value."""
        tower = place.part(collection)
        tower.linear("patch_embed.proj", self.width, 3 * self.patch_size**2, bias=True, quantizable=False)
        tower.tensor("patch_embed.pos_emb.time_weight", self.frames * self.width)
        tower.tensor("patch_embed.pos_emb.weight", self.grid[0] * self.grid[1] * self.width)
        tower.norm("encoder.final_layernorm", self.width, bias=True)
        blocks = place.part(collection, "encoder.blocks.{}", self.layers)
        blocks.norm("norm0", self.width, bias=True)
        blocks.norm("norm1", self.width, bias=True)
        blocks.column("wqkv", 3 * self.width, self.width, bias=True)
        blocks.row("wo", self.width, self.width, bias=True)
        self.mlp(blocks, ("fc0", "fc1"), bias=True)
