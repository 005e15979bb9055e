"""Qwen2.5-Omni's thinker, the part that vLLM serves: a tower of gated MLPs, Whisper's encoder, Qwen2.5.

Sources: vLLM 0.32 ``model_executor/models/qwen2_5_omni_thinker.py``; transformers 5 ``models/qwen2_5_omni``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import text_class
from vlm_operator.model.facts import DType
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.audio import pooled_whisper
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.smart_resize import thinker_tokens
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.towers.gated_merger import GatedMergerTower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.audio_towers import whisper_encoder
from vlm_operator.model.weights.wrapper import Wrapper

_VISION: Final = {
    "depth": 32,
    "hidden_size": 3584,
    "intermediate_size": 3420,
    "num_heads": 16,
    "patch_size": 14,
    "out_hidden_size": 3584,
}
"""What ``Qwen2_5OmniVisionEncoderConfig`` fills in."""


def _tower(config: Config) -> GatedMergerTower:
    return GatedMergerTower.read(config.section("thinker_config").section("vision_config"), _VISION)


def _weights(wrapper: Wrapper) -> None:
    thinker = replace(wrapper, config=wrapper.config.section("thinker_config"))
    _audio(thinker)
    _tower(wrapper.config).build(wrapper.collection, FAMILY.place)
    thinker.read_own_language(own_word=not wrapper.config.has("tie_word_embeddings"))


def _audio(thinker: Wrapper) -> None:
    """Whisper's encoder, whole on every rank and unquantised."""
    audio = thinker.config.section("audio_config")
    width, output = audio.integer("d_model", 1280), audio.integer("output_dim", 3584)
    tower = whisper_encoder(thinker.collection, audio, "audio_tower", width, bands=128, inner=5120, layers=32)
    tower.tensor("audio_bos_eos_token.weight", 2 * output)
    tower.linear("proj", output, width, bias=True)
    tower.tensor("positional_embedding", audio.integer("max_source_positions", 1500) * width, dtype=DType.FLOAT32)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    audio = pooled_whisper(files, chunk_seconds=300, cut=False, wrapper=7, sound_wrapper=2)
    return thinker_tokens("qwen2_5_omni", config.section("thinker_config"), files, audio, patch_size=14)


_TEXT: Final = LanguageModel(
    architecture="Qwen2ForCausalLM",
    model_type="qwen2_5_omni_text",
    defaults=text_class(28, 3584, 18944, 152064, 28, 4, None, 32768, tied=True),
    window_only_if_used=True,
)

FAMILY: Final = Family(
    name="qwen2_5_omni",
    variants=(
        Variant(architecture="Qwen2_5OmniModel", model_types=("qwen2_5_omni", "qwen2_5_omni_thinker"), text=_TEXT),
        Variant(architecture="Qwen2_5OmniForConditionalGeneration", model_types=("qwen2_5_omni",), text=_TEXT),
    ),
    tower=_tower,
    place=TowerPlace("visual"),
    tokens=_tokens,
    weights=_weights,
    simulated=True,
)
