"""Gemma 3n: alternating updates, low-rank residuals and per-layer embeddings in its language model; two more towers.

Sources: vLLM 0.32, ``model_executor/models/gemma3n.py`` and ``gemma3n_mm.py`` (256 tokens an image, 188 an audio);
defaults of transformers' ``Gemma3nTextConfig``, ``Gemma3nVisionConfig``, ``Gemma3nAudioConfig``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.facts import Component, DType, Sharding, Stage
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FixedTokens, FramedAudio, MultimodalFacts
from vlm_operator.model.towers.convolutions import ConvolutionsTower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.audio_towers import AUDIO
from vlm_operator.model.weights.language import Language
from vlm_operator.model.weights.lists import integers
from vlm_operator.model.weights.modules import Collection
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

FULL, SLIDING = "full_attention", "sliding_attention"


def _language(language: Language) -> None:
    """Gemma 3n's language model; its head is the embeddings'."""
    config, text = language.config, language.text
    hidden, numbers = text.hidden_size, language.numbers
    kinds = [str(kind) for kind in config.items("layer_types") or _kinds(len(numbers))]
    if len(kinds) != len(numbers) or not set(kinds) <= {FULL, SLIDING}:
        field = config.field("layer_types")
        raise UnknownFact(f"{field}: not one of {FULL} and {SLIDING} for each of {len(numbers)} layers", field=field)
    language.tied(True)
    language.every_stage = True
    language.embeddings("model.self_decoder.embed_tokens")
    language.final_norm()
    own = len(numbers) - config.integer("num_kv_shared_layers", 15, least=0)
    layers = language.layers(numbers[: max(own, 0)])
    layers.qkv("self_attn", text.attention_heads, text.kv_heads, text.head_size, hidden)
    layers.norm("self_attn.k_norm", text.head_size)
    language.layers(numbers[max(own, 0) :]).column("self_attn.q_proj", text.attention_heads * text.head_size, hidden)
    layers = language.layers()
    layers.row("self_attn.o_proj", hidden, text.attention_heads * text.head_size)
    layers.norm("self_attn.q_norm", text.head_size)
    layers.attention_scales()
    for width, chosen in _widths(language).items():
        language.layers(chosen).gated_mlp("mlp", hidden, width)
    for name in (
        "input_layernorm",
        "post_attention_layernorm",
        "pre_feedforward_layernorm",
        "post_feedforward_layernorm",
        "laurel.post_laurel_norm",
        "altup.router_norm",
    ):
        layers.norm(name, hidden)
    rank = config.integer("laurel_rank", 64)
    layers.column("laurel.linear_left", rank, hidden)
    layers.row("laurel.linear_right", hidden, rank)
    _alternating_updates(language)
    _per_layer_embeddings(language)
    for kind in sorted(set(kinds)):
        if config.section("rope_parameters").has(kind):
            language.rotary(layer_type=kind)
        else:
            language.rotary(overrides={"kind": kind})


def _kinds(count: int) -> list[str]:
    """Every fifth layer is full attention."""
    return [SLIDING if (number + 1) % 5 else FULL for number in range(count)]


def _widths(language: Language) -> dict[int, list[int]]:
    """Layers by the width of their MLP, which the config states once or for each layer."""
    if not isinstance(language.config.values.get("intermediate_size"), list | tuple):
        return {language.text.intermediate_size: list(language.numbers)}
    widths = integers(language.config, "intermediate_size")
    if len(widths) != len(language.numbers):
        field = language.config.field("intermediate_size")
        raise UnknownFact(f"{field}: {len(widths)} entries for {len(language.numbers)} layers", field=field)
    chosen: dict[int, list[int]] = {}
    for number, width in zip(language.numbers, widths, strict=True):
        chosen.setdefault(width, []).append(number)
    return chosen


def _alternating_updates(language: Language) -> None:
    config, hidden = language.config, language.text.hidden_size
    inputs = config.integer("altup_num_inputs", 4)
    layers = language.layers()
    layers.tensor("altup.correct_output_scale", hidden, dtype=DType.FLOAT32)
    layers.linear("altup.correction_coefs", inputs, inputs, quantizable=False)
    layers.linear("altup.prediction_coefs", inputs**2, inputs, quantizable=False)
    layers.linear("altup.modality_router", inputs, hidden, quantizable=False)
    layers.tensor("altup.router_input_scale", 1)
    every = language.end("model", Stage.EVERY)
    for name in ("altup_unembed_projections", "self_decoder.altup_projections"):
        for number in range(min(inputs, 64) - 1):
            every.column(f"{name}.{number}", hidden, hidden)


def _per_layer_embeddings(language: Language) -> None:
    config, text = language.config, language.text
    size = config.integer("hidden_size_per_layer_input", 256)
    total, rows = size * text.layers, config.integer("vocab_size_per_layer_input", 262144)
    name = language.name("model.self_decoder.embed_tokens_per_layer")
    language.collection.vocabulary(name, Component.EMBEDDING, rows, total, Stage.EVERY)
    decoder = language.end("model.self_decoder", Stage.EVERY)
    decoder.column("per_layer_model_projection", total, text.hidden_size)
    decoder.norm("per_layer_projection_norm", size)
    decoder.tensor("scales", 1, times=4)
    layers = language.layers()
    layers.linear("per_layer_input_gate", size, text.hidden_size)
    layers.linear("per_layer_projection", text.hidden_size, size)
    layers.norm("post_per_layer_input_norm", text.hidden_size)


def _embedder(wrapper: Wrapper, name: str, section: Config, default: int, modalities: tuple[str, ...]) -> None:
    width = section.integer("hidden_size", default)
    embedder = wrapper.projector(name, modalities=modalities)
    rows = section.integer("vocab_size", 128)
    embedder.linear("embedding", rows, width, Sharding.VOCABULARY, quantizable=False)
    embedder.norm("hard_embedding_norm", width)
    embedder.norm("soft_embedding_norm", width)
    embedder.row("embedding_projection", wrapper.text.hidden_size, width)


def _audio(collection: Collection, audio: Config) -> None:
    """The conformer, whole on every rank and unquantised."""
    width = audio.integer("hidden_size", 1536)
    channels = integers(audio, "sscp_conv_channel_size") or [128, 32]
    if len(channels) != 2 or min(channels) < 1:
        field = audio.field("sscp_conv_channel_size")
        raise UnknownFact(f"{field}: {str(channels)[:60]} is not two numbers of channels", field=field)
    first, second = channels
    options = {"component": Component.AUDIO_TOWER, "modalities": AUDIO, "sharded": False, "quantizable": False}
    tower = collection.tower("audio_tower.subsample_conv_projection", 1, **options)  # type: ignore[arg-type]
    tower.tensor("conv_0.conv.weight", 9 * first)
    tower.norm("conv_0.norm", first)
    tower.tensor("conv_1.conv.weight", 9 * first * second)
    tower.norm("conv_1.norm", second)
    bands = -(-audio.integer("input_feat_size", 128) // 4)
    tower.linear("input_proj_linear", width, second * bands)
    count = audio.integer("conf_num_hidden_layers", 12)
    blocks = collection.tower("audio_tower.conformer.{}", count, **options)  # type: ignore[arg-type]
    for name in ("ffw_layer_start", "ffw_layer_end"):
        blocks.norm(f"{name}.pre_layer_norm", width)
        blocks.linear(f"{name}.ffw_layer_1", 4 * width, width)
        blocks.linear(f"{name}.ffw_layer_2", width, 4 * width)
        blocks.norm(f"{name}.post_layer_norm", width)
    for name in ("q_proj", "k_proj", "v_proj", "relative_position_embedding.pos_proj"):
        blocks.linear(f"attention.attn.{name}", width, width)
    blocks.linear("attention.post", width, width)
    for name in ("attention.pre_attn_norm", "attention.post_norm", "lconv1d.pre_layer_norm", "lconv1d.conv_norm"):
        blocks.norm(name, width)
    blocks.norm("norm", width)
    blocks.linear("lconv1d.linear_start", 2 * width, width)
    blocks.linear("lconv1d.linear_end", width, width)
    blocks.tensor("lconv1d.depthwise_conv1d.weight", width * audio.integer("conf_conv_kernel_size", 5))
    blocks.tensor("attention.attn.per_dim_scale", width // audio.integer("conf_num_attention_heads", 8))
    blocks.tensor("gradient_clipping_and_scale", 1, times=6)
    blocks.tensor("attention.attn.softcap", 1, dtype=DType.FLOAT32)
    blocks.tensor("attention.attn.inv_timescales", width // 2, dtype=DType.FLOAT32)
    chunk = audio.integer("conf_attention_chunk_size", 12)
    left = max(audio.integer("conf_attention_context_left", 13, least=0) - 1, 0)
    context = chunk + left + audio.integer("conf_attention_context_right", 0, least=0)
    blocks.tensor("attention.attn.local_causal_valid_mask", chunk * context, dtype=DType.FP8)  # booleans: a byte each


_PLACE: Final = TowerPlace("vision_tower", IMAGE, sharded=False)


def _tower(config: Config) -> ConvolutionsTower:
    return ConvolutionsTower.read(config.section("vision_config"), text_width(config))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    return MultimodalFacts(
        "gemma3n",
        ("image", "audio"),
        FixedTokens(256, wrapper_tokens=4),
        audio=FramedAudio(fixed=188, wrapper=4),
    )


def _weights(wrapper: Wrapper) -> None:
    vision, audio = wrapper.config.section("vision_config"), wrapper.config.section("audio_config")
    _tower(wrapper.config).build(wrapper.collection, _PLACE)
    _audio(wrapper.collection, audio)
    _embedder(wrapper, "embed_vision", vision, 2048, IMAGE)
    _embedder(wrapper, "embed_audio", audio, 1536, AUDIO)
    _language(wrapper.language())


FAMILY: Final = Family(
    name="gemma3n",
    variants=(
        Variant(
            architecture="Gemma3nForConditionalGeneration",
            model_types=("gemma3n",),
            text=LanguageModel(architecture="Gemma3nForCausalLM", model_type="gemma3n_text", weights=_language),
        ),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
)
