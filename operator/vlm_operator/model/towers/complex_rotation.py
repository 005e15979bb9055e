"""Llama 4's tower: a class token, rotary positions kept as complex numbers, an adapter that shuffles pixels.

Source: vLLM 0.32, ``model_executor/models/mllama4.py`` (``Llama4VisionModel``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from vlm_operator.engine.tower_traits import Rotation, TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType
from vlm_operator.model.multimodal.families import LEAST_SHUFFLE_RATIO
from vlm_operator.model.towers.parts import separate_attention
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Collection

LLAMA4: Final[Mapping[str, Any]] = {
    "num_hidden_layers": 34,
    "hidden_size": 768,
    "intermediate_size": 5632,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 448,
    "pixel_shuffle_ratio": 0.5,
    "projector_input_dim": 4096,
    "projector_output_dim": 4096,
}
"""What ``Llama4VisionConfig`` fills in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ComplexRotationTower(Tower):
    """The tower and its adapter.

    Attributes:
        channels: colours of a pixel.
        positions: patches of an image and the class token.
        adapter_width, adapter_output: inside and behind the adapter.
    """

    traits: ClassVar[TowerTraits] = TowerTraits(rotation=Rotation.COMPLEX, embeddings_kept=1)

    channels: int
    positions: int
    adapter_width: int
    adapter_output: int

    @classmethod
    def read(cls, vision: Config, output_size: int) -> Self:
        """The tower of this section.

        Args:
            vision: ``vision_config``.
            output_size: width of the language model.
        """
        filled = vision.over(LLAMA4)
        patch = filled.integer("patch_size")
        ratio = filled.number("pixel_shuffle_ratio")
        merge = max(1, round(1 / max(ratio, LEAST_SHUFFLE_RATIO))) if ratio and 0 < ratio <= 1 else 1
        return cls(
            layers=filled.integer("num_hidden_layers"),
            width=filled.integer("hidden_size"),
            inner=filled.integer("intermediate_size"),
            heads=filled.integer("num_attention_heads"),
            patch_size=patch,
            merge_size=merge,
            output_size=output_size,
            channels=filled.integer("num_channels", 3),
            positions=(filled.integer("image_size") // patch) ** 2 + 1,
            adapter_width=filled.integer("projector_input_dim"),
            adapter_output=filled.integer("projector_output_dim"),
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Class token, positions, patches, norms, blocks, adapter, rotary table."""
        width = self.width
        tower = place.part(collection)
        tower.tensor("class_embedding", width)
        tower.tensor("positional_embedding_vlm", self.positions * width)
        tower.column("patch_embedding.linear", width, self.channels * self.patch_size**2)
        tower.norm("layernorm_pre", width, bias=True)
        tower.norm("layernorm_post", width, bias=True)
        blocks = place.part(collection, "model.layers.{}", self.layers)
        separate_attention(blocks, width, self.heads, "o_proj")
        self.mlp(blocks, ("fc1", "fc2"), bias=True)
        blocks.norm("input_layernorm", width, bias=True)
        blocks.norm("post_attention_layernorm", width, bias=True)
        adapter = place.part(collection, "vision_adapter")
        adapter.column("mlp.fc1", self.adapter_width, self.inner)
        adapter.row("mlp.fc2", self.adapter_output, self.adapter_width)
        # complex64: two fp32 numbers an element
        rotated = self.positions * (self.head_size // 2) * 2
        tower.tensor("rotary_emb.cos_sin_cache", rotated, dtype=DType.FLOAT32)
