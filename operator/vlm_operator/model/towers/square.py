"""Towers over images of one size whose blocks are CLIP's: CLIP itself with a class token, SigLIP without one.

Sources: vLLM 0.32, ``model_executor/models/clip.py`` and ``siglip.py``. Defaults are those of transformers' config
classes.
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

CLIP: Final[Mapping[str, Any]] = {
    "num_hidden_layers": 12,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "patch_size": 32,
    "image_size": 224,
    "hidden_act": "quick_gelu",
}
"""What ``CLIPVisionConfig`` fills in."""
SIGLIP: Final[Mapping[str, Any]] = {**CLIP, "patch_size": 16, "hidden_act": "gelu_pytorch_tanh"}
"""What ``SiglipVisionConfig`` fills in."""

IDEFICS3: Final[Mapping[str, Any]] = {**SIGLIP, "hidden_size": 1152, "num_attention_heads": 16, "patch_size": 32}
"""What the config classes of Idefics3's, SmolVLM's and Aria's towers fill in."""
CLIP_LARGE: Final[Mapping[str, Any]] = {
    "num_hidden_layers": 24,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 336,
    "hidden_act": "quick_gelu",
}
"""CLIP ViT-L/14 at 336 pixels (``CLIP_VIT_LARGE_PATCH14_336_CONFIG``)."""
SO400M: Final[Mapping[str, Any]] = {
    "num_hidden_layers": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 448,
}
"""SigLIP so400m at 448 pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SquareTower(Tower):
    """A tower with positions learned for one image size.

    Attributes:
        channels: colours of a pixel.
        positions: learned positions of patches.
        post_norm: the norm after the last block is built.
        activation: between the two matrices of its MLPs.
        position_ids: the numbers of positions are kept as a buffer.
    """

    channels: int
    positions: int
    post_norm: bool
    activation: Activation = Activation.ONE_KERNEL
    position_ids: bool = True

    @property
    def memory_traits(self) -> TowerTraits:
        """Nothing is rotated; what goes into the first block stays until the last has run."""
        return TowerTraits(rotation=Rotation.NONE, activation=self.activation, embeddings_kept=1)

    @classmethod
    def read(
        cls,
        vision: Config,
        defaults: Mapping[str, Any],
        *,
        merge_size: int,
        output_size: int,
        built: int | None = None,
        positions: int | None = None,
        post_norm: bool | None = None,
        position_ids: bool = True,
    ) -> Self:
        """The tower of this section.

        Args:
            vision: ``vision_config``.
            defaults: what the tower's class fills in.
            merge_size: patches a side that become one token, by the model's projector.
            output_size: elements of one output as the language model takes it.
            built: blocks that vLLM builds; None: all.
            positions: learned positions; None: one for each patch of an image.
            post_norm: whether the norm after the last block is built; None: where all blocks are.
            position_ids: whether the numbers of positions are kept.
        """
        filled = vision.over(defaults)
        patch, whole = filled.integer("patch_size"), filled.integer("num_hidden_layers")
        layers = whole if built is None else built
        return cls(
            layers=layers,
            width=filled.integer("hidden_size"),
            inner=filled.integer("intermediate_size"),
            heads=filled.integer("num_attention_heads"),
            patch_size=patch,
            merge_size=merge_size,
            output_size=output_size,
            channels=filled.integer("num_channels", 3),
            positions=(filled.integer("image_size") // patch) ** 2 if positions is None else positions,
            post_norm=layers == whole if post_norm is None else post_norm,
            activation=plain_activation(filled),
            position_ids=position_ids,
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Patches and positions, then the blocks."""
        embeddings = place.part(collection, "embeddings")
        inputs = self.channels * self.patch_size**2
        embeddings.linear("patch_embedding", self.width, inputs, bias=True, quantizable=False)
        embeddings.tensor("position_embedding.weight", self.positions * self.width)
        if self.position_ids:
            embeddings.tensor("position_ids", self.positions, dtype=DType.INT64)
        self.build_blocks(collection, place)

    def build_blocks(self, collection: Collection, place: TowerPlace) -> None:
        """The blocks, and the norm after them."""
        blocks = place.part(collection, "encoder.layers.{}", self.layers)
        separate_attention(blocks, self.width, self.heads, "out_proj")
        blocks.norm("layer_norm1", self.width, bias=True)
        blocks.norm("layer_norm2", self.width, bias=True)
        self.mlp(blocks, ("fc1", "fc2"), bias=True)
        if self.post_norm:
            place.part(collection).norm("post_layernorm", self.width, bias=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassTokenTower(SquareTower):
    """CLIP: a class token with a position of its own, and a norm before the blocks."""

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Class token, patches and positions, the first norm, then the blocks."""
        embeddings = place.part(collection, "embeddings")
        inputs, positions = self.channels * self.patch_size**2, self.positions + 1
        embeddings.tensor("class_embedding", self.width)
        embeddings.linear("patch_embedding", self.width, inputs, bias=False, quantizable=False)
        embeddings.tensor("position_embedding.weight", positions * self.width)
        embeddings.tensor("position_ids", positions, dtype=DType.INT64)
        place.part(collection).norm("pre_layrnorm", self.width, bias=True)
        self.build_blocks(collection, place)
