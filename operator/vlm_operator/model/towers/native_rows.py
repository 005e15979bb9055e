"""Pixtral's tower in transformers' format: any resolution, gated MLPs, no biases, rotary positions.

Source: vLLM 0.32, ``model_executor/models/pixtral.py`` (``PixtralHFVisionModel``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from vlm_operator.engine.tower_traits import Activation, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Block, Collection

PIXTRAL: Final = {
    "num_hidden_layers": 24,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "patch_size": 16,
}
"""What ``PixtralVisionConfig`` fills in."""
MISTRAL: Final[Mapping[str, Any]] = {**PIXTRAL, "hidden_act": "silu"}
"""The same in Mistral's own format, whose activation is fixed (``FeedForward``)."""

_GATED: Final = {False: Activation.GELU_AND_MUL, True: Activation.SILU_AND_MUL}
"""What gates its MLPs, by "SiLU"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NativeRowsTower(Tower):
    """The tower.

    Attributes:
        channels: colours of a pixel.
        rotated: elements of a head that are rotated.
        activation: between the matrices of its MLPs.
    """

    channels: int
    rotated: int
    activation: Activation

    @property
    def memory_traits(self) -> TowerTraits:
        """The convolution's outputs and their normed copy stay, and in a block what attention gave."""
        return TowerTraits(
            gated=True, activation=self.activation, embeddings_kept=2, attention_kept=True, projections_kept=True
        )

    @classmethod
    def read(
        cls,
        vision: Config,
        *,
        merge_size: int,
        output_size: int,
        built: int | None = None,
        defaults: Mapping[str, Any] = PIXTRAL,
    ) -> Self:
        """The tower of this section.

        Args:
            vision: ``vision_config``.
            merge_size: patches a side that become one token, by the model's projector.
            output_size: elements of one output as the language model takes it.
            built: blocks that vLLM builds; None: all.
            defaults: what the tower's class fills in.
        """
        filled = vision.over(defaults)
        width, heads = filled.integer("hidden_size"), filled.integer("num_attention_heads")
        return cls(
            layers=filled.integer("num_hidden_layers") if built is None else built,
            width=width,
            inner=filled.integer("intermediate_size"),
            heads=heads,
            patch_size=filled.integer("patch_size"),
            merge_size=merge_size,
            output_size=output_size,
            channels=filled.integer("num_channels", 3),
            rotated=filled.integer("head_dim", width // heads),
            activation=_GATED[filled.text("hidden_act", "gelu") == "silu"],
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Patches, a norm, the blocks, the rotary frequencies."""
        tower = place.part(collection)
        tower.linear("patch_conv", self.width, self.channels * self.patch_size**2, quantizable=False)
        tower.norm("ln_pre", self.width)
        blocks = place.part(collection, "transformer.layers.{}", self.layers)
        blocks.norm("attention_norm", self.width)
        blocks.qkv("attention", self.heads, self.heads, self.head_size, self.width)
        blocks.row("attention.o_proj", self.width, self.heads * self.head_size)
        self.mlp(blocks, bias=False, module="feed_forward")
        blocks.norm("ffn_norm", self.width)
        self._frequencies(tower)

    def _frequencies(self, tower: Block) -> None:
        tower.tensor("patch_positional_embedding.inv_freq", 2 * (self.rotated // 2), dtype=DType.FLOAT32)


@dataclass(frozen=True, slots=True, kw_only=True)
class UntabledRowsTower(NativeRowsTower):
    """The same in Mistral's own format, which makes its frequencies when the first image comes."""

    def _frequencies(self, tower: Block) -> None:
        """None are kept as a buffer."""
