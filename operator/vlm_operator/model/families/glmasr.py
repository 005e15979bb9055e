"""GLM-ASR: Whisper's encoder with rotary positions, four outputs merged into one token, Llama.

Source: vLLM 0.33 ``model_executor/models/glmasr.py`` and ``glmasr_utils.py``; transformers 5 ``models/glmasr``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.model.audio_tower import AudioTower
from vlm_operator.model.config import Config
from vlm_operator.model.facts import DType
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.audio import HALVED, extractor_of
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FramedAudio, MultimodalFacts
from vlm_operator.model.processors_audio import Step
from vlm_operator.model.towers.heard import PLAIN, whisper_tower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.audio_towers import AUDIO
from vlm_operator.model.weights.whisper import QWEN2_AUDIO, divided_encoder, renamed
from vlm_operator.model.weights.wrapper import Wrapper

_SAME: Final = Step(1, 3, 1)
"""A convolution of three frames that keeps their number."""


def _hears(config: Config) -> AudioTower:
    return whisper_tower(renamed(config.section("audio_config")).over(QWEN2_AUDIO), PLAIN)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    """Windows of 30 s, as many as 655 s hold; begin and end of sound."""
    rate, hop, chunk = extractor_of(files, 30)
    merged = config.integer("merge_factor", 4)
    longest = int((files.processor.number("max_audio_len", 655) or 655) // chunk) * chunk * rate
    audio = FramedAudio(
        sampling_rate=rate,
        hop=hop,
        steps=(_SAME, HALVED, Step(0, merged, merged)),
        window=chunk * rate,
        longest=longest,
        wrapper=2,
        dummy=longest,
    )
    return MultimodalFacts("glmasr", AUDIO, None, audio=audio)


def _weights(wrapper: Wrapper) -> None:
    """Keys have a bias too, filled with zeros; rotary frequencies are a buffer; embeddings are tied by default."""
    audio, hidden = renamed(wrapper.config.section("audio_config")).over(QWEN2_AUDIO), wrapper.text.hidden_size
    tower = divided_encoder(wrapper.collection, audio, "audio_tower")
    head = audio.integer("d_model") // audio.integer("encoder_attention_heads")
    parameters = audio.section("rope_parameters")
    share = parameters.number("partial_rotary_factor", 0.5) or 0.5
    tower.tensor("rotary_emb.inv_freq", int(head * share) // 2, dtype=DType.FLOAT32)
    projector = wrapper.projector(modalities=AUDIO)
    projector.column("linear_1", 2 * hidden, audio.integer("encoder_ffn_dim"), bias=True)
    projector.row("linear_2", hidden, 2 * hidden, bias=True)
    tied = wrapper.config.boolean("tie_word_embeddings", True)
    replace(wrapper, text=replace(wrapper.text, tie_word_embeddings=tied)).read_own_language()


FAMILY: Final = Family(
    name="glmasr",
    variants=(
        Variant(
            architecture="GlmAsrForConditionalGeneration",
            model_types=("glmasr",),
            text=LanguageModel(architecture="LlamaForCausalLM", model_type="llama"),
        ),
    ),
    place=TowerPlace("audio_tower", AUDIO),
    hears=_hears,
    tokens=_tokens,
    weights=_weights,
)
