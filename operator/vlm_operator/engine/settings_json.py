"""Engine settings as plain JSON and back, for status, observations and files. Fields at their default are left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vlm_operator.engine.flag import Kind
from vlm_operator.engine.flags import DEFAULTS
from vlm_operator.engine.settings import FLAGS, EngineSettings, ModalityLimit
from vlm_operator.errors import InputError


def settings_to_json(settings: EngineSettings) -> dict[str, Any]:
    """Every field that is not at its default, by vLLM's name; limits as objects.

    >>> settings_to_json(EngineSettings(max_model_len=8192))
    {'max_model_len': 8192}
    """
    result: dict[str, Any] = {}
    for name, default in DEFAULTS.items():
        value = getattr(settings, name)
        if value == default:
            continue
        kind = FLAGS[name].kind
        if kind is Kind.LIMITS:
            value = {modality: _limit_to_json(limit) for modality, limit in value}
        elif kind is Kind.COUNTS:
            value = list(value)
        result[name] = value
    return result


def settings_from_json(values: Mapping[str, Any]) -> EngineSettings:
    """The settings that ``settings_to_json`` wrote.

    Raises:
        InputError: a field that is none, so that nothing is lost silently.
    """
    unknown = values.keys() - DEFAULTS.keys()
    if unknown:
        raise InputError(f"flags: {sorted(unknown)[0]!r} is not a flag that plans know", field="flags")
    changes = dict(values)
    for name, value in values.items():
        if value is None:
            continue
        kind = FLAGS[name].kind
        if kind is Kind.LIMITS:
            changes[name] = tuple((modality, ModalityLimit(**limit)) for modality, limit in sorted(value.items()))
        elif kind is Kind.COUNTS:
            changes[name] = tuple(value)
    return EngineSettings(**changes)


def _limit_to_json(limit: ModalityLimit) -> dict[str, int]:
    sizes = {"count": limit.count, "width": limit.width, "height": limit.height, "num_frames": limit.num_frames}
    return {key: value for key, value in sizes.items() if value is not None}
