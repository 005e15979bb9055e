"""How does vLLM's code of a vision tower use memory? What it keeps at once for each patch, by family and release.

Counted in the forward functions of ``model_executor/models/`` (0.11.2, 0.12.0, 0.13.0, 0.15.1, 0.22.1, 0.25.1 and
0.32.0): ``qwen2_vl.py``, ``qwen2_5_vl.py``, ``qwen3_vl.py``, ``dots_ocr.py``, ``glm4_1v.py`` and
``layers/rotary_embedding/common.py: ApplyRotaryEmb``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from vlm_operator.engine.version import EngineVersion

_V0_12: Final = EngineVersion(0, 12)
_V0_13: Final = EngineVersion(0, 13)

_ROTARY_OF_QWEN: Final = frozenset(
    {
        "qwen2_vl",
        "qwen2_5_vl",
        "qwen2_5_omni",
        "qwen3_vl",
        "qwen3_vl_moe",
        "qwen3_omni_moe",
        "glm4v",
        "glm4v_moe",
        "ernie4_5_moe_vl",
        "paddleocr_vl",
    }
)
"""Families (``model_type``) whose towers rotate queries and keys with Qwen2-VL's function."""

_ROTARY_IN_FLOAT32: Final = frozenset({"dots_ocr"})
"""Families that rotate in float32 in every release."""

_GATED: Final = frozenset(
    {
        "qwen2_5_vl",
        "qwen2_5_omni",
        "dots_ocr",
        "glm4v",
        "glm4v_moe",
        "pixtral",
        "mistral3",
        "gemma4",
        "ovis2_5",
    }
)
"""Families whose tower has a gated MLP (two projections up)."""


@dataclass(frozen=True, slots=True)
class EncoderRules:
    """Bytes for each patch, in multiples of the tower's dimensions (2-byte elements).

    Attributes:
        attention_whole: times the tower's width, on every rank: the block's input and its normed copy.
        attention_divided: times the tower's width, divided over ranks: queries, keys, values and their copies.
        mlp_whole: times the tower's width, on every rank: the block's input, the residual sum, its normed copy.
        mlp_divided: times the tower's MLP width, divided over ranks: before and after the activation.
    """

    attention_whole: int
    attention_divided: int
    mlp_whole: int
    mlp_divided: int


@lru_cache(maxsize=512)
def encoder_rules(model_type: str, version: EngineVersion) -> EncoderRules:
    """What the tower of ``model_type`` keeps at once.

    Queries, keys and values take 6, a contiguous copy of queries and keys 4, their rotation 4, the attention's output
    and its projection 4. Through 0.11 the rotation of Qwen's families is in float32: 8 for the copy and 8 for the
    result before it becomes 4 again. dots.ocr copies values too and, through 0.12, rotates with four float32
    intermediates.
    """
    divided = 18
    if model_type in _ROTARY_IN_FLOAT32:
        divided = 48 if version < _V0_13 else 36
    elif model_type in _ROTARY_OF_QWEN and version < _V0_12:
        divided = 30
    return EncoderRules(4, divided, 6, 6 if model_type in _GATED else 4)


def reckoned_tokens_per_encoded(model_type: str, modality: str, version: EngineVersion) -> float:
    """Encoder tokens vLLM reckons with for each token that the dummy item's encoding really has.

    Qwen3-VL's video reckoned 12.5 for one through 0.12 (timestamps), so the budget was 153,600 tokens while the dummy
    had 12,288: ``models/qwen3_vl.py: get_max_video_tokens`` (0.11.2, 0.12.0; gone in 0.13.0).
    """
    if modality == "video" and model_type in {"qwen3_vl", "qwen3_vl_moe"} and version < _V0_13:
        return 12.5
    return 1.0
