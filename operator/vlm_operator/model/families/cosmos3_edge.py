"""Cosmos 3 Edge: SigLIP 2 over whole frames, a merger of two matrices, attention and plain MLPs in turn.

Sources: vLLM 0.33 ``model_executor/models/cosmos3_edge.py``, ``lfm2_siglip2.py``; transformers 5
``models/cosmos3_edge`` (defaults of its classes; a frame is a patch in time).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from vlm_operator.engine.video_sampling import FrameLoader
from vlm_operator.errors import UnknownFact
from vlm_operator.model.cache_layers_attention import uniform
from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import text_class
from vlm_operator.model.family import Family, LanguageModel, Tying, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.smart_resize import require_files, timed_resize
from vlm_operator.model.processors import MultimodalFacts, ThinSide
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import SquareTower
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.wrapper import IMAGE_AND_VIDEO, Wrapper

_PLACE: Final = TowerPlace("visual.encoder", IMAGE_AND_VIDEO, data_parallel=True)
_TEXT: Final = "cosmos3_edge_text"
_VISION: Final[dict[str, Any]] = {
    "num_hidden_layers": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_attention_heads": 16,
    "patch_size": 16,
    "image_size": 256,
    "num_patches": 256,
    "spatial_merge_size": 2,
}
"""What ``Cosmos3EdgeVisionConfig`` fills in; the positions are ``num_patches``, whatever an image's size."""


def _vision(config: Config) -> Config:
    return config.section("vision_config").over(_VISION)


def _tower(config: Config) -> SquareTower:
    vision = _vision(config)
    return SquareTower.read(
        vision,
        _VISION,
        merge_size=vision.integer("spatial_merge_size"),
        output_size=text_width(config),
        positions=vision.integer("num_patches"),
        position_ids=False,
    )


def _weights(wrapper: Wrapper) -> None:
    config, tower = wrapper.config, _tower(wrapper.config)
    tower.build(wrapper.collection, _PLACE)
    merged, inner = tower.width * tower.merge_size**2, config.integer("projector_hidden_size", 11520)
    projector = wrapper.projector("visual.projector", modalities=IMAGE_AND_VIDEO, data_parallel=True)
    projector.norm("norm", tower.width, bias=True)
    projector.column("linear_fc1", inner, merged, bias=True)
    projector.row("linear_fc2", wrapper.text.hidden_size, inner, bias=True)
    wrapper.read_own_language()


def _language(language: Language) -> None:
    """Nemotron-H's attention and MLP in turn, two matrices an MLP, the head never tied; rotated here."""
    config, text = language.config, language.text
    if config.text("hidden_act", "relu2") != "relu2":
        field = config.field("hidden_act")
        raise UnknownFact(f"{field}: what vLLM builds of another MLP than relu2's is not known", field=field)
    language.tied(False)
    language.every_stage = True
    language.embeddings()
    language.final_norm("model.norm_f")
    language.head()
    layers = language.layers()
    layers.qkv("mixer", text.attention_heads, text.kv_heads, text.head_size, text.hidden_size)
    layers.row("mixer.o_proj", text.hidden_size, text.attention_heads * text.head_size)
    layers.attention_scales("mixer.attn")
    bias = config.boolean("mlp_bias", False)
    layers.mlp("mixer", text.hidden_size, text.intermediate_size, ("up_proj", "down_proj"), bias=bias)
    layers.norm("norm", text.hidden_size)
    layers.norm("norm", text.hidden_size)
    language.rotary()


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Bounds differ by checkpoint. Raises ``UnknownFact`` without ``preprocessor_config.json``."""
    require_files(config, files)
    resize = timed_resize(_vision(config), files)
    return MultimodalFacts(
        "cosmos3_edge",
        IMAGE_AND_VIDEO,
        replace(resize, temporal_patch_size=1, thin_side=ThinSide.ENLARGE),
        FrameLoader.EVEN_ROUNDED,
    )


FAMILY: Final = Family(
    name="cosmos3_edge",
    variants=(
        Variant(
            architecture="Cosmos3EdgeForConditionalGeneration",
            model_types=("cosmos3_edge",),
            text=LanguageModel(
                architecture="Cosmos3EdgeForCausalLM",
                model_type=_TEXT,
                defaults=text_class(28, 2048, 9216, 131072, 16, 8, 128, 131072),
                weights=_language,
                caches=uniform,
            ),
        ),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
    tying=Tying.SECTION,
)
