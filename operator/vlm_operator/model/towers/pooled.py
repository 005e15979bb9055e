"""The tower of transformers whose patches are pooled into soft tokens: gated MLPs, whole on every rank.

Source: vLLM 0.32 ``model_executor/models``: ``_encoder_chunk`` of the class that builds it; defaults of transformers'
config class.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from vlm_operator.engine.tower_traits import TowerTraits
from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Block, Collection

NORMS: Final = (
    "input_layernorm",
    "post_attention_layernorm",
    "pre_feedforward_layernorm",
    "post_feedforward_layernorm",
)
_CLIPPING_LIMITS: Final = 4
"""Scalars that a clipped matrix keeps: lower and upper limit of its input and output."""
_RECKONED_BYTES_A_POSITION: Final = 4 * 8
"""vLLM reckons a one-hot vector over ``position_embedding_size`` for each patch, int64, four times."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledTower(Tower):
    """The tower.

    Attributes:
        kv_heads, head_dim: of its attention.
        positions: rows of each of the two tables of positions.
        soft_tokens: outputs of one image.
        clipped: matrices keep limits of their input and output.
        standardized: outputs are shifted and scaled.
    """

    traits: ClassVar[TowerTraits] = TowerTraits(gated=True)

    kv_heads: int
    head_dim: int
    positions: int
    soft_tokens: int
    clipped: bool
    standardized: bool

    @classmethod
    def read(cls, vision: Config, defaults: Mapping[str, Any], output_size: int) -> Self:
        """The tower of this section, its class's ``defaults`` filled in."""
        filled = vision.over(defaults)
        return cls(
            layers=filled.integer("num_hidden_layers"),
            width=filled.integer("hidden_size"),
            inner=filled.integer("intermediate_size"),
            heads=filled.integer("num_attention_heads"),
            patch_size=filled.integer("patch_size"),
            merge_size=filled.integer("pooling_kernel_size"),
            output_size=output_size,
            kv_heads=filled.integer("num_key_value_heads", 12),
            head_dim=filled.integer("head_dim", 64),
            positions=filled.integer("position_embedding_size", 10240),
            soft_tokens=filled.integer("default_output_length", 280),
            clipped=filled.boolean("use_clipped_linears", False),
            standardized=filled.boolean("standardize", False),
        )

    @property
    def memory_traits(self) -> TowerTraits:
        """Images and frames are encoded as many at once as vLLM reckons, one by one in old releases."""
        return TowerTraits(
            gated=self.traits.gated,
            reckoned_patch_bytes=_RECKONED_BYTES_A_POSITION * self.positions,
            item_patches=self.soft_tokens * self.merge_size**2,
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Transformers' own modules; vLLM quantises none of them."""
        tower = place.part(collection)
        tower.tensor("patch_embedder.position_embedding_table", 2 * self.positions * self.width)
        tower.linear("patch_embedder.input_proj", self.width, 3 * self.patch_size**2, quantizable=False)
        blocks = place.part(collection, "encoder.layers.{}", self.layers)
        self._matrices(blocks)
        blocks.norm("self_attn.q_norm", self.head_dim)
        blocks.norm("self_attn.k_norm", self.head_dim)
        for name in NORMS:
            blocks.norm(name, self.width)
        if self.standardized:
            tower.tensor("std_bias", self.width)
            tower.tensor("std_scale", self.width)
        tower.tensor("encoder.rotary_emb.inv_freq", 2 * (self.head_dim // 4), dtype=DType.FLOAT32)

    def _matrices(self, blocks: Block) -> None:
        queries, keys = self.heads * self.head_dim, self.kv_heads * self.head_dim
        for name, rows, columns in (
            ("self_attn.q_proj", queries, self.width),
            ("self_attn.k_proj", keys, self.width),
            ("self_attn.v_proj", keys, self.width),
            ("self_attn.o_proj", self.width, queries),
            ("mlp.gate_proj", self.inner, self.width),
            ("mlp.up_proj", self.inner, self.width),
            ("mlp.down_proj", self.width, self.inner),
        ):
            blocks.linear(f"{name}.linear", rows, columns, quantizable=False)
            if self.clipped:
                blocks.tensor(f"{name}.limits", 1, times=_CLIPPING_LIMITS)
