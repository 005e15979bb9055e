"""InternVL 1.5 to 3.5 in OpenGVLab's format, and Skywork R1V: InternViT over tiles of an aspect ratio.

Sources: vLLM 0.32 ``model_executor/models/internvl.py`` and ``skyworkr1v.py``; all values are in ``config.json``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.model.config import Config
from vlm_operator.model.family import Family, Variant
from vlm_operator.model.multimodal.aspect_tiles import aspect_tiles
from vlm_operator.model.multimodal.families import text_config
from vlm_operator.model.multimodal.preprocessor import Preprocessor
from vlm_operator.model.processors import MultimodalFacts
from vlm_operator.model.weights.shuffled_projector import PLACE, plain_shuffled_weights, selected_intern_vit

_VIDEO_TEXT_MODELS: Final = ("qwen2", "qwen3", "qwen3_moe", "gpt_oss")
"""Language models for which vLLM knows a video token (``internvl.py: ctx_video_token``)."""
_QWEN2_5_VOCABULARY: Final = 151_665
"""Tokens of Qwen2.5's tokenizer, the first with ``<|video_pad|>``; Qwen2's has 151,646."""
_SKYWORK: Final = "SkyworkR1VChatModel"


def _takes_videos(config: Config) -> bool:
    if _SKYWORK in (config.items("architectures") or []):
        return False
    text = text_config(config)
    return text.text("model_type") in _VIDEO_TEXT_MODELS and (
        text.text("model_type") != "qwen2" or text.integer("vocab_size", _QWEN2_5_VOCABULARY) >= _QWEN2_5_VOCABULARY
    )


def _tokens(config: Config, files: Preprocessor) -> MultimodalFacts:
    video = _takes_videos(config)
    family = "skyworkr1v" if _SKYWORK in (config.items("architectures") or []) else "internvl"
    return MultimodalFacts(
        family,
        ("image", "video") if video else ("image",),
        aspect_tiles(config, tiles_knob=None if video else "max_dynamic_patch"),
    )


FAMILY: Final = Family(
    name="internvl_chat",
    variants=(
        Variant(architecture="InternVLChatModel", model_types=("internvl_chat",)),
        Variant(architecture=_SKYWORK),
    ),
    tower=selected_intern_vit,
    place=PLACE,
    tokens=_tokens,
    weights=plain_shuffled_weights,
    simulated=True,
)
