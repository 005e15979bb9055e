"""A tower of which only the dimensions are known: start-up memory follows from them, weights do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from vlm_operator.engine.tower_traits import PLAIN_TOWER, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.multimodal.families import square_side
from vlm_operator.model.towers.tower import Tower, widened


@dataclass(frozen=True, slots=True, kw_only=True)
class UnreadTower(Tower):
    """The dimensions.

    Attributes:
        own_traits: what decides about its memory in the family that has it.
    """

    own_traits: TowerTraits = PLAIN_TOWER

    @classmethod
    def read(
        cls,
        vision: Config,
        defaults: Mapping[str, Any],
        *,
        output_size: int,
        merge_size: int,
        traits: TowerTraits = PLAIN_TOWER,
    ) -> Self:
        """The tower of a section with ``depth`` or ``num_hidden_layers``, ``hidden_size``, ``num_heads`` or
        ``num_attention_heads``, and ``patch_size``.

        Args:
            vision: its section; the width of its MLP is ``intermediate_size`` or ``mlp_ratio`` times its own.
            defaults: its class's.
            output_size: width of the language model.
            merge_size: patches a side that become one token.
            traits: what decides about its memory.
        """
        filled = vision.over(defaults)
        width = filled.integer("hidden_size")
        ratio = vision.has("mlp_ratio") or not filled.has("intermediate_size")
        return cls(
            layers=filled.integer("depth" if filled.has("depth") else "num_hidden_layers"),
            width=width,
            inner=widened(width, filled, "mlp_ratio") if ratio else filled.integer("intermediate_size"),
            heads=filled.integer("num_heads" if filled.has("num_heads") else "num_attention_heads"),
            patch_size=square_side(filled, "patch_size"),
            merge_size=merge_size,
            output_size=output_size,
            own_traits=traits,
        )

    @property
    def memory_traits(self) -> TowerTraits:
        """As the family says."""
        return self.own_traits
