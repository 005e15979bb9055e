"""MiniMax M3: a tower with rotated positions in three axes, a projector before patches are merged, sparse attention.

Sources: vLLM 0.33 ``models/minimax_m3/``: ``common/vision_tower.py``, ``nvidia/model.py``. How its processors count
frames of a video, which start-up is profiled with, is not read: a plan needs ``--language-model-only``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.tower import Tower
from vlm_operator.model.weights.modules import Collection
from vlm_operator.model.weights.wrapper import Wrapper


@dataclass(frozen=True, slots=True, kw_only=True)
class MiniMaxTower(Tower):
    """The tower with its projector and merger.

    Attributes:
        frames: frames of a video that one patch spans.
        projected: width between the two matrices of projector and merger.
        projector_bias, merger_bias: whether these have biases.
    """

    frames: int
    projected: int
    projector_bias: bool
    merger_bias: bool

    @property
    def patch_frames(self) -> int:
        """Frames that one patch spans."""
        return self.frames

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Patches without a bias, pre-norm blocks, then each patch projected, then four of them merged."""
        tower = place.part(collection, "vision_model")
        inputs = 3 * self.frames * self.patch_size**2
        tower.linear("embeddings.patch_embedding", self.width, inputs, quantizable=False)
        tower.norm("pre_layrnorm", self.width, bias=True)
        tower.tensor("inv_freq", 3 * (self.head_size // 2 // 3), dtype=DType.FLOAT32)
        blocks = place.part(collection, "vision_model.encoder.layers.{}", self.layers)
        blocks.norm("layer_norm1", self.width, bias=True)
        blocks.norm("layer_norm2", self.width, bias=True)
        blocks.qkv("self_attn", self.heads, self.heads, self.head_size, self.width, bias=True)
        blocks.row("self_attn.out_proj", self.width, self.width, bias=True)
        blocks.column("fc1", self.inner, self.width, bias=True)
        blocks.row("fc2", self.width, self.inner, bias=True)
        output, merged = self.output_size, self.output_size * self.merge_size**2
        for name, width, bias in (
            ("multi_modal_projector", self.width, self.projector_bias),
            ("patch_merge_mlp", merged, self.merger_bias),
        ):
            part = place.part(collection, name)
            part.column("linear_1", self.projected, width, bias=bias)
            part.row("linear_2", output, self.projected, bias=bias)


def _tower(config: Config) -> MiniMaxTower:
    vision = config.section("vision_config")
    compression = vision.section("img_token_compression_config")
    output = text_width(config)
    return MiniMaxTower(
        layers=vision.integer("num_hidden_layers"),
        width=vision.integer("hidden_size"),
        inner=vision.integer("intermediate_size"),
        heads=vision.integer("num_attention_heads"),
        patch_size=vision.integer("patch_size"),
        merge_size=compression.integer("spatial_merge_size", 2),
        output_size=output,
        frames=compression.integer("temporal_patch_size", 2),
        projected=config.integer("projector_hidden_size", output),
        projector_bias=vision.boolean("multimodal_projector_bias", True),
        merger_bias=vision.boolean("patch_merge_bias", True),
    )


def _weights(wrapper: Wrapper) -> None:
    _tower(wrapper.config).build(wrapper.collection, FAMILY.place)
    wrapper.read_own_language(kind="minimax_m3_text")


def _tokens(_config: Config, _files: Preprocessor) -> MultimodalFacts:
    raise UnknownFact(
        "preprocessor_config: how MiniMax M3's processors count images and videos is not known",
        field="preprocessor_config",
        hint="plan the text model with --language-model-only",
    )


FAMILY: Final = Family(
    name="minimax_m3",
    variants=(
        Variant(
            architecture="MiniMaxM3SparseForConditionalGeneration",
            model_types=("minimax_m3_vl",),
            text=LanguageModel(architecture="MiniMaxM3SparseForCausalLM", model_type="minimax_m3_text"),
        ),
    ),
    tower=_tower,
    place=TowerPlace("vision_tower", data_parallel=True),
    tokens=_tokens,
    weights=_weights,
)
