"""Moondream 3: crops of one size, pooled to the grid of one; begin-of-text belongs to the encoder's outputs.

A published config says nothing of its dimensions, which vLLM's config class fills in; one that the class saved has
sections.

Sources: vLLM 0.33 ``model_executor/models/moondream3.py``, ``transformers_utils/configs/moondream3.py``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.cache_layers_attention import Caches, uniform_hidden
from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import text_class
from vlm_operator.model.facts import DType, Sharding, Stage
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FixedTokens, MultimodalFacts
from vlm_operator.model.text_config import TextConfig
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import SquareTower
from vlm_operator.model.weights.experts import router
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.modules import Collection
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_PLACE: Final = TowerPlace("vision", IMAGE)
_TEXT: Final = "moondream3_text"
_VISION: Final[dict[str, Any]] = {
    "num_hidden_layers": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "patch_size": 14,
    "image_size": 378,
}
"""What ``Moondream3VisionConfig`` fills in."""
_EXPERTS: Final = {
    "moe_start_layer": 4,
    "moe_num_experts": 64,
    "moe_experts_per_token": 8,
    "moe_expert_inner_dim": 1024,
}
"""What ``Moondream3TextConfig`` fills in; the first layers are dense."""
_ROTATED: Final = 32
"""Elements of a head that are rotated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tower(SquareTower):
    """SigLIP's blocks under names of its own."""

    def build(self, collection: Collection, place: TowerPlace) -> None:
        """Patches and positions, the blocks, the norm after them."""
        tower, width = place.part(collection), self.width
        tower.linear("patch_emb", width, self.channels * self.patch_size**2, bias=True, quantizable=False)
        tower.tensor("pos_emb", self.positions * width)
        blocks = place.part(collection, "blocks.{}", self.layers)
        blocks.qkv("attn", self.heads, self.heads, self.head_size, width, bias=True)
        blocks.row("attn.out_proj", width, width, bias=True)
        blocks.norm("ln1", width, bias=True)
        blocks.norm("ln2", width, bias=True)
        self.mlp(blocks, ("fc1", "fc2"), bias=True)
        tower.norm("post_ln", width, bias=True)


def _tower(config: Config) -> _Tower:
    _require_sections(config)
    output = config.section("text_config").integer("hidden_size", 2048)
    return _Tower.read(config.section("vision_config"), _VISION, merge_size=1, output_size=output)


def _require_sections(config: Config) -> None:
    """Refuse a published config that says dimensions, whose names were not read.

    Raises:
        UnknownFact: it does.
    """
    for name in ("text", "vision"):
        if config.section("config").has(name):
            field = f"config.{name}"
            raise UnknownFact(f"{field}: dimensions of Moondream 3 under this name are not read", field=field)


def _weights(wrapper: Wrapper) -> None:
    tower, hidden = _tower(wrapper.config), wrapper.text.hidden_size
    tower.build(wrapper.collection, _PLACE)
    inner = wrapper.config.section("vision_config").integer("proj_inner_dim", 8192)
    projector = wrapper.projector("vision_proj")
    projector.column("fc1", inner, 2 * tower.width, bias=True)
    projector.row("fc2", hidden, inner, bias=True)
    _language(wrapper.language(prefix="", kind=_TEXT))


def _language(language: Language) -> None:
    """Attention beside the MLP, its queries and values scaled by learned vectors; experts after the dense layers."""
    config, text = language.config.over(_EXPERTS), language.text
    hidden, heads = text.hidden_size, text.attention_heads
    language.tied(False)
    language.every_stage = True
    language.embeddings("text.wte")
    language.end("text", Stage.EVERY).norm("post_ln", hidden, bias=True)
    language.head(bias=True)
    prefix = "text.blocks.{}"
    layers = language.layers(prefix=prefix)
    layers.norm("ln", hidden, bias=True)
    layers.qkv("attn", heads, text.kv_heads, hidden // heads, hidden, bias=True)
    layers.row("attn.out_proj", hidden, hidden, bias=True)
    layers.attention_scales("attn.attn")
    layers.tensor("attn.tau_alpha", heads, Sharding.OUTPUT)
    layers.tensor("attn.tau_wq", 3 * hidden * heads, Sharding.OUTPUT)
    layers.tensor("attn.tau_wv", 3 * hidden * heads, Sharding.OUTPUT)
    first = config.integer("moe_start_layer", least=0)
    dense = language.layers([n for n in language.numbers if n < first], prefix)
    dense.mlp("mlp", hidden, text.intermediate_size, ("fc1", "fc2"))
    sparse = language.layers([n for n in language.numbers if n >= first], prefix)
    experts, inner = config.integer("moe_num_experts"), config.integer("moe_expert_inner_dim")
    router(sparse, "mlp.gate", experts, hidden, bias=True)
    sparse.tensor("mlp.fc1_weight", experts * 2 * inner * hidden, Sharding.OUTPUT)
    sparse.tensor("mlp.fc2_weight", experts * inner * hidden, Sharding.OUTPUT)
    sparse.tensor("mlp._expert_map", experts, dtype=DType.FLOAT32)
    sparse.tensor("mlp._fused_w1_bias", experts * 2 * inner, Sharding.OUTPUT, dtype=DType.FLOAT32)
    language.rotary(
        hidden // heads,
        positions=config.integer("max_position_embeddings", 4096),
        overrides={"partial_rotary_factor": _ROTATED * heads / hidden},
    )


def _caches(text: TextConfig) -> Caches:
    _require_sections(text.whole)
    return uniform_hidden(text)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """The grid of a crop and begin-of-text, whatever an image's size."""
    return MultimodalFacts("moondream3", IMAGE, FixedTokens(27 * 27 + 1), item_limits=(("image", 1),))


def _prefix_item_tokens(config: Config, text: TextConfig) -> int:
    return 0


_LANGUAGE: Final = LanguageModel(
    architecture="Moondream3TextModel",
    model_type=_TEXT,
    defaults={
        **text_class(24, 2048, 8192, 51200, 32, 32, None, 4096),
        "moe_num_experts": 64,
        "num_experts_per_tok": 8,
        "moe_intermediate_size": 1024,
        "first_k_dense_replace": 4,
    },
    weights=_language,
    caches=_caches,
)

FAMILY: Final = Family(
    name="moondream3",
    variants=(
        Variant(architecture="Moondream3ForCausalLM", model_types=("moondream3",), text=_LANGUAGE),
        Variant(architecture="HfMoondream", text=_LANGUAGE),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
    prefix_item_tokens=_prefix_item_tokens,
)
