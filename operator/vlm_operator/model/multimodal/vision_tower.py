"""Dimensions of a model's vision encoder, read by its family's record."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlm_operator.errors import UnknownFact
from vlm_operator.model import registry
from vlm_operator.model.config import Config
from vlm_operator.model.facts import VisionTower


def read_vision_tower(config: Mapping[str, Any]) -> VisionTower | None:
    """Dimensions of the vision encoder, None for a text model or where neither config nor class says them.

    Raises:
        InputError: a field has a value that it cannot have.
    """
    view = Config(config)
    known = registry.family_of(view)
    if known is None or known.family.tower is None:
        return None
    try:
        tower = known.family.tower(view)
    except UnknownFact:
        return None
    return tower.facts if tower else None
