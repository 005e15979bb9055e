"""Module names that many checkpoints share and vLLM changes (``hf_to_vllm_mapper`` of the families' classes)."""

from __future__ import annotations

from typing import Final

from vlm_operator.model.family import Renames

LANGUAGE: Final[Renames] = (
    ("model.language_model.", "language_model.model."),
    ("lm_head.", "language_model.lm_head."),
)
"""The language model inside the whole."""
TOWER_AND_PROJECTOR: Final[Renames] = (
    *LANGUAGE,
    ("model.vision_tower.", "vision_tower."),
    ("model.multi_modal_projector.", "multi_modal_projector."),
)
"""A tower and a projector beside it."""
VISUAL: Final[Renames] = (("model.visual.", "visual."), *LANGUAGE)
"""A tower with its merger beside the language model."""
