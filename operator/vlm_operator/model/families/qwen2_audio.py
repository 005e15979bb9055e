"""Qwen2-Audio: Whisper's encoder of transformers with a pool, one matrix, Qwen2.

Source: vLLM 0.33 ``model_executor/models/qwen2_audio.py``; ``Qwen/Qwen2-Audio-7B-Instruct`` (sounds are cut at 30 s).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.audio_tower import AudioTower
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.audio import pooled_whisper
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.towers.heard import EMBEDDINGS_KEPT, whisper_tower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.audio_towers import AUDIO
from vlm_operator.model.weights.whisper import QWEN2_AUDIO, whole_encoder
from vlm_operator.model.weights.wrapper import Wrapper


def _hears(config: Config) -> AudioTower:
    audio = config.section("audio_config").over(QWEN2_AUDIO)
    return whisper_tower(audio, EMBEDDINGS_KEPT, whole=True)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """vLLM writes "Audio 1: " and two marks around a sound."""
    return MultimodalFacts("qwen2_audio", AUDIO, None, audio=pooled_whisper(files, wrapper=7))


def _weights(wrapper: Wrapper) -> None:
    audio = wrapper.config.section("audio_config").over(QWEN2_AUDIO)
    whole_encoder(wrapper.collection, audio, "audio_tower")
    projector = wrapper.projector(modalities=AUDIO, sharded=False)
    projector.linear("linear", wrapper.text.hidden_size, audio.integer("d_model"), bias=True, quantizable=False)
    wrapper.read_own_language()


FAMILY: Final = Family(
    name="qwen2_audio",
    variants=(
        Variant(
            architecture="Qwen2AudioForConditionalGeneration",
            model_types=("qwen2_audio",),
            text=LanguageModel(architecture="Qwen2ForCausalLM", model_type="qwen2"),
        ),
    ),
    place=TowerPlace("audio_tower", AUDIO, sharded=False),
    hears=_hears,
    tokens=_tokens,
    weights=_weights,
)
