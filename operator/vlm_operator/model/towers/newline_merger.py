"""Transformers' own tower with learned positions, whole on every rank, and a merger of convolutions.

Source: transformers 5 ``models/hunyuan_vl/modeling_hunyuan_vl.py`` (``HunYuanVLVisionTransformer``), which vLLM 0.32
and 0.33 run in their Transformers backend.
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

NEWLINE_MERGER: Final[Mapping[str, Any]] = {
    "num_hidden_layers": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "patch_size": 16,
    "spatial_merge_size": 2,
    "max_image_size": 2048,
}
"""What ``HunYuanVLVisionConfig`` fills in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewlineMergerTower(Tower):
    """The tower.

    Attributes:
        channels: colours of a pixel.
        positions: learned ones, and one of a class token that is never used.
    """

    traits: ClassVar[TowerTraits] = TowerTraits(rotation=Rotation.NONE)

    channels: int
    positions: int

    @classmethod
    def read(cls, vision: Config, output_size: int) -> Self:
        """The tower of this section.

        Args:
            vision: ``vision_config``.
            output_size: width of the language model, which its class gives the merger.
        """
        filled = vision.over(NEWLINE_MERGER)
        patch = filled.integer("patch_size")
        return cls(
            layers=filled.integer("num_hidden_layers"),
            width=filled.integer("hidden_size"),
            inner=filled.integer("intermediate_size"),
            heads=filled.integer("num_attention_heads"),
            patch_size=patch,
            merge_size=filled.integer("spatial_merge_size"),
            output_size=output_size,
            channels=filled.integer("num_channels", 3),
            positions=(filled.integer("max_image_size") // patch) ** 2 + 1,
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Patches and positions, the blocks, the merger with its learned marks."""
        tower, width = place.part(collection), self.width
        inputs = self.channels * self.patch_size**2
        tower.linear("embeddings.patch_embedding", width, inputs, bias=True, quantizable=False)
        tower.tensor("embeddings.position_embedding.weight", self.positions * width)
        blocks = place.part(collection, "layers.{}", self.layers)
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            blocks.linear(f"self_attn.{name}", width, width, bias=True)
        blocks.linear("mlp.fc1", self.inner, width, bias=True)
        blocks.linear("mlp.fc2", width, self.inner, bias=True)
        blocks.norm("layer_norm1", width, bias=True)
        blocks.norm("layer_norm2", width, bias=True)
        merger = tower.part("patch_merger")
        merger.linear("proj_conv", 2 * width, width * self.merge_size**2, bias=True, quantizable=False)
        merger.linear("proj_out", 4 * width, 2 * width, bias=True, quantizable=False)
        merger.linear("mlp", self.output_size, 4 * width, bias=True)
        merger.tensor("image_newline", 4 * width)
        for name in ("image_begin", "image_end", "image_sep"):
            merger.tensor(name, self.output_size)
        merger.norm("before_rms", width)
        merger.norm("after_rms", self.output_size)
