"""Qwen3-Omni's thinker, the part that vLLM serves: the DeepStack tower, an audio encoder, Qwen3 with experts.

Sources: vLLM 0.32 ``model_executor/models/qwen3_omni_moe_thinker.py``; transformers 5 ``models/qwen3_omni_moe``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.engine.loading_rules import RotaryRows
from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import text_class
from vlm_operator.model.facts import Component, DType
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.audio import blocks_of_a_second
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.smart_resize import thinker_tokens
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.towers.deepstack import RenamedDeepstackTower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.modules import Collection
from vlm_operator.model.weights.wrapper import Wrapper

_VISION: Final = {
    "depth": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_heads": 16,
    "patch_size": 16,
    "out_hidden_size": 3584,
    "deepstack_visual_indexes": (8, 16, 24),
}
"""What ``Qwen3OmniMoeVisionEncoderConfig`` fills in."""


def _tower(config: Config) -> RenamedDeepstackTower:
    return RenamedDeepstackTower.read(config.section("thinker_config").section("vision_config"), _VISION)


def _weights(wrapper: Wrapper) -> None:
    thinker = replace(wrapper, config=wrapper.config.section("thinker_config"))
    _audio(wrapper.collection, thinker.config.section("audio_config"))
    _tower(wrapper.config).build(wrapper.collection, FAMILY.place)
    thinker.read_own_language(own_word=not wrapper.config.has("tie_word_embeddings"))


def _audio(collection: Collection, audio: Config) -> None:
    """Three convolutions over the spectrogram, blocks divided over ranks."""
    width, output = audio.integer("d_model", 1280), audio.integer("output_dim", 3584)
    inner, channels = audio.integer("encoder_ffn_dim", 5120), audio.integer("downsample_hidden_size", 480)
    heads, bands = audio.integer("encoder_attention_heads", 20), audio.integer("num_mel_bins", 128)
    options = {"component": Component.AUDIO_TOWER, "modalities": ("audio",)}
    tower = collection.tower("audio_tower", 1, **options)  # type: ignore[arg-type]
    for name, inputs in (("conv2d1", 1), ("conv2d2", channels), ("conv2d3", channels)):
        tower.linear(name, channels, 9 * inputs, bias=True, quantizable=False)
        bands = -(-bands // 2)
    tower.linear("conv_out", width, channels * bands)
    tower.norm("ln_post", width, bias=True)
    tower.linear("proj1", width, width, bias=True)
    tower.linear("proj2", output, width, bias=True)
    tower.tensor("positional_embedding", audio.integer("max_source_positions", 1500) * width, dtype=DType.FLOAT32)
    layers = audio.integer("encoder_layers", 32)
    blocks = collection.tower("audio_tower.layers.{}", layers, **options)  # type: ignore[arg-type]
    blocks.qkv("self_attn", heads, heads, width // heads, width, bias=True)
    blocks.row("self_attn.out_proj", width, width, bias=True)
    blocks.norm("self_attn_layer_norm", width, bias=True)
    blocks.column("fc1", inner, width, bias=True)
    blocks.row("fc2", width, inner, bias=True)
    blocks.norm("final_layer_norm", width, bias=True)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    audio = blocks_of_a_second(files, wrapper=2, sound_wrapper=2)
    return thinker_tokens("qwen3_omni_moe", config.section("thinker_config"), files, audio, patch_size=16)


FAMILY: Final = Family(
    name="qwen3_omni",
    variants=(
        Variant(
            architecture="Qwen3OmniMoeForConditionalGeneration",
            model_types=("qwen3_omni_moe", "qwen3_omni_moe_thinker"),
            text=LanguageModel(
                architecture="Qwen3MoeForCausalLM",
                model_type="qwen3_omni_moe_text",
                defaults=text_class(28, 2048, 18944, 3584, 28, 4, None, 32768),
                window_only_if_used=True,
            ),
        ),
    ),
    tower=_tower,
    place=TowerPlace("visual"),
    tokens=_tokens,
    weights=_weights,
    rotary_rows=RotaryRows.ONE,
)
