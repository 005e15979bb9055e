"""Patches of frames sorted into windows: learned positions, separate query, key and value, MLPs whole on every rank.

Source: vLLM 0.33, ``model_executor/models/muse_glimmer.py`` (``MuseGlimmerVisionEncoder``).
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

WINDOW_PERMUTED: Final[Mapping[str, Any]] = {
    "num_hidden_layers": 50,
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_attention_heads": 16,
    "patch_size": 14,
    "patch_temporal": 2,
    "merge_size": 2,
    "pos_emb_height": 32,
    "pos_emb_width": 32,
}
"""What ``MuseGlimmerVisionConfig`` fills in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowPermutedTower(Tower):
    """The tower.

    Attributes:
        frames: frames of a patch.
        positions: learned ones.
    """

    traits: ClassVar[TowerTraits] = TowerTraits(rotation=Rotation.FLOAT32_STACKED, embeddings_kept=2)

    frames: int
    positions: int

    @classmethod
    def read(cls, vision: Config, output_size: int) -> Self:
        """The tower of this section.

        Args:
            vision: ``vision_config``.
            output_size: width of the language model.
        """
        filled = vision.over(WINDOW_PERMUTED)
        return cls(
            layers=filled.integer("num_hidden_layers"),
            width=filled.integer("hidden_size"),
            inner=filled.integer("intermediate_size"),
            heads=filled.integer("num_attention_heads"),
            patch_size=filled.integer("patch_size"),
            merge_size=filled.integer("merge_size"),
            output_size=output_size,
            frames=filled.integer("patch_temporal"),
            positions=filled.integer("pos_emb_height") * filled.integer("pos_emb_width"),
        )

    @property
    def patch_frames(self) -> int:
        """As configured."""
        return self.frames

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Patches and positions, the norms around the blocks, the blocks."""
        tower, width = place.part(collection), self.width
        tower.linear("conv1_linear", width, 3 * self.frames * self.patch_size**2, quantizable=False)
        tower.tensor("positional_embedding_vlm", self.positions * width)
        tower.norm("ln_pre", width, bias=True)
        tower.norm("ln_post", width, bias=True)
        blocks = place.part(collection, "transformer.{}", self.layers)
        blocks.norm("ln_1", width, bias=True)
        blocks.norm("ln_2", width, bias=True)
        blocks.qkv("attn", self.heads, self.heads, self.head_size, width, bias=True)
        blocks.row("attn.o_proj", width, width, bias=True)
        blocks.linear("mlp.c_fc", self.inner, width, bias=True, quantizable=False)
        blocks.linear("mlp.c_proj", width, self.inner, bias=True, quantizable=False)
