"""Perception Encoder: rotated in two dimensions by a table a block, learned positions, two convolutions behind it.

Source: vLLM 0.32 and 0.33, ``model_executor/models/step_vl.py`` (``PerceptionEncoder``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from vlm_operator.engine.tower_traits import Activation, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower, plain_activation, widened
from vlm_operator.model.weights.modules import Collection


@dataclass(frozen=True, slots=True, kw_only=True)
class PerceptionEncoder(Tower):
    """The tower.

    Attributes:
        grid: patches of an image.
        class_token, learned, first_norm, last_norm, scaled: what it has.
        activation: between the two matrices of its MLPs.
    """

    grid: int
    class_token: bool
    learned: bool
    first_norm: bool
    last_norm: bool
    scaled: bool
    activation: Activation

    @property
    def memory_traits(self) -> TowerTraits:
        """Queries and keys are rotated in every block."""
        return TowerTraits(activation=self.activation)

    @classmethod
    def read(cls, vision: Config, *, output_size: int, merge_size: int) -> Self:
        """The tower of this section.

        Args:
            vision: ``vision_config``.
            output_size: elements of one output as the language model takes it.
            merge_size: patches a side that become one token.
        """
        width, patch = vision.integer("width"), vision.integer("patch_size")
        return cls(
            layers=vision.integer("layers"),
            width=width,
            inner=widened(width, vision, "mlp_ratio"),
            heads=vision.integer("heads"),
            patch_size=patch,
            merge_size=merge_size,
            output_size=output_size,
            grid=(vision.integer("image_size") // patch) ** 2,
            class_token=vision.boolean("use_cls_token", False),
            learned=vision.boolean("use_abs_posemb", True),
            first_norm=vision.boolean("use_ln_pre", True),
            last_norm=vision.boolean("use_ln_post", True),
            scaled=vision.values.get("ls_init_value") is not None,
            activation=plain_activation(vision),
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Patches and positions, the blocks, the convolutions that thin their outputs."""
        tower, width = place.part(collection), self.width
        rows = self.grid + self.class_token
        tower.linear("conv1", width, 3 * self.patch_size**2, quantizable=False)
        tower.tensor("class_embedding", width * self.class_token)
        tower.tensor("positional_embedding", rows * width * self.learned)
        tower.norm("ln_pre", width * self.first_norm, bias=True)
        tower.norm("ln_post", width * self.last_norm, bias=True)
        blocks = place.part(collection, "transformer.resblocks.{}", self.layers)
        blocks.qkv("attn", self.heads, self.heads, self.head_size, width, bias=True)
        blocks.row("attn.out_proj", width, width, bias=True)
        self.mlp(blocks, ("fc1", "fc2"), bias=True)
        for name in ("ln_1", "ln_2"):
            blocks.norm(name, width, bias=True)
        for name in ("ls_1.gamma", "ls_2.gamma"):
            blocks.tensor(name, width * self.scaled)
        blocks.tensor("attn.rope.freqs_cache", rows * self.head_size, dtype=DType.FLOAT32)
        merger = place.merger(collection, "")
        for name, step in (("vit_downsampler1", 1), ("vit_downsampler2", 2)):
            merger.linear(name, 2 * step * width, step * width * 3**2, bias=True, quantizable=False)
