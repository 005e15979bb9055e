"""Audio Flamingo 3: Qwen2-Audio's encoder over windows of 30 s, a two-layer projector, Qwen2.

Source: vLLM 0.33 ``model_executor/models/audioflamingo3.py``; transformers 5 ``models/audioflamingo3`` (600 s at most).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.audio_tower import AudioTower
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.audio import HALVED, POOLED, extractor_of
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FramedAudio, MultimodalFacts
from vlm_operator.model.towers.heard import PLAIN, whisper_tower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.audio_towers import AUDIO
from vlm_operator.model.weights.whisper import QWEN2_AUDIO, renamed, whole_encoder
from vlm_operator.model.weights.wrapper import Wrapper


def _hears(config: Config) -> AudioTower:
    audio = renamed(config.section("audio_config")).over(QWEN2_AUDIO)
    return whisper_tower(audio, PLAIN, whole=True)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Frames of all windows are counted together."""
    rate, hop, _ = extractor_of(files, 30)
    longest = files.processor.integer("max_audio_len", 600) * rate
    audio = FramedAudio(sampling_rate=rate, hop=hop, steps=(HALVED, POOLED), longest=longest, dummy=longest)
    return MultimodalFacts("audioflamingo3", AUDIO, None, audio=audio, item_limits=(("audio", 1),))


def _weights(wrapper: Wrapper) -> None:
    audio, hidden = renamed(wrapper.config.section("audio_config")).over(QWEN2_AUDIO), wrapper.text.hidden_size
    whole_encoder(wrapper.collection, audio, "audio_tower")
    bias = wrapper.config.boolean("projector_bias", True)
    projector = wrapper.projector(modalities=AUDIO, sharded=False)
    projector.linear("linear_1", hidden, audio.integer("d_model"), bias=bias, quantizable=False)
    projector.linear("linear_2", hidden, hidden, bias=bias, quantizable=False)
    wrapper.read_own_language()


FAMILY: Final = Family(
    name="audioflamingo3",
    variants=(
        Variant(
            architecture="AudioFlamingo3ForConditionalGeneration",
            model_types=("audioflamingo3",),
            text=LanguageModel(architecture="Qwen2ForCausalLM", model_type="qwen2"),
        ),
    ),
    place=TowerPlace("audio_tower", AUDIO, sharded=False),
    hears=_hears,
    tokens=_tokens,
    weights=_weights,
)
