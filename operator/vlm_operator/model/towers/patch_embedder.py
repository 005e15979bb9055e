"""Patches that one matrix leads to the language model without a tower: norms, positions of rows and columns.

Source: vLLM 0.33 ``model_executor/models`` (the embedder of the class that builds it, ``_vision_chunk``); defaults of
transformers' config class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from vlm_operator.engine.tower_traits import Rotation, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Collection

_COLOURS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchEmbedder(Tower):
    """The embedder; a patch of it spans as many pixels as the pooled patches of an image.

    Attributes:
        positions: rows of the table of positions along each side.
        soft_tokens: outputs of one image.
    """

    positions: int
    soft_tokens: int

    @classmethod
    def read(cls, vision: Config, output_size: int) -> Self:
        """The embedder of this section."""
        width = vision.integer("mm_embed_dim", 3840)
        return cls(
            layers=1,
            width=width,
            inner=width,
            heads=1,
            patch_size=vision.integer("patch_size", 16) * vision.integer("pooling_kernel_size", 3),
            merge_size=1,
            output_size=output_size,
            positions=vision.integer("mm_posemb_size", 1120),
            soft_tokens=vision.integer("num_soft_tokens", 280),
        )

    @property
    def patch_elements(self) -> int:
        """Colours of the pixels of a patch."""
        return _COLOURS * self.patch_size**2

    @property
    def memory_traits(self) -> TowerTraits:
        """As many items are embedded at once as vLLM reckons."""
        return TowerTraits(
            rotation=Rotation.NONE,
            reckoned_patch_bytes=2 * (2 * self.patch_elements + 4 * self.width),
            item_patches=self.soft_tokens,
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """The matrix, its norms, the positions."""
        embedder = place.part(collection)
        embedder.norm("patch_ln1", self.patch_elements, bias=True)
        embedder.column("patch_dense", self.width, self.patch_elements, bias=True)
        embedder.norm("patch_ln2", self.width, bias=True)
        embedder.tensor("pos_embedding", self.positions * 2 * self.width)
        embedder.norm("pos_norm", self.width, bias=True)
