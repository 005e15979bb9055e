"""MiniCPM-V 2.5 to 4.5 and MiniCPM-o: SigLIP over slices, a resampler with learned queries, Llama or Qwen.

Sources: vLLM 0.32 ``model_executor/models/minicpmv.py`` and ``minicpmo.py``; ``openbmb/MiniCPM-V-2_6`` (slices of 448
pixels, 64 tokens each). What MiniCPM-o speaks with is not served.
"""

from __future__ import annotations

import math
from typing import Final

from vlm_operator.errors import UnknownFact
from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.families import text_width
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import FramedAudio, MultimodalFacts, SliceLayout, Slices
from vlm_operator.model.processors_audio import SAMPLING_RATE, Step
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.towers.square import SIGLIP, SquareTower
from vlm_operator.model.weights.audio_towers import minicpmo_audio
from vlm_operator.model.weights.families import LANGUAGE_MODELS
from vlm_operator.model.weights.wrapper import IMAGE, IMAGE_AND_VIDEO, Wrapper

_LANGUAGE: Final = {
    "2.5": "LlamaForCausalLM",
    "2.6": "Qwen2ForCausalLM",
    "4.0": "LlamaForCausalLM",
    "4.5": "Qwen3ForCausalLM",
}
"""Language model of each ``version``."""
_COUNTED: Final = ("2.6", "4.0", "4.5")
"""Versions whose slices are counted; 2.0 and 2.5 write slices differently."""
_RESAMPLER_SIDE, _RESAMPLER_FRAMES = 70, 36000
"""Positions on a side and in time that the resampler keeps sines for."""
_SLICE_SIDE: Final = 448
"""Pixels along a slice (``scale_resolution``)."""
_OMNI: Final = "MiniCPMO"


def _is_omni(config: Config) -> bool:
    return _OMNI in (config.items("architectures") or ["MiniCPMV"])


def _tower(config: Config) -> SquareTower:
    vision = config.section("vision_config").over(SIGLIP)
    whole = vision.integer("num_hidden_layers")
    side = max(1, _SLICE_SIDE // vision.integer("patch_size"))
    return SquareTower.read(
        vision,
        SIGLIP,
        merge_size=max(1, math.isqrt(side * side // config.integer("query_num", 64))),
        output_size=text_width(config),
        built=whole - 1 if config.boolean("drop_vision_last_layer", False) else whole,
        post_norm=True,
        position_ids=False,
    )


def _sound(config: Config) -> FramedAudio:
    """Whisper's convolutions, then a pool; the outputs of each second stand between two marks.

    Start-up takes 30 s (``minicpmo.py: get_max_audio_chunks_with_most_features``).
    """
    pool = config.integer("audio_pool_step", 2)
    second = ((int((config.number("audio_chunk_length", 1.0) or 1.0) * 100) - 1) // 2 + 1 - pool) // pool + 1
    if second < 1:
        raise UnknownFact("audio_chunk_length: too short for one token", field="audio_chunk_length")
    return FramedAudio(
        steps=(Step(1, 3, 2), Step(0, pool, pool)),
        wrapper=2,
        span=second,
        dummy=30 * SAMPLING_RATE,
        largest=30 * second,
    )


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    version = str(config.values.get("version", ""))
    if version not in _COUNTED:
        raise UnknownFact(
            f"version: the token count of MiniCPM-V {version or 'before 2.6'} is not known",
            field="version",
            hint=f"known: {', '.join(_COUNTED)} and 4.6",
        )
    omni = _is_omni(config)
    return MultimodalFacts(
        "minicpmo" if omni else "minicpmv",
        ("image", "video", "audio") if omni else ("image", "video"),
        Slices(
            SliceLayout.RESAMPLED,
            patch_size=files.image.integer("patch_size", 14),
            scale_resolution=files.image.integer("scale_resolution", 448),
            max_slices=files.image.integer("max_slice_nums", 9),
            tokens_per_slice=files.image.integer("image_feature_size", config.integer("query_num", 64)),
            video_slices=1,
            dummy_side=config.integer("image_size", 448),
            dummy_slices=config.integer("max_slice_num", 9),
        ),
        audio=_sound(config) if omni else None,
        audio_frames=2 if omni else 0,
    )


def _weights(wrapper: Wrapper) -> None:
    config, hidden = wrapper.config, wrapper.text.hidden_size
    if wrapper.architecture == _OMNI and config.has("audio_config"):
        minicpmo_audio(wrapper.collection, config.section("audio_config"), hidden)
    version = str(config.values.get("version", "2.5"))
    language_model = _LANGUAGE.get(version)
    if language_model is None or (version == "2.5" and hidden == 2304):
        raise UnknownFact(f"version: the weights of MiniCPM-V {version[:20]!r} are not known", field="version")
    modalities = IMAGE if version == "2.5" else IMAGE_AND_VIDEO
    tower = _tower(config)
    tower.build(wrapper.collection, TowerPlace("vpm", modalities, data_parallel=True))
    _resampler(wrapper, version, tower.width, modalities)
    LANGUAGE_MODELS[language_model](wrapper.language(prefix="llm"))


def _resampler(wrapper: Wrapper, version: str, width: int, modalities: tuple[str, ...]) -> None:
    hidden = wrapper.text.hidden_size
    resampler = wrapper.projector("resampler", modalities=modalities, sharded=False)
    resampler.tensor("query", wrapper.config.integer("query_num", 64) * hidden)
    if width != hidden:
        resampler.linear("kv_proj", hidden, width)
    resampler.linear("attn.in_proj", 3 * hidden, hidden, bias=True, quantizable=False)
    resampler.linear("attn.out_proj", hidden, hidden, bias=True, quantizable=False)
    resampler.tensor("proj", hidden * hidden)
    for name in ("ln_q", "ln_kv", "ln_post"):
        resampler.norm(name, hidden, bias=True)
    resampler.tensor("pos_embed", _RESAMPLER_SIDE**2 * hidden)
    if version == "4.5":
        resampler.tensor("temporal_pos_embed", _RESAMPLER_FRAMES * hidden)


_TEXT: Final = LanguageModel(architecture="Qwen2ForCausalLM", model_type="")

FAMILY: Final = Family(
    name="minicpmv",
    variants=(
        Variant(architecture="MiniCPMV", model_types=("minicpmv",), text=_TEXT),
        Variant(architecture=_OMNI, model_types=("minicpmo",), text=_TEXT),
    ),
    tower=_tower,
    place=TowerPlace("vpm", IMAGE_AND_VIDEO, data_parallel=True),
    tokens=_tokens,
    weights=_weights,
)
