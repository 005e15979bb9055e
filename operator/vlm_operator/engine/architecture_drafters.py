"""Modules that predict several tokens (MTP), by the model class that they draft for: vLLM keeps a class for each.

Source: the ``*_mtp.py`` files in ``model_executor/models`` (vLLM 0.19.1 to 0.33.0).
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class Mixing(Enum):
    """How a module that predicts tokens joins the embedding of one token and the hidden state of the one before."""

    DIVIDED = auto()
    """``mtp.fc``, divided over the ranks (``qwen3_next_mtp.py``, ``qwen3_5_mtp.py``)."""
    WHOLE = auto()
    """``eh_proj``, whole on every rank and never quantised (``deepseek_mtp.py``, ``glm4_moe_mtp.py``)."""


def mixing_of(architecture: str) -> Mixing | None:
    """How the class's module for several tokens mixes; None for a class whose module is not counted."""
    if architecture in _DIVIDED:
        return Mixing.DIVIDED
    return Mixing.WHOLE if architecture in _WHOLE else None


_DIVIDED: Final = frozenset(
    {
        "Qwen3NextForCausalLM",
        "Qwen3_5ForCausalLM",
        "Qwen3_5ForConditionalGeneration",
        "Qwen3_5MoeForCausalLM",
        "Qwen3_5MoeForConditionalGeneration",
    }
)
_WHOLE: Final = frozenset({"DeepseekV3ForCausalLM", "Glm4MoeForCausalLM"})
