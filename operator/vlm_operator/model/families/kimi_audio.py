"""Kimi-Audio: Whisper's encoder, a projector, Qwen2.

Source: vLLM 0.33 ``model_executor/models/kimi_audio.py``, ``transformers_utils/processors/kimi_audio.py``.
The config of the encoder is in a folder of its own (``whisper-large-v3``): ``config.json`` does not tell its weights.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.audio import blocks_of_a_second
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.processors_audio import SAMPLING_RATE
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.audio_towers import AUDIO

_LONGEST: Final = 30 * SAMPLING_RATE
"""Samples at which ``WhisperFeatureExtractor`` cuts a sound unless it is told not to."""


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """13 tokens a second between begin and end of media."""
    audio = replace(blocks_of_a_second(files, wrapper=2, reckoned=False), longest=_LONGEST)
    return MultimodalFacts("kimi_audio", AUDIO, None, audio=audio, item_limits=(("audio", 1),))


FAMILY: Final = Family(
    name="kimi_audio",
    variants=(
        Variant(
            architecture="MoonshotKimiaForCausalLM",
            model_types=("kimi_audio",),
            text=LanguageModel(architecture="Qwen2ForCausalLM"),
            weights_known=False,
        ),
    ),
    place=TowerPlace("audio_tower", AUDIO),
    tokens=_tokens,
)
