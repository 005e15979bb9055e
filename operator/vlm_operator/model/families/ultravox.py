"""Ultravox: Whisper's encoder over windows of 30 s, frames stacked, a projector; a language model of any family.

Source: vLLM 0.33 ``model_executor/models/ultravox.py``, ``transformers_utils/configs/ultravox.py``. How sounds become
tokens is code of the checkpoints (``ultravox_processing.py`` of 0.5 and later): windows of 3,000 frames, 16 a token.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.audio_tower import AudioTower
from vlm_operator.model.config import Config
from vlm_operator.model.facts import Component
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.audio import extractor_of
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FramedAudio, MultimodalFacts
from vlm_operator.model.processors_audio import Step
from vlm_operator.model.towers.heard import EMBEDDINGS_KEPT, whisper_tower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.audio_towers import AUDIO
from vlm_operator.model.weights.whisper import WHISPER, divided_encoder, encoder_layers, positions
from vlm_operator.model.weights.wrapper import Wrapper

_MOST_WINDOWS: Final = 16
"""Windows of 30 s that start-up takes for the largest sound (``_MAX_ENCODER_BATCH_SIZE``)."""


def _hears(config: Config) -> AudioTower:
    audio = config.section("audio_config").over(WHISPER)
    positions = audio.integer("max_source_positions")
    return whisper_tower(audio, EMBEDDINGS_KEPT, most_positions=_MOST_WINDOWS * positions)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    rate, hop, chunk = extractor_of(files, 30)
    audio = FramedAudio(
        sampling_rate=rate,
        hop=hop,
        steps=(Step(0, 1, 2 * config.integer("stack_factor", 8)),),
        window=chunk * rate,
        least=2 * hop,
        dummy=_MOST_WINDOWS * chunk * rate,
    )
    return MultimodalFacts("ultravox", AUDIO, None, audio=audio)


def _weights(wrapper: Wrapper) -> None:
    """The parts that ``audio_model_id`` and ``text_model_id`` name have configs of their own.

    Raises:
        UnknownFact: the encoder is another repository's.
    """
    config, collection = wrapper.config, wrapper.collection
    if config.has("audio_model_id") and not config.section("audio_config").has("d_model"):
        raise UnknownFact(
            "audio_model_id: the encoder's dimensions are in another repository",
            field="audio_model_id",
            hint="give a config whose audio_config states d_model and encoder_layers",
        )
    audio, hidden = config.section("audio_config").over(WHISPER), wrapper.text.hidden_size
    width = audio.integer("d_model")
    positions(divided_encoder(collection, audio, "audio_tower"), audio)
    stacked = width * config.integer("stack_factor", 8)
    projector = wrapper.projector(modalities=AUDIO, sharded=False)
    projector.norm("ln_pre", stacked)
    layers = config.integer("num_projector_layers", 0, least=0)
    if layers:
        projector.linear("linear_in", width, stacked, bias=True)
        projector.tensor("embed_positions.weight", audio.integer("max_source_positions") * width)
        blocks = collection.tower(
            "multi_modal_projector.layers.{}", layers, component=Component.PROJECTOR, modalities=AUDIO
        )
        heads, inner = audio.integer("encoder_attention_heads"), audio.integer("encoder_ffn_dim")
        encoder_layers(blocks, width, heads, inner)
        projector.norm("ln_post", width)
        projector.linear("linear_out", hidden, width, bias=True)
    else:
        middle = config.integer("hidden_size", 4096)
        projector.linear("linear_1", middle, stacked)
        if (config.text("projector_act") or "swiglu") == "swiglu":
            middle //= 2
        projector.linear("linear_2", hidden, middle)
        projector.norm("ln", middle if config.boolean("projector_ln_mid", False) else hidden)
    wrapper.read_language()


FAMILY: Final = Family(
    name="ultravox",
    variants=(Variant(architecture="UltravoxModel", model_types=("ultravox",), nested="llama"),),
    place=TowerPlace("audio_tower", AUDIO),
    hears=_hears,
    tokens=_tokens,
    weights=_weights,
)
