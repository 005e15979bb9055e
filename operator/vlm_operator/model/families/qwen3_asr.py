"""Qwen3-ASR: the audio encoder of Qwen3-Omni and Qwen3.

Source: vLLM 0.33 ``model_executor/models/qwen3_asr.py``, ``qwen3_asr_realtime.py``; transformers 5.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.model.audio_tower import AudioTower
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.audio import blocks_of_a_second
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.towers.heard import block_tower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.audio_towers import AUDIO, block_encoder
from vlm_operator.model.weights.wrapper import Wrapper


def _hears(config: Config) -> AudioTower:
    return block_tower(config.section("thinker_config").section("audio_config"))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """13 tokens a second between begin and end of sound; nothing is cut off, a begun frame at the end is left out."""
    rule = blocks_of_a_second(files, wrapper=2, reckoned=False)
    return MultimodalFacts("qwen3_asr", AUDIO, None, audio=replace(rule, frame=rule.hop))


def _weights(wrapper: Wrapper) -> None:
    thinker = replace(wrapper, config=wrapper.config.section("thinker_config"))
    block_encoder(wrapper.collection, thinker.config.section("audio_config"))
    thinker.read_own_language(own_word=not wrapper.config.has("tie_word_embeddings"))


_TEXT: Final = LanguageModel(architecture="Qwen3ForCausalLM", model_type="qwen3")

FAMILY: Final = Family(
    name="qwen3_asr",
    variants=(
        Variant(architecture="Qwen3ASRForConditionalGeneration", model_types=("qwen3_asr",), text=_TEXT),
        Variant(architecture="Qwen3ASRRealtimeGeneration", model_types=("qwen3_asr",), text=_TEXT),
    ),
    place=TowerPlace("audio_tower", AUDIO),
    hears=_hears,
    tokens=_tokens,
    weights=_weights,
)
