"""SAM over windows, then CLIP over its features: attention with relative positions, an item at a time.

Source: vLLM 0.32, ``model_executor/models/deepencoder.py`` (``build_sam_vit_b``, ``DeepCLIPVisionTransformer``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Self

from vlm_operator.engine.tower_traits import TowerKind, TowerTraits
from vlm_operator.model.facts import DType
from vlm_operator.model.towers.parts import separate_attention
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import CLIP_LARGE
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Collection

_WINDOW, _SIDE = 14, 64
"""Patches a side of a window, and of the whole image of 1024 pixels; every third block attends to the whole."""
_NECK: Final = 256
_DECODER_WIDTH, _DECODER_INNER, _DECODER_LAYERS, _DECODER_HEADS = 896, 4864, 24, 14
_CLIP_POSITIONS: Final = 257
"""Positions of CLIP at 224 pixels, and its class token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsTower(Tower):
    """SAM ViT-B, whole on every rank, its neck, and CLIP ViT-L divided over ranks.

    CLIP sees a sixteenth of what SAM sees, so that SAM's dimensions decide about memory.

    Attributes:
        outputs: elements of an output of SAM's last convolution.
    """

    traits: ClassVar[TowerTraits] = TowerTraits(kind=TowerKind.WINDOWS)

    outputs: int = 4 * _NECK

    @classmethod
    def fixed(cls, output_size: int) -> Self:
        """The towers as vLLM fixes them: the neck makes one output of four by four patches.

        Args:
            output_size: elements of one output as the language model takes it.
        """
        return cls(layers=12, width=768, inner=3072, heads=12, patch_size=16, merge_size=4, output_size=output_size)

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """SAM, its neck, CLIP."""
        self._sam(collection, place)
        width = CLIP_LARGE["hidden_size"]
        prefix = "vision_model"
        embeddings = collection.tower(f"{prefix}.embeddings", 1, modalities=place.modalities)
        embeddings.tensor("class_embedding", width)
        embeddings.linear("patch_embedding", width, 3 * CLIP_LARGE["patch_size"] ** 2, quantizable=False)
        embeddings.tensor("position_embedding.weight", _CLIP_POSITIONS * width)
        embeddings.tensor("position_ids", _CLIP_POSITIONS, dtype=DType.INT64)
        collection.tower(prefix, 1, modalities=place.modalities).norm("pre_layrnorm", width, bias=True)
        layers = CLIP_LARGE["num_hidden_layers"]
        blocks = collection.tower(f"{prefix}.transformer.layers.{{}}", layers, modalities=place.modalities)
        blocks.norm("layer_norm1", width, bias=True)
        blocks.norm("layer_norm2", width, bias=True)
        separate_attention(blocks, width, CLIP_LARGE["num_attention_heads"], "out_proj")
        blocks.mlp("mlp", width, CLIP_LARGE["intermediate_size"], ("fc1", "fc2"))

    def _sam(self, collection: Collection, place: TowerPlace) -> None:
        width, whole = self.width, {"modalities": place.modalities, "sharded": False, "quantizable": False}
        tower = collection.tower("sam_model", 1, **whole)  # type: ignore[arg-type]
        tower.tensor("pos_embed", _SIDE**2 * width)
        tower.linear("patch_embed.proj", width, 3 * self.patch_size**2, bias=True)
        blocks = collection.tower("sam_model.blocks.{}", self.layers, **whole)  # type: ignore[arg-type]
        blocks.norm("norm1", width, bias=True)
        blocks.norm("norm2", width, bias=True)
        blocks.linear("attn.qkv", 3 * width, width, bias=True)
        blocks.linear("attn.proj", width, width, bias=True)
        blocks.linear("mlp.lin1", self.inner, width, bias=True)
        blocks.linear("mlp.lin2", width, self.inner, bias=True)
        over_all = self.layers // 3
        relative = (self.layers - over_all) * (2 * _WINDOW - 1) + over_all * (2 * _SIDE - 1)
        tower.tensor("attn.rel_pos", 2 * relative * self.head_size)
        tower.linear("neck.0", _NECK, width)
        tower.linear("neck.2", _NECK, _NECK * 3**2)
        tower.norm("neck.1", _NECK, bias=True)
        tower.norm("neck.3", _NECK, bias=True)
        tower.linear("net_2", 2 * _NECK, _NECK * 3**2)
        tower.linear("net_3", self.outputs, 2 * _NECK * 3**2)


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowsDecoderTower(WindowsTower):
    """SAM ViT-B, then a small Qwen2 that reads its features behind learned queries (``deepencoder2.py``)."""

    @classmethod
    def fixed(cls, output_size: int) -> Self:
        """The towers as vLLM fixes them."""
        dimensions = {"layers": 12, "width": 768, "inner": 3072, "heads": 12, "patch_size": 16, "merge_size": 4}
        return cls(**dimensions, output_size=output_size, outputs=_DECODER_WIDTH)

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """SAM, its neck, the decoder's layers, the queries of views and of tiles."""
        self._sam(collection, place)
        width, size = _DECODER_WIDTH, _DECODER_WIDTH // _DECODER_HEADS
        whole = {"modalities": place.modalities, "sharded": False, "quantizable": False}
        top = collection.tower("qwen2_model", 1, **whole)  # type: ignore[arg-type]
        top.tensor("query_768.weight", 144 * width)
        top.tensor("query_1024.weight", 256 * width)
        top.norm("model.model.norm", width)
        top.tensor("model.model.rotary_emb.inv_freq", size // 2, dtype=DType.FLOAT32, times=2)
        blocks = collection.tower("qwen2_model.model.model.layers.{}", _DECODER_LAYERS, **whole)  # type: ignore[arg-type]
        for name, rows in (("q", width), ("k", 2 * size), ("v", 2 * size)):
            blocks.linear(f"self_attn.{name}_proj", rows, width, bias=True)
        blocks.linear("self_attn.o_proj", width, width)
        for name in ("gate", "up"):
            blocks.linear(f"mlp.{name}_proj", _DECODER_INNER, width)
        blocks.linear("mlp.down_proj", width, _DECODER_INNER)
        blocks.norm("input_layernorm", width)
        blocks.norm("post_attention_layernorm", width)
