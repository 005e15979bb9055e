"""SigLIP over patches of any resolution: learned positions beside rotated ones.

Sources: vLLM 0.32 ``model_executor/models/keye.py``, ``paddleocr_vl.py`` and ``siglip2navit.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from vlm_operator.engine.tower_traits import TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Collection

SO400M: Final = {
    "num_hidden_layers": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 384,
}
"""SigLIP so400m, what the classes of this tower fill in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SiglipNavit(Tower):
    """The tower, its blocks under ``encoder.layers``.

    Attributes:
        channels: colours of a pixel.
        positions: learned ones, of one image.
        own_traits: what decides about its memory in the family that has it.
        position_ids: the positions are numbered in a buffer.
        packed_positions: further learned positions, for packed sequences.
    """

    channels: int
    positions: int
    own_traits: TowerTraits
    position_ids: bool = False
    packed_positions: int = 0

    @classmethod
    def read(
        cls,
        vision: Config,
        defaults: Mapping[str, Any],
        *,
        output_size: int,
        merge_size: int,
        traits: TowerTraits,
        position_ids: bool = False,
        packed_positions: int = 0,
    ) -> Self:
        """The tower of this section, its class's ``defaults`` filled in; the others as the attributes."""
        filled = vision.over(defaults)
        patch = filled.integer("patch_size")
        return cls(
            layers=filled.integer("num_hidden_layers"),
            width=filled.integer("hidden_size"),
            inner=filled.integer("intermediate_size"),
            heads=filled.integer("num_attention_heads"),
            patch_size=patch,
            merge_size=merge_size,
            output_size=output_size,
            channels=filled.integer("num_channels", 3),
            positions=(filled.integer("image_size") // patch) ** 2,
            own_traits=traits,
            position_ids=position_ids,
            packed_positions=packed_positions,
        )

    @property
    def memory_traits(self) -> TowerTraits:
        """As the family says."""
        return self.own_traits

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Patches and positions, blocks with separate query, key and value."""
        tower, width = place.part(collection), self.width
        blocks = place.part(collection, "encoder.layers.{}", self.layers)
        patch = self.channels * self.patch_size**2
        tower.linear("embeddings.patch_embedding", width, patch, bias=True, quantizable=False)
        tower.tensor("embeddings.position_embedding.weight", self.positions * width)
        blocks.norm("layer_norm1", width, bias=True)
        blocks.norm("layer_norm2", width, bias=True)
        blocks.qkv("self_attn", self.heads, self.heads, self.head_size, width, bias=True)
        blocks.row("self_attn.out_proj", width, width, bias=True)
        self.mlp(blocks, ("fc1", "fc2"), bias=True)
        tower.norm("post_layernorm", width, bias=True)
        tower.tensor("encoder.rotary_pos_emb.inv_freq", self.head_size // 2 // 2, dtype=DType.FLOAT32)
        if self.position_ids:
            tower.tensor("embeddings.position_ids", self.positions, dtype=DType.INT64)
        tower.tensor("embeddings.packing_position_embedding.weight", self.packed_positions * width)
