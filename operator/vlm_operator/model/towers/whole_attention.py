"""SigLIP so400m of PyTorch Image Models: tensor parallelism divides its MLPs alone; attention pools its outputs.

Source: vLLM 0.32, ``model_executor/models/deepseek_vl2.py`` (``_init_vision_module``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Self

from vlm_operator.engine.tower_traits import TowerKind, TowerTraits
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import SO400M
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Collection

_POSITIONS: Final = (384 // 14) ** 2
"""Patches of an image of 384 pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeAttentionTower(Tower):
    """The tower."""

    traits: ClassVar[TowerTraits] = TowerTraits(kind=TowerKind.ATTENTION_WHOLE)

    @classmethod
    def fixed(cls, output_size: int) -> Self:
        """The tower as vLLM fixes it; two by two patches stand side by side in one output.

        Args:
            output_size: elements of one output as the language model takes it.
        """
        return cls(
            layers=SO400M["num_hidden_layers"],
            width=SO400M["hidden_size"],
            inner=SO400M["intermediate_size"],
            heads=SO400M["num_attention_heads"],
            patch_size=SO400M["patch_size"],
            merge_size=2,
            output_size=output_size,
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Patches and positions, the pooling attention, the blocks."""
        width = self.width
        tower = place.part(collection)
        tower.tensor("pos_embed", _POSITIONS * width)
        tower.linear("patch_embed.proj", width, 3 * self.patch_size**2, bias=True, quantizable=False)
        tower.norm("norm", width, bias=True)
        tower.tensor("attn_pool.latent", width)
        for name, rows in (("q", width), ("kv", 2 * width), ("proj", width)):
            tower.linear(f"attn_pool.{name}", rows, width, bias=True, quantizable=False)
        tower.norm("attn_pool.norm", width, bias=True)
        self.mlp(tower, ("fc1", "fc2"), bias=True, module="attn_pool.mlp")
        blocks = place.part(collection, "blocks.{}", self.layers)
        blocks.norm("norm1", width, bias=True)
        blocks.norm("norm2", width, bias=True)
        blocks.linear("attn.qkv", 3 * width, width, bias=True, quantizable=False)
        blocks.linear("attn.proj", width, width, bias=True, quantizable=False)
        self.mlp(blocks, ("fc1", "fc2"), bias=True)
