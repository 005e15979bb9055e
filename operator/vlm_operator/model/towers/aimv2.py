"""AIMv2: square images, gated MLPs, learned positions, RMS norms.

Source: vLLM 0.33, ``model_executor/models/aimv2.py``; defaults of transformers' ``Aimv2VisionConfig``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from vlm_operator.engine.tower_traits import Activation, Rotation, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Collection

AIMV2: Final[Mapping[str, Any]] = {
    "num_hidden_layers": 24,
    "hidden_size": 1024,
    "intermediate_size": 2816,
    "num_attention_heads": 8,
    "patch_size": 14,
    "image_size": 224,
}
"""What ``Aimv2VisionConfig`` fills in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Aimv2Tower(Tower):
    """The tower.

    Attributes:
        channels: colours of a pixel.
        positions: learned positions of patches.
        qkv_bias: query, key and value have biases.
        mlp_bias: the matrices of MLPs have them, and attention's output.
    """

    traits: ClassVar[TowerTraits] = TowerTraits(
        gated=True, rotation=Rotation.NONE, activation=Activation.SILU_AND_MUL, embeddings_kept=1
    )

    channels: int
    positions: int
    qkv_bias: bool
    mlp_bias: bool

    @classmethod
    def read(cls, vision: Config, *, merge_size: int, output_size: int, choice_bytes: int = 0) -> Self:
        """The tower of this section; the others as the attributes."""
        filled = vision.over(AIMV2)
        patch = filled.integer("patch_size")
        return cls(
            layers=filled.integer("num_hidden_layers"),
            width=filled.integer("hidden_size"),
            inner=filled.integer("intermediate_size"),
            heads=filled.integer("num_attention_heads"),
            patch_size=patch,
            merge_size=merge_size,
            output_size=output_size,
            choice_bytes=choice_bytes,
            channels=filled.integer("num_channels", 3),
            positions=(filled.integer("image_size") // patch) ** 2,
            qkv_bias=filled.boolean("qkv_bias", False),
            mlp_bias=filled.boolean("mlp_bias", False),
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Patches, their norm and positions, the blocks; no norm after them."""
        width = self.width
        embeddings = place.part(collection, "preprocessor")
        inputs = self.channels * self.patch_size**2
        embeddings.linear("patchifier.proj", width, inputs, bias=True, quantizable=False)
        embeddings.norm("patchifier.norm", width)
        embeddings.tensor("pos_embed", self.positions * width)
        blocks = place.part(collection, "trunk.blocks.{}", self.layers)
        blocks.column("attn.qkv", 3 * width, width, bias=self.qkv_bias)
        blocks.row("attn.proj", width, width, bias=self.mlp_bias)
        blocks.norm("norm_1", width)
        blocks.norm("norm_2", width)
        names = ("mlp.fc1", "mlp.fc3")
        blocks.merged("mlp.fc13", names, (self.inner, self.inner), width, bias=self.mlp_bias)
        blocks.row("mlp.fc2", width, self.inner, bias=self.mlp_bias)
