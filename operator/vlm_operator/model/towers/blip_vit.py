"""BLIP's tower: a class token, positions learned for one image size, query, key and value in one matrix.

Source: vLLM 0.32 and 0.33, ``model_executor/models/blip.py``; defaults are those of ``Blip2VisionConfig``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from vlm_operator.engine.tower_traits import Rotation, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Collection

_DEFAULTS: Final[Mapping[str, Any]] = {
    "num_hidden_layers": 39,
    "hidden_size": 1408,
    "intermediate_size": 6144,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 224,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BlipTower(Tower):
    """The tower.

    Attributes:
        positions: learned positions, with the class token's.
    """

    traits: ClassVar[TowerTraits] = TowerTraits(rotation=Rotation.NONE, embeddings_kept=1)

    positions: int

    @classmethod
    def read(cls, vision: Config, *, output_size: int) -> Self:
        """The tower of this section.

        Args:
            vision: ``vision_config``.
            output_size: elements of one output as the language model takes it.
        """
        filled = vision.over(_DEFAULTS)
        patch = filled.integer("patch_size")
        return cls(
            layers=filled.integer("num_hidden_layers"),
            width=filled.integer("hidden_size"),
            inner=filled.integer("intermediate_size"),
            heads=filled.integer("num_attention_heads"),
            patch_size=patch,
            merge_size=1,
            output_size=output_size,
            positions=(filled.integer("image_size") // patch) ** 2 + 1,
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Class token, patches and positions, the blocks, the norm after them."""
        width = self.width
        embeddings = place.part(collection, "embeddings")
        embeddings.tensor("class_embedding", width)
        embeddings.tensor("position_embedding", self.positions * width)
        embeddings.linear("patch_embedding", width, 3 * self.patch_size**2, bias=True, quantizable=False)
        blocks = place.part(collection, "encoder.layers.{}", self.layers)
        names = ("qkv", "qkv", "qkv")
        blocks.qkv("self_attn", self.heads, self.heads, self.head_size, width, bias=True, names=names, fused="qkv")
        blocks.row("self_attn.projection", width, width, bias=True)
        blocks.norm("layer_norm1", width, bias=True)
        blocks.norm("layer_norm2", width, bias=True)
        self.mlp(blocks, ("fc1", "fc2"), bias=True)
        place.part(collection).norm("post_layernorm", width, bias=True)
