"""EVA-CLIP: query, key and value in one matrix, norms behind attention and MLP, a class token.

Source: vLLM 0.32, ``model_executor/models/glm4v.py`` (``EVA2CLIPModel``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self

from vlm_operator.engine.tower_traits import Rotation, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaTower(Tower):
    """The tower.

    Attributes:
        channels: colours of a pixel.
        positions: patches of an image and the class token.
    """

    traits: ClassVar[TowerTraits] = TowerTraits(rotation=Rotation.NONE, embeddings_kept=1)

    channels: int
    positions: int

    @classmethod
    def read(cls, vision: Config, output_size: int) -> Self:
        """The tower of this section, which states all its dimensions; a convolution merges two by two patches.

        Args:
            vision: ``vision_config``.
            output_size: width of the language model.
        """
        return cls(
            layers=vision.integer("num_hidden_layers"),
            width=vision.integer("hidden_size"),
            inner=vision.integer("intermediate_size"),
            heads=vision.integer("num_heads"),
            patch_size=vision.integer("patch_size"),
            merge_size=2,
            output_size=output_size,
            channels=vision.integer("in_channels", 3),
            positions=vision.integer("num_positions"),
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Class token, patches and positions, the blocks."""
        width = self.width
        tower = place.part(collection)
        tower.tensor("patch_embedding.cls_embedding", width)
        inputs = self.channels * self.patch_size**2
        tower.linear("patch_embedding.proj", width, inputs, bias=True, quantizable=False)
        tower.tensor("patch_embedding.position_embedding.weight", self.positions * width)
        blocks = place.part(collection, "transformer.layers.{}", self.layers)
        blocks.column("attention.query_key_value", 3 * width, width, bias=True, heads=self.heads)
        blocks.row("attention.dense", width, width, bias=True)
        self.mlp(blocks, ("fc1", "fc2"), bias=True)
        blocks.norm("input_layernorm", width, bias=True)
        blocks.norm("post_attention_layernorm", width, bias=True)
