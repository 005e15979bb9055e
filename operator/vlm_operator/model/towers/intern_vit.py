"""InternViT: scaled residuals and a class token; in InternVL's own format and in transformers'.

Sources: vLLM 0.32, ``model_executor/models/intern_vit.py`` and ``interns1_vit.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

from vlm_operator.engine.tower_traits import Activation, Rotation, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.multimodal.families import square_side
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower, plain_activation
from vlm_operator.model.weights.modules import Collection

INTERN_VIT: Final[Mapping[str, Any]] = {"patch_size": 14, "image_size": 448}
"""What InternVL's own config class fills in and a tower of any size shares."""
INTERNVL_HF: Final[Mapping[str, Any]] = {
    **INTERN_VIT,
    "num_hidden_layers": 24,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_attention_heads": 16,
}
"""What ``InternVLVisionConfig`` fills in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InternVit(Tower):
    """InternVL's own format: attention is kept whole where the ranks do not divide its heads.

    Attributes:
        channels: colours of a pixel.
        positions: patches of an image and the class token.
        padded_heads: heads with those that vLLM adds so that more numbers of ranks divide them.
        qkv_bias, qk_norm, norm_bias: what the blocks have.
        activation: between the two matrices of its MLPs.
    """

    channels: int
    positions: int
    padded_heads: int
    qkv_bias: bool
    qk_norm: bool
    norm_bias: bool
    activation: Activation

    @property
    def memory_traits(self) -> TowerTraits:
        """Nothing is rotated; the embedded patches stay until the last block has run."""
        return TowerTraits(rotation=Rotation.NONE, activation=self.activation, embeddings_kept=1)

    @classmethod
    def read(
        cls, vision: Config, *, merge_size: int, output_size: int, built: int | None = None, more_heads: int = 0
    ) -> Self:
        """The tower of this section.

        Args:
            vision: ``vision_config``.
            merge_size: patches a side that become one token, by the model's projector.
            output_size: elements of one output as the language model takes it.
            built: blocks that vLLM builds; None: all.
            more_heads: heads that vLLM adds.
        """
        filled = vision.over(INTERN_VIT)
        heads, patch = filled.integer("num_attention_heads"), square_side(filled, "patch_size")
        return cls(
            layers=filled.integer("num_hidden_layers") if built is None else built,
            width=filled.integer("hidden_size"),
            inner=filled.integer("intermediate_size"),
            heads=heads,
            patch_size=patch,
            merge_size=merge_size,
            output_size=output_size,
            channels=filled.integer("num_channels", 3),
            positions=(square_side(filled, "image_size") // patch) ** 2 + 1,
            padded_heads=heads + more_heads,
            qkv_bias=filled.boolean("qkv_bias", True),
            qk_norm=filled.boolean("qk_normalization", True),
            norm_bias=filled.text("norm_type", "rms_norm") == "layer_norm",
            activation=plain_activation(filled),
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Class token, patches and positions, then the blocks."""
        width, heads = self.width, self.padded_heads
        attention = heads * self.head_size
        embeddings = place.part(collection, "embeddings")
        embeddings.tensor("class_embedding", width)
        inputs = self.channels * self.patch_size**2
        embeddings.linear("patch_embedding", width, inputs, bias=True, quantizable=False)
        embeddings.tensor("position_embedding", self.positions * width)
        blocks = place.part(collection, "encoder.layers.{}", self.layers)
        blocks.column("attn.qkv", 3 * attention, width, bias=self.qkv_bias, heads=heads)
        if self.qk_norm:
            blocks.norm("attn.q_norm", attention)
            blocks.norm("attn.k_norm", attention)
        blocks.row("attn.proj", width, attention, bias=True, heads=heads)
        self.mlp(blocks, ("fc1", "fc2"), bias=True)
        blocks.norm("norm1", width, bias=self.norm_bias)
        blocks.norm("norm2", width, bias=self.norm_bias)
        blocks.tensor("ls1", width)
        blocks.tensor("ls2", width)


@dataclass(frozen=True, slots=True, kw_only=True)
class InternVitHf(Tower):
    """Transformers' format: attention whole on every rank.

    Attributes:
        channels: colours of a pixel.
        positions: patches of an image and the class token; 0 where they are not learned.
        bias, qk_norm, norm_bias, mask_token, last_norm: what it has.
        activation: between the two matrices of its MLPs.
    """

    channels: int
    positions: int
    bias: bool
    qk_norm: bool
    norm_bias: bool
    mask_token: bool
    last_norm: bool
    activation: Activation

    @property
    def memory_traits(self) -> TowerTraits:
        """Nothing is rotated; the embedded patches stay until the last block has run."""
        return TowerTraits(rotation=Rotation.NONE, activation=self.activation, embeddings_kept=1)

    @classmethod
    def read(cls, vision: Config, *, merge_size: int, output_size: int) -> Self:
        """The tower of this section.

        Args:
            vision: ``vision_config``.
            merge_size: patches a side that become one token, by the model's projector.
            output_size: elements of one output as the language model takes it.
        """
        filled = vision.over(INTERNVL_HF)
        patch = square_side(filled, "patch_size")
        learned = filled.boolean("use_absolute_position_embeddings", True)
        return cls(
            layers=filled.integer("num_hidden_layers"),
            width=filled.integer("hidden_size"),
            inner=filled.integer("intermediate_size"),
            heads=filled.integer("num_attention_heads"),
            patch_size=patch,
            merge_size=merge_size,
            output_size=output_size,
            channels=filled.integer("num_channels", 3),
            positions=(square_side(filled, "image_size") // patch) ** 2 + 1 if learned else 0,
            bias=filled.boolean("attention_bias", False),
            qk_norm=filled.boolean("use_qk_norm", False),
            norm_bias=filled.text("norm_type", "layer_norm") == "layer_norm",
            mask_token=filled.boolean("use_mask_token", False),
            last_norm=not filled.boolean("use_mean_pooling", True),
            activation=plain_activation(filled),
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Class token, patches and positions, the blocks, a last norm where outputs are not averaged."""
        width = self.width
        embeddings = place.part(collection, "embeddings")
        embeddings.tensor("cls_token", width)
        inputs = self.channels * self.patch_size**2
        embeddings.linear("patch_embeddings.projection", width, inputs, bias=True, quantizable=False)
        embeddings.tensor("position_embeddings", self.positions * width)
        embeddings.tensor("mask_token", width if self.mask_token else 0)
        blocks = place.part(collection, "encoder.layer.{}", self.layers)
        for name in ("q_proj", "k_proj", "v_proj"):
            blocks.linear(f"attention.{name}", width, width, bias=self.bias, quantizable=False)
        blocks.linear("attention.projection_layer", width, width, bias=True, quantizable=False)
        if self.qk_norm:
            blocks.norm("attention.q_norm", width)
            blocks.norm("attention.k_norm", width)
        self.mlp(blocks, ("fc1", "fc2"), bias=True)
        blocks.norm("layernorm_before", width, bias=self.norm_bias)
        blocks.norm("layernorm_after", width, bias=self.norm_bias)
        blocks.tensor("lambda_1", width)
        blocks.tensor("lambda_2", width)
        if self.last_norm:
            place.part(collection).norm("layernorm", width, bias=self.norm_bias)
