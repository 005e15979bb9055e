"""Voxtral: Whisper's encoder over windows of 30 s, four outputs joined into one token, Mistral.

Source: vLLM 0.33 ``model_executor/models/voxtral.py``; mistral-common 1.13 (``AudioEncoder.pad``): a sound fills
whole windows, a token is 80 ms. vLLM reads checkpoints in Mistral's own format; config.json states the same sizes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.model.audio_tower import AudioTower
from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FramedAudio, MultimodalFacts
from vlm_operator.model.processors_audio import SAMPLING_RATE
from vlm_operator.model.towers.heard import EMBEDDINGS_KEPT, whisper_tower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.audio_towers import AUDIO
from vlm_operator.model.weights.whisper import QWEN2_AUDIO, divided_encoder, positions, renamed
from vlm_operator.model.weights.wrapper import Wrapper

_FRAME, _WINDOW = 1280, 30 * SAMPLING_RATE
"""Samples of a token (12.5 tokens a second), and of a window."""
_DOWNSAMPLED: Final = 4
"""Encoder outputs of a token."""
_FREQUENCIES: Final = 201
"""Frequencies of the spectrogram: 1 + half a window of 400 samples."""
_MOST_SOUNDS: Final = 5


def _hears(config: Config) -> AudioTower:
    """Its inputs are the samples, in float32; vLLM makes the spectrogram."""
    audio = renamed(config.section("audio_config")).over(QWEN2_AUDIO)
    tower = whisper_tower(audio, EMBEDDINGS_KEPT)
    return replace(tower, inputs_per_patch=tower.inputs_per_patch + 2 * tower.samples)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """A mark before every sound; the largest fills the context."""
    audio = FramedAudio(hop=_FRAME, multiple=_WINDOW, wrapper=1)
    return MultimodalFacts("voxtral", AUDIO, None, audio=audio, item_limits=(("audio", _MOST_SOUNDS),))


def _weights(wrapper: Wrapper) -> None:
    audio, hidden = renamed(wrapper.config.section("audio_config")).over(QWEN2_AUDIO), wrapper.text.hidden_size
    wrapper.read_own_language()
    tower = divided_encoder(wrapper.collection, audio, "whisper_encoder.whisper_encoder")
    positions(tower, audio, dtype=DType.FLOAT32)
    tower.tensor("mel_filters", _FREQUENCIES * audio.integer("num_mel_bins"), dtype=DType.FLOAT32)
    projector = wrapper.projector("audio_language_adapter", modalities=AUDIO, sharded=False)
    projector.linear("w_in", hidden, audio.integer("d_model") * _DOWNSAMPLED, quantizable=False)
    projector.linear("w_out", hidden, hidden, quantizable=False)


FAMILY: Final = Family(
    name="voxtral",
    variants=(
        Variant(
            architecture="VoxtralForConditionalGeneration",
            model_types=("voxtral",),
            text=LanguageModel(architecture="MistralForCausalLM", model_type="llama"),
        ),
    ),
    place=TowerPlace("whisper_encoder", AUDIO),
    hears=_hears,
    tokens=_tokens,
    weights=_weights,
)
