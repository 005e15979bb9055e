"""Molmo 2: pooled crops; crops, pooling and marks stand in the preprocessor files only.

Source: vLLM 0.32 and 0.33 ``model_executor/models/molmo2.py``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.model.cache_layers_attention import uniform
from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import text_class
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import patches_along, text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts, PooledCrops
from vlm_operator.model.text_config import TextConfig
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.pooled_levels import ADAPTER, PooledLevelsTower
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.wrapper import IMAGE_AND_VIDEO, Wrapper

_PLACE: Final = TowerPlace("vision_backbone", IMAGE_AND_VIDEO)
_TEXT: Final = "molmo2_text"


def _tower(config: Config) -> PooledLevelsTower:
    """The tower; of a video three by three patches become one token, of an image two by two."""
    return PooledLevelsTower.read(
        config.section("vit_config"), config.section("adapter_config"), output_size=text_width(config), merge_size=2
    )


def _weights(wrapper: Wrapper) -> None:
    """The tower, attention that pools its levels, a gated MLP to the language model."""
    adapter, tower = wrapper.config.section("adapter_config").over(ADAPTER), _tower(wrapper.config)
    tower.build(wrapper.collection, _PLACE)
    pooled, width, size = tower.width * tower.levels, adapter.integer("hidden_size"), adapter.integer("head_dim")
    heads, kv_heads = adapter.integer("num_attention_heads"), adapter.integer("num_key_value_heads")
    projector = wrapper.projector(_PLACE.prefix, modalities=IMAGE_AND_VIDEO)
    pooling = "image_pooling_2d"
    projector.column(f"{pooling}.q_proj", heads * size, pooled, bias=True)
    names = (f"{pooling}.k_proj", f"{pooling}.v_proj")
    projector.merged(f"{pooling}.merged_kv", names, (kv_heads * size,) * 2, pooled, bias=True)
    projector.row(f"{pooling}.o_proj", width, heads * size, bias=True)
    inner = adapter.integer("intermediate_size")
    names = ("image_projector.gate_proj", "image_projector.up_proj")
    projector.merged("image_projector.merged_linear", names, (inner, inner), width)
    projector.row("image_projector.down_proj", adapter.integer("text_hidden_size"), inner)
    section = "text_config" if wrapper.config.has("text_config") else "llm_config"
    _language(wrapper.language(prefix="", section=section, kind=_TEXT))


def _language(language: Language) -> None:
    """Qwen2's or OLMo's layers as the config says; further rows of embeddings, a head of its own, no stage apart."""
    config, text = language.config, language.text
    hidden, size = text.hidden_size, text.head_size
    language.tied(False)
    language.every_stage = True
    language.embeddings(rows=text.vocab_size + config.integer("additional_vocab_size", 128, least=0))
    language.final_norm()
    language.head()
    layers = language.layers()
    language.attention(layers, bias=config.boolean("qkv_bias", True))
    if config.boolean("use_qk_norm", False):
        one = config.text("qk_norm_type", "olmo") == "qwen3"
        layers.norm("self_attn.q_norm", size if one else size * text.attention_heads)
        layers.norm("self_attn.k_norm", size if one else size * text.kv_heads)
    layers.gated_mlp("mlp", hidden, text.intermediate_size)
    layers.norm("input_layernorm", hidden)
    layers.norm("post_attention_layernorm", hidden)
    scaled = config.items("rope_scaling_layers")
    if scaled is None or set(scaled) & set(language.numbers):
        language.rotary()
    if scaled is not None and set(language.numbers) - set(scaled):
        theta = language.rope().get("rope_theta", 1000000.0)
        language.rotary(overrides={"rope_type": "default", "rope_theta": theta, "factor": None})


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Molmo 2: crops, pooling and marks stand in the preprocessor files only.

    Raises:
        UnknownFact: one of these files is missing.
    """
    if not files.image.values or not files.processor.values:
        missing = "processor_config" if files.image.values else "preprocessor_config"
        raise UnknownFact(
            f"{missing}.json is missing, and the crops and marks of Molmo 2 have no known default",
            field=missing,
            hint=f"put {missing}.json beside config.json",
        )
    size = files.image.section("size").integer("height", 378)
    patch = files.image.integer("patch_size", 14)
    frame = files.video.section("size").integer("height", size)
    left, right = _pair(files.image, "overlap_margins", (4, 4), least=0)
    if left + right >= patches_along(size, patch, "preprocessor_config.patch_size"):
        raise InputError(
            f"preprocessor_config.overlap_margins: {left} and {right} leave nothing of a crop",
            field="preprocessor_config.overlap_margins",
        )
    columns = files.processor.boolean("image_use_col_tokens", True)
    return MultimodalFacts(
        "molmo2",
        ("image", "video"),
        PooledCrops(
            crop_size=size,
            patch_size=patch,
            left_margin=left,
            right_margin=right,
            max_crops=files.image.integer("max_crops", 8),
            pooling=_pair(files.image, "pooling_size", (2, 2)),
            column_marks=columns,
            view_column_marks=files.processor.boolean("use_single_crop_col_tokens", columns),
            frame_size=frame,
            frame_pooling=_pair(files.video, "pooling_size", (3, 3)),
            frame_column_marks=files.processor.boolean("video_use_col_tokens", False),
            max_video_frames=files.video.integer("num_frames", 384),
        ),
        item_limits=(("video", 1),),
    )


def _pair(file: Config, key: str, default: tuple[int, int], *, least: int = 1) -> tuple[int, int]:
    """Two whole numbers that a file lists."""
    listed = file.items(key)
    if listed is None:
        return default
    if len(listed) != 2:
        raise InputError(f"{file.field(key)}: {str(listed)[:40]} is not a pair", field=file.field(key))
    pair = Config({"first": listed[0], "second": listed[1]}, file.field(key))
    return pair.integer("first", least=least), pair.integer("second", least=least)


def _prefix_item_tokens(config: Config, text: TextConfig) -> int:
    return 0


FAMILY: Final = Family(
    name="molmo2",
    variants=(
        Variant(
            architecture="Molmo2ForConditionalGeneration",
            model_types=("molmo2",),
            text=LanguageModel(
                architecture="Molmo2TextModel",
                model_type=_TEXT,
                defaults=text_class(48, 3584, 18944, 152064, 28, 4, 128, 4096),
                weights=_language,
                caches=uniform,
            ),
        ),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
    prefix_item_tokens=_prefix_item_tokens,
)
