"""Step3's tower: CLIP's embeddings, SigLIP's blocks, no norm after them; two convolutions thin its outputs.

Source: vLLM 0.32, ``model_executor/models/step3_vl.py`` (``Step3VisionTransformer``), ``transformers_utils/configs/
step3_vl.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from vlm_operator.engine.tower_traits import Activation, Rotation, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType
from vlm_operator.model.towers.parts import separate_attention
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower, plain_activation
from vlm_operator.model.weights.modules import Collection

THINNED: Final[Mapping[str, Any]] = {
    "num_hidden_layers": 63,
    "hidden_size": 1792,
    "intermediate_size": 3072,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 728,
    "output_hidden_size": 4096,
    "hidden_act": "quick_gelu",
}
"""What ``Step3VisionEncoderConfig`` fills in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinnedTower(Tower):
    """The tower.

    Attributes:
        channels: colours of a pixel.
        positions: patches of an image and the class token.
        thinned_width: elements of an output behind the first convolution.
        activation: between the two matrices of its MLPs.
    """

    channels: int
    positions: int
    thinned_width: int
    activation: Activation

    @property
    def memory_traits(self) -> TowerTraits:
        """Nothing is rotated; the embedded patches stay until the last block has run."""
        return TowerTraits(rotation=Rotation.NONE, activation=self.activation, embeddings_kept=1)

    @classmethod
    def read(cls, vision: Config, defaults: Mapping[str, Any], *, output_size: int, merge_size: int) -> Self:
        """The tower of this section.

        Args:
            vision: ``vision_config``.
            defaults: what its class fills in.
            output_size: elements of one output as the language model takes it.
            merge_size: patches a side that become one token.
        """
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
            positions=(filled.integer("image_size") // patch) ** 2 + 1,
            thinned_width=filled.integer("output_hidden_size"),
            activation=plain_activation(filled),
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Class token, patches and positions, then the blocks."""
        embeddings = place.part(collection, "embeddings")
        embeddings.tensor("class_embedding", self.width)
        inputs = self.channels * self.patch_size**2
        embeddings.linear("patch_embedding", self.width, inputs, bias=True, quantizable=False)
        embeddings.tensor("position_embedding.weight", self.positions * self.width)
        embeddings.tensor("position_ids", self.positions, dtype=DType.INT64)
        blocks = place.part(collection, "transformer.layers.{}", self.layers)
        blocks.norm("layer_norm1", self.width, bias=True)
        blocks.norm("layer_norm2", self.width, bias=True)
        separate_attention(blocks, self.width, self.heads, "out_proj")
        self.mlp(blocks, ("fc1", "fc2"), bias=True)
