"""ERNIE 4.5's tower: plain blocks over patches of any resolution, a norm after them.

Source: vLLM 0.32 and 0.33, ``model_executor/models/ernie45_vl.py`` (``Ernie4_5_VisionTransformer``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from vlm_operator.engine.tower_traits import Activation, Rotation, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType
from vlm_operator.model.multimodal.families import square_side
from vlm_operator.model.towers.parts import fused_attention
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower, widened
from vlm_operator.model.weights.modules import Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class ErnieTower(Tower):
    """The tower.

    Attributes:
        channels: colours of a pixel.
    """

    traits: ClassVar[TowerTraits] = TowerTraits(rotation=Rotation.SHARED_SEPARATE, activation=Activation.QUICK_GELU)

    channels: int

    @classmethod
    def read(cls, vision: Config, defaults: Mapping[str, Any], *, output_size: int) -> Self:
        """The tower of this section, its class's ``defaults`` filled in; ``mlp_ratio`` counts where it is given."""
        filled = vision.over(defaults)
        width = filled.integer("hidden_size")
        return cls(
            layers=filled.integer("depth"),
            width=width,
            inner=_inner(width, vision, filled),
            heads=filled.integer("num_heads"),
            patch_size=square_side(filled, "patch_size"),
            merge_size=filled.integer("spatial_merge_size", 2),
            output_size=output_size,
            channels=filled.integer("in_channels", 3),
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Patches, blocks, the norm after them, the frequencies of rotation."""
        tower, width = place.part(collection), self.width
        tower.linear("patch_embed.proj", width, self.channels * self.patch_size**2, quantizable=False)
        blocks = place.part(collection, "blocks.{}", self.layers)
        blocks.norm("norm1", width, bias=True)
        blocks.norm("norm2", width, bias=True)
        fused_attention(blocks, width, bias=True)
        self.mlp(blocks, ("fc1", "fc2"), bias=True)
        tower.norm("ln", width, bias=True)
        tower.tensor("rotary_pos_emb.inv_freq", self.head_size // 2 // 2, dtype=DType.FLOAT32)


def _inner(width: int, vision: Config, filled: Config) -> int:
    return widened(width, vision, "mlp_ratio") if vision.has("mlp_ratio") else filled.integer("intermediate_size")
