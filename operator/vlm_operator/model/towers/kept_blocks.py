"""CLIP whose blocks' outputs all stay until the last has run; two levels of them are pooled.

Source: vLLM 0.32, ``model_executor/models/molmo.py`` (``VisionBackboneConfig``, ``VIT_LAYERS``: blocks 15 and 22 of
CLIP's 24; later ones are not built).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Self

from vlm_operator.engine.tower_traits import Activation, Rotation, TowerKind, TowerTraits
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import CLIP_LARGE
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Collection

LEVELS: Final = 2
"""Levels of features that are pooled."""
_BUILT: Final = 23
_POSITIONS: Final = 577
"""Patches of 336 pixels and the class token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptBlocksTower(Tower):
    """The tower."""

    traits: ClassVar[TowerTraits] = TowerTraits(
        kind=TowerKind.EVERY_BLOCK_KEPT, rotation=Rotation.NONE, activation=Activation.QUICK_GELU
    )

    @classmethod
    def fixed(cls, output_size: int) -> Self:
        """The tower as vLLM fixes it; two by two patches are pooled.

        Args:
            output_size: elements of one output as the language model takes it.
        """
        return cls(
            layers=_BUILT,
            width=CLIP_LARGE["hidden_size"],
            inner=CLIP_LARGE["intermediate_size"],
            heads=CLIP_LARGE["num_attention_heads"],
            patch_size=CLIP_LARGE["patch_size"],
            merge_size=2,
            output_size=output_size,
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Padding, class token, patches and positions, the blocks."""
        width = self.width
        top = place.part(collection)
        top.tensor("pad_embed", 2 * LEVELS * width)
        top.tensor("image_vit.class_embedding", width)
        top.tensor("image_vit.positional_embedding", _POSITIONS * width)
        top.linear("image_vit.patch_embedding", width, 3 * self.patch_size**2, quantizable=False)
        top.norm("image_vit.pre_ln", width, bias=True)
        blocks = place.part(collection, "image_vit.transformer.resblocks.{}", self.layers)
        for part in ("attention_norm", "ffn_norm"):
            blocks.norm(part, width, bias=True)
        for part in ("wq", "wk", "wv"):
            blocks.column(f"attention.{part}", width, width, bias=True, heads=self.heads)
        blocks.row("attention.wo", width, width, bias=True)
        self.mlp(blocks, ("w1", "w2"), bias=True, module="feed_forward")
