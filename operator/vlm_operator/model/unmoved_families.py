"""Traits of families that have no record in ``model.families`` yet. A family that moves takes its rows with it."""

from __future__ import annotations

from vlm_operator.model.config import Config
from vlm_operator.model.text_config import TextConfig


def prefix_item_tokens(whole: Config, text: TextConfig) -> int | None:
    """As ``Family.prefix_item_tokens`` (0.32: ``is_mm_prefix_lm``)."""
    return 0 if whole.text("model_type") in {"bagel", "molmo2", "moondream3"} else None
