"""Phi-4-multimodal: SigLIP over crops of 448 pixels, a conformer for speech, a projector each; adapters not counted.

Sources: vLLM 0.32 ``model_executor/models/phi4mm.py`` (``get_navit_vision_model``) and ``phi4mm_audio.py``;
``microsoft/Phi-4-multimodal-instruct`` (36 crops at most).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import DynamicHd, FramedAudio, MultimodalFacts
from vlm_operator.model.processors_audio import Step
from vlm_operator.model.towers.depth import indexed_depth
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import SO400M, SquareTower
from vlm_operator.model.weights.audio_towers import phi4_audio
from vlm_operator.model.weights.families import LANGUAGE_MODELS
from vlm_operator.model.weights.wrapper import IMAGE, Wrapper

_PLACE: Final = TowerPlace("vision_encoder.img_processor", IMAGE, quantizable=False)


def _tower(config: Config) -> SquareTower:
    whole = SO400M["num_hidden_layers"]
    named = config.has("img_processor")
    return SquareTower.read(
        Config(SO400M),
        SO400M,
        merge_size=2,
        output_size=text_width(config),
        built=indexed_depth(config.section("img_processor"), whole) if named else whole - 1,
        post_norm=False,
        position_ids=False,
    )


def _sound(config: Config) -> FramedAudio:
    """Whole frames of 400 samples; every begun eight of them is a token. Start-up takes 241,000 samples."""
    layer = config.section("embd_layer").section("audio_embd_layer")
    return FramedAudio(frame=400, steps=(Step(0, 1, layer.integer("compression_rate", 8)),), dummy=241_000)


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    return MultimodalFacts(
        "phi4mm",
        ("image", "audio"),
        DynamicHd(crop_size=448, patch_size=14, compression=2, max_crops=files.image.integer("dynamic_hd", 36)),
        audio=_sound(config),
    )


def _weights(wrapper: Wrapper) -> None:
    config, hidden = wrapper.config, wrapper.text.hidden_size
    tower = _tower(config)
    tower.build(wrapper.collection, _PLACE)
    projector = wrapper.projector("vision_encoder", sharded=False)
    projector.tensor("glb_GN", tower.width)
    projector.tensor("sub_GN", tower.width)
    projector.linear("img_projection.0", hidden, tower.width, bias=True, quantizable=False)
    projector.linear("img_projection.2", hidden, hidden, bias=True, quantizable=False)
    phi4_audio(wrapper.collection, config.section("audio_processor").section("config"), hidden)
    LANGUAGE_MODELS["Phi3ForCausalLM"](wrapper.language(prefix="", kind="phi3"))


FAMILY: Final = Family(
    name="phi4mm",
    variants=(
        Variant(
            architecture="Phi4MMForCausalLM",
            model_types=("phi4mm",),
            text=LanguageModel(architecture="Phi3ForCausalLM", model_type=""),
        ),
    ),
    tower=_tower,
    place=_PLACE,
    tokens=_tokens,
    weights=_weights,
)
