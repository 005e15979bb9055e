"""A ViT over crops whose blocks' outputs all stay until the last has run; attention pools some levels of them.

Source: vLLM 0.33, ``model_executor/models/molmo2.py`` (``Molmo2VisionBackbone``); the defaults are its ``VitConfig``'s
and ``AdapterConfig``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Final, Self

from vlm_operator.engine.tower_traits import Rotation, TowerKind, TowerTraits
from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.towers.depth import within
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Collection

_VIT: Final[Mapping[str, Any]] = {
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "head_dim": 72,
    "image_patch_size": 14,
    "image_num_pos": 577,
}
ADAPTER: Final[Mapping[str, Any]] = {
    "hidden_size": 1152,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "head_dim": 72,
    "intermediate_size": 18944,
    "text_hidden_size": 3584,
}
_LEVELS: Final = (-3, -9)


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledLevelsTower(Tower):
    """The tower, up to the deepest block that is pooled.

    Attributes:
        kv_heads, head_dim: of its attention.
        positions: learned positions.
        levels: blocks whose outputs are pooled.
    """

    traits: ClassVar[TowerTraits] = TowerTraits(kind=TowerKind.EVERY_BLOCK_KEPT, rotation=Rotation.NONE)

    kv_heads: int
    head_dim: int
    positions: int
    levels: int

    @classmethod
    def read(cls, vit: Config, adapter: Config, *, output_size: int, merge_size: int) -> Self:
        """The tower of these sections.

        Args:
            vit: ``vit_config``.
            adapter: ``adapter_config``, whose ``vit_layers`` says which blocks are pooled.
            output_size: elements of one output as the language model takes it.
            merge_size: patches a side that become one token.
        """
        filled = vit.over(_VIT)
        whole = filled.integer("num_hidden_layers")
        levels = _levels(adapter, whole)
        return cls(
            layers=min(max(levels) + 1, whole),
            width=filled.integer("hidden_size"),
            inner=filled.integer("intermediate_size"),
            heads=filled.integer("num_attention_heads"),
            patch_size=filled.integer("image_patch_size"),
            merge_size=merge_size,
            output_size=output_size,
            kv_heads=filled.integer("num_key_value_heads"),
            head_dim=filled.integer("head_dim"),
            positions=filled.integer("image_num_pos"),
            levels=len(levels),
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Patches and positions, the blocks."""
        width = self.width
        tower = place.part(collection, "image_vit")
        tower.tensor("positional_embedding", self.positions * width)
        tower.linear("patch_embedding", width, 3 * self.patch_size**2, bias=True, quantizable=False)
        blocks = place.part(collection, "image_vit.transformer.resblocks.{}", self.layers)
        names = ("wq", "wk", "wv")
        blocks.qkv(
            "attention", self.heads, self.kv_heads, self.head_dim, width, bias=True, names=names, fused="merged_qkv"
        )
        blocks.row("attention.wo", width, self.heads * self.head_dim, bias=True)
        self.mlp(blocks, ("w1", "w2"), bias=True, module="feed_forward")
        for name in ("attention_norm", "ffn_norm"):
            blocks.norm(name, width, bias=True)


def _levels(adapter: Config, whole: int) -> list[int]:
    """Numbers of the blocks that are pooled.

    Raises:
        UnknownFact: ``vit_layers`` lists something else.
        InputError: the tower has no such block.
    """
    listed = adapter.items("vit_layers") or list(_LEVELS)
    found = []
    for layer in listed:
        if isinstance(layer, bool) or not isinstance(layer, int):
            field = adapter.field("vit_layers")
            raise UnknownFact(f"{field}: {str(listed)[:60]!r} is not a list of layers", field=field)
        found.append(within(adapter, "vit_layers", layer if layer >= 0 else layer + whole, whole - 1))
    return found
