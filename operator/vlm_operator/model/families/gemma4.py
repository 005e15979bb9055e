"""Gemma 4: transformers' pooled tower and conformer, and a language model with two kinds of attention.

Sources: vLLM 0.32 ``model_executor/models/gemma4.py`` and ``gemma4_mm.py``, ``Gemma4ModelArchConfigConvertor`` of
``transformers_utils/model_arch_config_convertor.py``; transformers 5 ``models/gemma4/configuration_gemma4.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from vlm_operator.engine.tower_traits import Rotation, TowerTraits
from vlm_operator.errors import UnknownFact
from vlm_operator.model.audio_tower import AudioTower
from vlm_operator.model.cache_layers_attention import (
    FULL,
    SLIDING,
    Caches,
    attention,
    layer_types,
    require_window,
    without_last,
)
from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import text_class
from vlm_operator.model.facts import Component, Stage
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FramedAudio, MultimodalFacts, SoftTokenBudget
from vlm_operator.model.processors_audio import SAMPLING_RATE, Step
from vlm_operator.model.text_config import TextConfig
from vlm_operator.model.towers.conformer import ConformerTower
from vlm_operator.model.towers.patch_embedder import PatchEmbedder
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.pooled import NORMS, PooledTower
from vlm_operator.model.weights.experts import router
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.wrapper import Wrapper

_VISION: Final = {
    "num_hidden_layers": 16,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "patch_size": 16,
    "pooling_kernel_size": 3,
}
"""What ``Gemma4VisionConfig`` fills in."""
_VIDEO_TOKENS: Final = 32 * (70 + 2 + 6)
"""Frames of the longest video times a frame's tokens, its two markers and its timestamp (``gemma4_mm.py:
get_mm_max_tokens_per_item``)."""
_DIFFUSION: Final = "DiffusionGemmaForBlockDiffusion"
_UNIFIED_TEXT: Final = "gemma4_unified_text"

# --- vision and audio -----------------------------------------------------------------------------------------------


def _unified(config: Config) -> bool:
    """Whether it has no towers: patches and samples go through one matrix (``gemma4_unified.py``)."""
    return config.text("model_type") == "gemma4_unified"


def _tower(config: Config) -> PooledTower | PatchEmbedder:
    vision = config.section("vision_config")
    if not _unified(config):
        return PooledTower.read(vision, _VISION, text_width(config))
    if not config.has("vision_config"):
        raise UnknownFact("vision_config is missing from the config, which vLLM refuses", field="vision_config")
    return PatchEmbedder.read(vision, text_width(config))


def _hears(config: Config) -> AudioTower | None:
    """What the matrix for samples takes; what the conformer does is not known."""
    if not _unified(config) or not config.has("audio_config"):
        return None
    samples = _samples(config)
    return AudioTower(
        layers=1,
        hidden_size=samples,
        intermediate_size=samples,
        output_size=text_width(config),
        inputs_per_patch=samples,
        samples=samples,
        whole=True,
        traits=TowerTraits(rotation=Rotation.NONE),
    )


def _samples(config: Config) -> int:
    """Samples of one token of a unified model (``Gemma4UnifiedAudioConfig.audio_embed_dim``)."""
    return config.section("audio_config").integer("audio_embed_dim", 640)


def _weights(wrapper: Wrapper) -> None:
    """Transformers' own towers, or one matrix in place of them; one matrix from each to the language model."""
    config, hidden, tower = wrapper.config, wrapper.text.hidden_size, _tower(wrapper.config)
    heard = config.has("audio_config") and not _diffuses(config)
    if isinstance(tower, PatchEmbedder):  # built whatever is enabled, its projections never quantised
        tower.build(wrapper.collection, TowerPlace("vision_embedder", ()))
        width = config.section("vision_config").integer("output_proj_dims", 3840)
        for name, inputs in (("embed_audio", _samples(config) if heard else 0), ("embed_vision", width)):
            projector = wrapper.projector(name, modalities=(), sharded=False)
            projector.linear("embedding_projection", hidden, inputs, quantizable=False)
        wrapper.read_own_language()
        return
    if heard:
        audio = ConformerTower.read(config.section("audio_config"))
        audio.build(wrapper.collection, "audio_tower")
        embedder = wrapper.projector("embed_audio", modalities=("audio",), sharded=False)
        embedder.linear("embedding_projection", hidden, audio.output_size)
    tower.build(wrapper.collection, FAMILY.place)
    projector = wrapper.projector("embed_vision", modalities=FAMILY.place.modalities, sharded=False)
    projector.linear("embedding_projection", hidden, tower.width)
    wrapper.read_own_language()


def _diffuses(config: Config) -> bool:
    """Whether it is DiffusionGemma, which hears nothing."""
    return _DIFFUSION in (config.items("architectures") or [])


def _sound(files: Preprocessor, *, unified: bool) -> FramedAudio:
    """Frames of 321 samples behind 160 of silence, two convolutions (``gemma4_mm.py: _compute_audio_num_tokens``).

    Start-up reckons the most tokens and encodes 512 samples, or all of them where there is no tower
    (``_dummy_audio_num_samples``).
    """
    most = files.processor.integer("audio_seq_length", 750)
    dummy = most * files.processor.integer("audio_ms_per_token", 40) * SAMPLING_RATE // 1000 if unified else 512
    halved = Step(1, 3, 2)
    return FramedAudio(
        frame=321, before=160, steps=(halved, halved), most_tokens=most, wrapper=2, dummy=dummy, largest=most
    )


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """The budget is in the config, frames and audio as vLLM and transformers fix them; DiffusionGemma hears nothing."""
    vision = config.section("vision_config")
    audio = config.has("audio_config") and not _diffuses(config)
    budget = "num_soft_tokens" if vision.has("num_soft_tokens") else "default_output_length"
    return MultimodalFacts(
        "gemma4",
        ("image", "audio", "video") if audio else ("image", "video"),
        SoftTokenBudget(
            patch_size=vision.integer("patch_size", 16),
            pooling_size=vision.integer("pooling_kernel_size", 3),
            image_tokens=vision.integer(budget, 280),
        ),
        audio=_sound(files, unified=_unified(config)) if audio else None,
    )


def _prefix_item_tokens(config: Config, text: TextConfig) -> int | None:
    """Items attend both ways where the config says so; the smaller models attend causally."""
    if text.config.text("use_bidirectional_attention") != "vision":
        return None
    return max(config.section("vision_config").integer("default_output_length", 280), _VIDEO_TOKENS)


# --- language model -------------------------------------------------------------------------------------------------


def _caches(text: TextConfig) -> Caches:
    """Full layers have heads of their own, the last layer is full, the last ones may share."""
    config = text.config
    if config.text("use_bidirectional_attention") == "all":
        field = config.field("use_bidirectional_attention")
        raise UnknownFact(f"{field}: how vLLM caches a Gemma 4 that is no decoder is not known", field=field)
    if config.has("per_layer_config"):
        field = config.field("per_layer_config")
        raise UnknownFact(f"{field}: heads given layer by layer are not read", field=field)
    types = layer_types(text, period=6) or []
    types = [*types[:-1], FULL]
    sliding = replace(attention(text), sliding_window=require_window(text))
    kv_heads = text.kv_heads
    if config.boolean("attention_k_eq_v", False) or text.model_type == _UNIFIED_TEXT:
        kv_heads = config.integer("num_global_key_value_heads", kv_heads)
    full = attention(text, head_size=config.integer("global_head_dim", 512), kv_heads=kv_heads)
    caches: Caches = [(sliding if kind == SLIDING else full,) for kind in types]
    return without_last(text, caches, config.integer("num_kv_shared_layers", 0, least=0))


def _language(language: Language) -> None:
    """Two kinds of attention, shared keys and values, per-layer embeddings, experts beside MLPs."""
    config, text = language.config, language.text
    hidden, numbers = text.hidden_size, language.numbers
    kinds = [str(kind) for kind in config.items("layer_types") or _default_kinds(len(numbers))]
    if len(kinds) != len(numbers) or not set(kinds) <= {FULL, SLIDING}:
        field = config.field("layer_types")
        raise UnknownFact(f"{field}: not one of {FULL} and {SLIDING} for each of {len(numbers)} layers", field=field)
    kinds[-1:] = [FULL]  # whatever the config says (transformers: ``Gemma4TextConfig``)
    shared = config.integer("num_kv_shared_layers", 0, least=0)
    first_shared = len(numbers) - shared
    language.frame(every_stage=True)
    language.end("model", Stage.EVERY).tensor("normalizer", 1)
    for kind in (SLIDING, FULL):
        for sharing in (False, True):
            chosen = [n for n in numbers if kinds[n] == kind and (shared > 0 and n >= first_shared) is sharing]
            _attention(language, chosen, full=kind == FULL, sharing=sharing)
    wide = 2 if config.boolean("use_double_wide_mlp", False) else 1
    own = [n for n in numbers if not n >= first_shared > 0]
    sharers = [n for n in numbers if n >= first_shared > 0]
    language.layers(own).gated_mlp("mlp", hidden, text.intermediate_size)
    language.layers(sharers).gated_mlp("mlp", hidden, text.intermediate_size * wide)
    layers = language.layers()
    for name in NORMS:
        layers.norm(name, hidden)
    layers.tensor("layer_scalar", 1)
    if config.has("num_experts"):
        _experts(language)
    _per_layer_embeddings(language)


def _default_kinds(count: int) -> list[str]:
    """Every sixth layer and the last are full attention."""
    return [FULL if (n + 1) % 6 == 0 or n == count - 1 else SLIDING for n in range(count)]


def _attention(language: Language, numbers: Sequence[int], *, full: bool, sharing: bool) -> None:
    config, text = language.config, language.text
    bias, hidden = config.boolean("attention_bias", False), text.hidden_size
    size = config.integer("head_dim", 256)
    kv_heads = text.kv_heads
    if full:
        size = config.integer("global_head_dim", 512) or size
        if config.boolean("attention_k_eq_v", False):
            kv_heads = config.integer("num_global_key_value_heads", kv_heads)
    if not numbers:
        return
    layers = language.layers(numbers)
    if sharing:
        layers.column("self_attn.q_proj", text.attention_heads * size, hidden, bias=bias)
    else:
        layers.qkv("self_attn", text.attention_heads, kv_heads, size, hidden, bias=bias)
        layers.norm("self_attn.k_norm", size)
    layers.row("self_attn.o_proj", hidden, text.attention_heads * size, bias=bias)
    layers.norm("self_attn.q_norm", size)
    layers.attention_scales()
    kind = FULL if full else SLIDING
    overrides: dict[str, object] = {"kind": kind}
    by_kind = kind if config.section("rope_parameters").has(kind) else None
    if language.rope(by_kind)["rope_type"] == "proportional" or (full and by_kind is None):
        # proportional rotation keeps a table as wide as the head
        overrides |= {"rope_type": "proportional", "partial_rotary_factor": 1.0}
    language.rotary(size, layer_type=by_kind, overrides=overrides)


def _experts(language: Language) -> None:
    config, hidden = language.config, language.text.hidden_size
    experts = config.integer("num_experts")
    width = config.integer("moe_intermediate_size", config.integer("expert_intermediate_size", 0, least=0) or None)
    layers = language.layers()
    layers.tensor("router.scale", hidden)
    layers.tensor("router.per_expert_scale", experts)
    layers.tensor("router.root_size", 1)
    router(layers, "router.proj", experts, hidden)
    layers.experts("experts", experts, hidden, width)
    for name in ("post_feedforward_layernorm_1", "post_feedforward_layernorm_2", "pre_feedforward_layernorm_2"):
        layers.norm(name, hidden)


def _per_layer_embeddings(language: Language) -> None:
    config, text = language.config, language.text
    size = config.integer("hidden_size_per_layer_input", 0, least=0)
    if not size:
        return
    total = size * text.layers
    rows = config.integer("vocab_size_per_layer_input", text.vocab_size)
    name = language.name("model.embed_tokens_per_layer")
    language.collection.vocabulary(name, Component.EMBEDDING, rows, total, Stage.FIRST)
    first = language.end("model", Stage.FIRST)
    first.column("per_layer_model_projection", total, text.hidden_size)
    first.norm("per_layer_projection_norm", size)
    first.tensor("per_layer_scales", 1, times=3)
    layers = language.layers()
    layers.linear("per_layer_input_gate", size, text.hidden_size)
    layers.linear("per_layer_projection", text.hidden_size, size)
    layers.norm("post_per_layer_input_norm", text.hidden_size)


def _text(model_type: str, positions: int, window: int, **more: int) -> LanguageModel:
    return LanguageModel(
        architecture="Gemma4ForCausalLM",
        model_type=model_type,
        defaults=text_class(30, 2304, 9216, 262144, 8, 4, 256, positions, window, tied=True),
        weight_defaults=more,
        global_heads=True,
        weights=_language,
        caches=_caches,
    )


FAMILY: Final = Family(
    name="gemma4",
    variants=(
        Variant(
            architecture="Gemma4ForConditionalGeneration",
            model_types=("gemma4",),
            text=_text("gemma4_text", 131072, 512, hidden_size_per_layer_input=256, vocab_size_per_layer_input=262144),
        ),
        Variant(
            architecture="Gemma4UnifiedForConditionalGeneration",
            model_types=("gemma4_unified",),
            text=_text(_UNIFIED_TEXT, 262144, 1024),
        ),
        Variant(architecture=_DIFFUSION, model_types=("diffusion_gemma",), weights_known=False),
    ),
    tower=_tower,
    hears=_hears,
    place=TowerPlace("vision_tower", sharded=False),
    tokens=_tokens,
    weights=_weights,
    renames=(
        ("model.vision_tower", "vision_tower"),
        ("model.embed_vision", "embed_vision"),
        ("model.embed_audio", "embed_audio"),
        ("model.vision_embedder", "vision_embedder"),
        ("model.language_model.", "language_model.model."),
        ("lm_head.", "language_model.lm_head."),
        ("model", "language_model.model"),
    ),
    prefix_item_tokens=_prefix_item_tokens,
    start_ups=(
        "public-gemma4-26b-nvfp4-019",
        "public-gemma4-31b-b300-026",
        "sostrowsk-gemma4-26b-a4b-qat-awq-int4-gb10",
    ),
)
