"""RADIO: InternViT's blocks over patches of any size, positions learned for the largest image, several class tokens.

Source: vLLM 0.32 and 0.33, ``model_executor/models/radio.py``, ``transformers_utils/configs/radio.py`` (dimensions by
the name of the model).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, Self

from vlm_operator.engine.tower_traits import Rotation, TowerTraits
from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Collection

_DIMENSIONS: Final[Mapping[str, tuple[int, int, int, int]]] = {
    "vit_small_patch16_224": (384, 12, 6, 1536),
    "vit_base_patch16_224": (768, 12, 12, 3072),
    "vit_large_patch16_224": (1024, 24, 16, 4096),
    "vit_huge_patch16_224": (1280, 32, 16, 5120),
    "vit_so400m_patch16_224": (1152, 27, 16, 4304),
}
"""Width, blocks, heads and inner width (``VIT_TIMM_DIM_BY_NAME``)."""
_LARGEST: Final = 2048
"""Pixels a side of the largest image that positions are learned for (``cpe_max_size``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RadioTower(Tower):
    """The tower.

    Attributes:
        positions: learned ones.
        class_tokens: with registers.
        frames: frames of a video that one patch spans.
        summaries: teachers whose class token is kept by number.
    """

    traits: ClassVar[TowerTraits] = TowerTraits(rotation=Rotation.NONE, embeddings_kept=1)

    positions: int
    class_tokens: int
    frames: int
    summaries: int

    @classmethod
    def read(cls, vision: Config, *, merge_size: int, output_size: int) -> Self:
        """The tower of this section, whose ``args`` hold RADIO's own arguments.

        Args:
            vision: ``vision_config``.
            merge_size: patches a side that become one token.
            output_size: elements of one output as the language model takes it.

        Raises:
            UnknownFact: no model of that name, or arguments that change what is built.
        """
        arguments = vision.section("args")
        name = arguments.text("model") or ""
        if name not in _DIMENSIONS:
            field = arguments.field("model")
            raise UnknownFact(f"{field}: the dimensions of {name[:60]!r} are not known", field=field)
        for key, usual in (("qkv_bias", True), ("qk_normalization", False)):
            if arguments.boolean(key, usual) is not usual:
                raise UnknownFact(f"{arguments.field(key)}: {not usual} is not known", field=arguments.field(key))
        width, layers, heads, inner = _DIMENSIONS[name]
        patch = vision.integer("patch_size", 16)
        teachers = [each for each in arguments.items("teachers") or [] if isinstance(each, dict)]
        tokens = len({str(each.get("name")) for each in teachers})
        tokens = tokens if arguments.boolean("cls_token_per_teacher", False) else 1
        multiple = arguments.integer("register_multiple", 0, least=0)
        return cls(
            layers=layers,
            width=width,
            inner=inner,
            heads=heads,
            patch_size=patch,
            merge_size=merge_size,
            output_size=output_size,
            positions=round(arguments.integer("cpe_max_size", _LARGEST) / patch) ** 2,
            class_tokens=tokens + (multiple - tokens % multiple if multiple else 0),
            frames=vision.integer("video_temporal_patch_size", 1),
            summaries=sum(bool(each.get("use_summary", True)) for each in teachers),
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Patches of images and of videos, positions, class tokens, the blocks."""
        top, width, patch = place.part(collection, "model.patch_generator"), self.width, 3 * self.patch_size**2
        top.tensor("pos_embed", self.positions * width)
        top.linear("embedder", width, patch, quantizable=False)
        if self.frames > 1:
            top.linear("video_embedder", width, patch * self.frames, quantizable=False)
        top.tensor("cls_token.token", self.class_tokens * width)
        place.part(collection).tensor("summary_idxs", self.summaries, dtype=DType.INT64)
        blocks = place.part(collection, "model.encoder.layers.{}", self.layers)
        blocks.tensor("ls1", width)
        blocks.tensor("ls2", width)
        blocks.column("attn.qkv", 3 * width, width, bias=True, heads=self.heads)
        blocks.row("attn.proj", width, width, bias=True, heads=self.heads)
        self.mlp(blocks, ("fc1", "fc2"), bias=True)
        blocks.norm("norm1", width, bias=True)
        blocks.norm("norm2", width, bias=True)
