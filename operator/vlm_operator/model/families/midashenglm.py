"""MiDashengLM: Dasheng's encoder and the language model of Qwen2.5-Omni.

Source: vLLM 0.33 ``model_executor/models/midashenglm.py`` (``calculate_mel_frames_dasheng``). Weights were not read.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FramedAudio, MultimodalFacts
from vlm_operator.model.processors_audio import Step
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.audio_towers import AUDIO

_LEAST_SAMPLES, _LARGEST_SAMPLES = 3200, 160_000
"""The shortest sound (``get_min_audio_len``) and the largest at start-up (``get_max_audio_len``)."""


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Patches of four frames, five of them a token; begin and end of sound."""
    audio = FramedAudio(
        frame=160,
        before=160,
        steps=(Step(0, 4, 4), Step(0, 5, 5)),
        least=_LEAST_SAMPLES,
        least_tokens=1,
        wrapper=2,
        dummy=_LARGEST_SAMPLES,
    )
    return MultimodalFacts("midashenglm", AUDIO, None, audio=audio)


FAMILY: Final = Family(
    name="midashenglm",
    variants=(
        Variant(
            architecture="MiDashengLMModel",
            model_types=("midashenglm",),
            text=LanguageModel(architecture="Qwen2ForCausalLM"),
            weights_known=False,
        ),
    ),
    place=TowerPlace("audio_encoder", AUDIO),
    tokens=_tokens,
)
