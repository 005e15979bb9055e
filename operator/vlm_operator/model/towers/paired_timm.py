"""DINOv2 ViT-L with registers and SigLIP so400m of PyTorch Image Models at 224 pixels, side by side in an output.

Source: vLLM 0.33, ``model_executor/models/openvla.py`` (``PrismaticVisionBackbone``): it takes no other pair. Each is
whole on every rank; the second runs when the first has given its outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Self

from vlm_operator.engine.tower_traits import TowerKind, TowerTraits
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Block, Collection

SIDE, _PATCH = 224, 14
TOKENS: Final = (SIDE // _PATCH) ** 2
_DINO_WIDTH, _DINO_LAYERS, _REGISTERS = 1024, 24, 4
_SIGLIP_WIDTH, _SIGLIP_INNER, _SIGLIP_LAYERS, _SIGLIP_HEADS = 1152, 4304, 27, 16
WIDTH: Final = _DINO_WIDTH + _SIGLIP_WIDTH
"""Elements of an output: those of both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedTower(Tower):
    """The pair; its dimensions are the wider's."""

    traits: ClassVar[TowerTraits] = TowerTraits(kind=TowerKind.ATTENTION_WHOLE)

    @classmethod
    def fixed(cls, output_size: int) -> Self:
        """The pair as vLLM fixes it.

        Args:
            output_size: elements of one output as the language model takes it.
        """
        return cls(
            layers=_SIGLIP_LAYERS,
            width=_SIGLIP_WIDTH,
            inner=_SIGLIP_INNER,
            heads=_SIGLIP_HEADS,
            patch_size=_PATCH,
            merge_size=1,
            output_size=output_size,
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """DINOv2 with class token, registers and layer scales, then SigLIP with its pooling attention."""
        dino, width = place.part(collection, "dinov2_featurizer"), _DINO_WIDTH
        dino.tensor("cls_token", width)
        dino.tensor("reg_token", _REGISTERS * width)
        self._embed(dino, width)
        blocks = place.part(collection, "dinov2_featurizer.blocks.{}", _DINO_LAYERS)
        _block(blocks, width, 4 * width)
        blocks.tensor("ls1.gamma", width)
        blocks.tensor("ls2.gamma", width)
        siglip, width = place.part(collection, "siglip_featurizer"), _SIGLIP_WIDTH
        self._embed(siglip, width)
        _block(place.part(collection, "siglip_featurizer.blocks.{}", _SIGLIP_LAYERS), width, _SIGLIP_INNER)
        siglip.tensor("attn_pool.latent", width)
        for name, rows in (("q", width), ("kv", 2 * width), ("proj", width)):
            siglip.linear(f"attn_pool.{name}", rows, width, bias=True, quantizable=False)
        siglip.norm("attn_pool.norm", width, bias=True)
        siglip.linear("attn_pool.mlp.fc1", _SIGLIP_INNER, width, bias=True, quantizable=False)
        siglip.linear("attn_pool.mlp.fc2", width, _SIGLIP_INNER, bias=True, quantizable=False)

    def _embed(self, tower: Block, width: int) -> None:
        tower.tensor("pos_embed", TOKENS * width)
        tower.linear("patch_embed.proj", width, 3 * _PATCH**2, bias=True, quantizable=False)
        tower.norm("norm", width, bias=True)


def _block(blocks: Block, width: int, inner: int) -> None:
    blocks.norm("norm1", width, bias=True)
    blocks.linear("attn.qkv", 3 * width, width, bias=True, quantizable=False)
    blocks.linear("attn.proj", width, width, bias=True, quantizable=False)
    blocks.norm("norm2", width, bias=True)
    blocks.linear("mlp.fc1", inner, width, bias=True, quantizable=False)
    blocks.linear("mlp.fc2", width, inner, bias=True, quantizable=False)
