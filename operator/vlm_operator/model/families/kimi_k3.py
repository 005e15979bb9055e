"""Kimi K3: a MoonViT without biases whose heads are wider than its blocks, and Kimi Linear's delta attention.

Sources: vLLM 0.33 ``models/kimi_k3/``, ``transformers_utils/configs/kimi_k3.py``,
``model_executor/models/kimi_k25_vit.py``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from vlm_operator.engine.tower_traits import Pixels
from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.facts import VisionTower
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, PatchLimit
from vlm_operator.model.towers.moonvit import MoonViT
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.modules import Collection
from vlm_operator.model.weights.wrapper import Wrapper

_VISION: Final = {
    "vt_num_hidden_layers": 27,
    "vt_hidden_size": 1024,
    "vt_intermediate_size": 4096,
    "vt_num_attention_heads": 12,
    "qkv_hidden_size": 1536,
    "patch_size": 14,
    "norm_type": "rmsnorm",
    "mlp_type": "mlp2",
    "mm_projector_type": "patchmergerv2",
}
"""What ``KimiK3VisionConfig`` fills in."""
_KNOWN: Final = {"norm_type": "rmsnorm", "mlp_type": "mlp2", "mm_projector_type": "patchmergerv2"}
_BIASES: Final = ("attn_bias", "patch_embed_proj_bias", "linear_bias")


WRAPPER_TOKENS: Final = 16
"""Most tokens around those of an image: three marks, a word, its width and height of up to five digits each, a token a
digit (``<|media_begin|>image 1920x1080<|media_content|>``)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KimiK3Tower(MoonViT):
    """The tower; ``attended`` is the width of queries, of keys and of values."""

    attended: int

    @property
    def facts(self) -> VisionTower:
        """What start-up memory depends on: blocks are taken to be as wide as their attention, a bound from above."""
        return VisionTower(
            layers=self.layers,
            hidden_size=max(self.width, self.attended),
            intermediate_size=self.inner,
            attention_heads=self.heads,
            patch_size=self.patch_size,
            merge_size=self.merge_size,
            output_size=self.output_size,
            traits=self.memory_traits,
        )

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Patches and positions, blocks without biases whose norms have a weight alone."""
        tower = place.part(collection)
        tower.linear("patch_embed.proj", self.width, 3 * self.patch_size**2, quantizable=False)
        tower.tensor("patch_embed.pos_emb.time_weight", self.frames * self.width)
        tower.tensor("patch_embed.pos_emb.weight", self.grid[0] * self.grid[1] * self.width)
        tower.norm("encoder.final_layernorm", self.width)
        blocks = place.part(collection, "encoder.blocks.{}", self.layers)
        blocks.norm("norm0", self.width)
        blocks.norm("norm1", self.width)
        blocks.column("wqkv", 3 * self.attended, self.width)
        blocks.row("wo", self.width, self.attended)
        self.mlp(blocks, ("fc0", "fc1"), bias=False)


def _tower(config: Config) -> KimiK3Tower:
    vision = config.section("vision_config").over(_VISION)
    for key, known in _KNOWN.items():
        if vision.text(key) != known:
            raise UnknownFact(f"{vision.field(key)}: {vision.text(key)!r} is not known", field=vision.field(key))
    for key in _BIASES:
        if vision.boolean(key, False):
            raise UnknownFact(f"{vision.field(key)}: a tower with biases is not known", field=vision.field(key))
    names = {
        "num_hidden_layers": "vt_num_hidden_layers",
        "hidden_size": "vt_hidden_size",
        "intermediate_size": "vt_intermediate_size",
        "num_attention_heads": "vt_num_attention_heads",
    }
    own = Config({**vision.values, **{to: vision.values[name] for to, name in names.items()}}, vision.path)
    plain = MoonViT.read(own, text_width(config), frames=vision.integer("init_pos_emb_time", 4))
    return KimiK3Tower(
        layers=plain.layers,
        width=plain.width,
        inner=plain.inner,
        heads=plain.heads,
        patch_size=plain.patch_size,
        merge_size=plain.merge_size,
        output_size=plain.output_size,
        grid=plain.grid,
        frames=plain.frames,
        merged=plain.merged,
        attended=vision.integer("qkv_hidden_size"),
    )


def _weights(wrapper: Wrapper) -> None:
    """The tower and projector of compressed-tensors checkpoints are handed no quantisation."""
    holders = (wrapper.config, wrapper.config.section("text_config"))
    methods = [holder.section("quantization_config").text("quant_method") or "" for holder in holders]
    quantizable = not any(method.replace("_", "-") == "compressed-tensors" for method in methods)
    tower = _tower(wrapper.config)
    tower.build(wrapper.collection, replace(FAMILY.place, quantizable=quantizable))
    merged = tower.width * tower.merged
    projector = wrapper.projector("mm_projector", modalities=FAMILY.place.modalities, sharded=False)
    projector.linear("linear_1", merged, merged, quantizable=quantizable)
    projector.linear("linear_2", wrapper.text.hidden_size, merged, quantizable=quantizable)
    projector.norm("post_norm", wrapper.text.hidden_size)
    wrapper.read_own_language(kind="kimi_linear")


def _tokens(_config: Config, files: Preprocessor) -> MultimodalFacts:
    """Images alone; patches are limited as in Kimi K2.5."""
    media = files.image.section("media_proc_cfg")
    kernel = media.values.get("merge_kernel_size")
    if isinstance(kernel, list | tuple) and kernel:
        media = Config({**media.values, "merge_kernel_size": kernel[0]}, media.path)
    return MultimodalFacts(
        "kimi_k3",
        ("image",),
        PatchLimit(
            patch_size=media.integer("patch_size", 14),
            merge_size=media.integer("merge_kernel_size", 2),
            max_patches=media.integer("in_patch_limit"),
            wrapper_tokens=WRAPPER_TOKENS,
            dummy_side=media.integer("patch_limit_on_one_side") * media.integer("patch_size", 14),
            side_patches=media.integer("patch_limit_on_one_side"),
            fixed_tokens=media.integer("fixed_output_tokens", 0, least=0),
        ),
    )


FAMILY: Final = Family(
    name="kimi_k3",
    variants=(
        Variant(
            architecture="KimiK3ForConditionalGeneration",
            model_types=("kimi_k3",),
            text=LanguageModel(architecture="KimiLinearForCausalLM", model_type="kimi_linear"),
        ),
    ),
    tower=_tower,
    place=TowerPlace("vision_tower", data_parallel=True),
    pixels=Pixels.RAW,
    tokens=_tokens,
    weights=_weights,
)
