"""Whisper: an encoder over windows of 30 s, and a decoder that reads it through cross-attention.

Source: vLLM 0.33 ``model_executor/models/whisper.py``. Every sound is padded to 1,500 outputs, which cross-attention
caches; the decoder's prompt holds none of them.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.audio_tower import AudioTower
from vlm_operator.model.cache_layers_attention import encoder_decoder
from vlm_operator.model.config import Config
from vlm_operator.model.facts import Component, Stage
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FramedAudio, MultimodalFacts
from vlm_operator.model.towers.heard import PLAIN, whisper_tower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.audio_towers import AUDIO
from vlm_operator.model.weights.language import layer_numbers
from vlm_operator.model.weights.whisper import WHISPER, divided_encoder, encoder_layers, positions
from vlm_operator.model.weights.wrapper import Wrapper

_DECODER: Final = {
    **WHISPER,
    "decoder_layers": 4,
    "decoder_attention_heads": 6,
    "decoder_ffn_dim": 1536,
    "max_target_positions": 448,
    "vocab_size": 51865,
}


def _hears(config: Config) -> AudioTower:
    return whisper_tower(config.over(_DECODER), PLAIN)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """A sound fills the encoder's positions, of two frames each."""
    fixed = config.integer("max_source_positions", 1500)
    audio = FramedAudio(fixed=fixed, in_prompt=False, dummy=fixed * 320)
    return MultimodalFacts("whisper", AUDIO, None, audio=audio, item_limits=(("audio", 1),))


def _weights(wrapper: Wrapper) -> None:
    """Embeddings are the output matrix and stand whole on every rank."""
    config, collection = wrapper.config.over(_DECODER), wrapper.collection
    width = config.integer("d_model")
    positions(divided_encoder(collection, config, "model.encoder"), config)
    decoder = collection.at("model.decoder", Component.EMBEDDING, Stage.EVERY)
    decoder.linear("embed_tokens", config.integer("vocab_size"), width, quantizable=False)
    decoder.tensor("embed_positions.weight", config.integer("max_target_positions") * width)
    decoder.norm("layer_norm", width, bias=True)
    numbers = layer_numbers(config.integer("decoder_layers"))
    layers = collection.layers("model.decoder.layers.{}", numbers)
    heads, inner = config.integer("decoder_attention_heads"), config.integer("decoder_ffn_dim")
    encoder_layers(layers, width, heads, inner)
    layers.attention_scales("self_attn.attn")
    layers.column("encoder_attn.q_proj", width, width, bias=True)
    names = ("encoder_attn.k_proj", "encoder_attn.v_proj")
    layers.merged("encoder_attn.kv_proj", names, (width, width), width, bias=True)
    layers.row("encoder_attn.out_proj", width, width, bias=True)
    layers.norm("encoder_attn_layer_norm", width, bias=True)
    layers.attention_scales("encoder_attn.attn")


FAMILY: Final = Family(
    name="whisper",
    variants=(
        Variant(
            architecture="WhisperForConditionalGeneration",
            model_types=("whisper",),
            text=LanguageModel(architecture="WhisperForConditionalGeneration", caches=encoder_decoder),
        ),
    ),
    place=TowerPlace("model.encoder", AUDIO),
    hears=_hears,
    tokens=_tokens,
    weights=_weights,
)
