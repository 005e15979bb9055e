"""Qwen3-Omni's thinker, the part that vLLM serves: the DeepStack tower, an audio encoder, Qwen3 with experts.

Sources: vLLM 0.32 ``model_executor/models/qwen3_omni_moe_thinker.py``; transformers 5 ``models/qwen3_omni_moe``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from vlm_operator.engine.loading_rules import RotaryRows
from vlm_operator.model.audio_tower import AudioTower
from vlm_operator.model.config import Config
from vlm_operator.model.config_defaults import text_class
from vlm_operator.model.family import Family, LanguageModel, Variant
from vlm_operator.model.multimodal.audio import blocks_of_a_second
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.multimodal.smart_resize import thinker_tokens
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.towers.deepstack import RenamedDeepstackTower
from vlm_operator.model.towers.heard import block_tower
from vlm_operator.model.towers.place import TowerPlace
from vlm_operator.model.weights.audio_towers import block_encoder
from vlm_operator.model.weights.wrapper import Wrapper

_VISION: Final = {
    "depth": 27,
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_heads": 16,
    "patch_size": 16,
    "out_hidden_size": 3584,
    "deepstack_visual_indexes": (8, 16, 24),
}
"""What ``Qwen3OmniMoeVisionEncoderConfig`` fills in."""


def _tower(config: Config) -> RenamedDeepstackTower:
    return RenamedDeepstackTower.read(config.section("thinker_config").section("vision_config"), _VISION)


def _hears(config: Config) -> AudioTower:
    return block_tower(config.section("thinker_config").section("audio_config"))


def _weights(wrapper: Wrapper) -> None:
    thinker = replace(wrapper, config=wrapper.config.section("thinker_config"))
    block_encoder(wrapper.collection, thinker.config.section("audio_config"))
    _tower(wrapper.config).build(wrapper.collection, FAMILY.place)
    thinker.read_own_language(own_word=not wrapper.config.has("tie_word_embeddings"))


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    audio = blocks_of_a_second(files, wrapper=2, sound_wrapper=2)
    return thinker_tokens("qwen3_omni_moe", config.section("thinker_config"), files, audio, patch_size=16)


FAMILY: Final = Family(
    name="qwen3_omni",
    variants=(
        Variant(
            architecture="Qwen3OmniMoeForConditionalGeneration",
            model_types=("qwen3_omni_moe", "qwen3_omni_moe_thinker"),
            text=LanguageModel(
                architecture="Qwen3MoeForCausalLM",
                model_type="qwen3_omni_moe_text",
                defaults=text_class(28, 2048, 18944, 3584, 28, 4, None, 32768),
                window_only_if_used=True,
            ),
        ),
    ),
    tower=_tower,
    hears=_hears,
    place=TowerPlace("visual"),
    tokens=_tokens,
    weights=_weights,
    rotary_rows=RotaryRows.ONE,
)
