"""Engine settings as plain JSON and back, for status, observations and files. Fields at their default are left out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.errors import InputError

_TUPLES: Final = frozenset({"cudagraph_capture_sizes"})
_DEFAULTS: Final = {field.name: field.default for field in fields(EngineSettings)}


def settings_to_json(settings: EngineSettings) -> dict[str, Any]:
    """Every field that is not at its default, by vLLM's name; limits as objects.

    >>> settings_to_json(EngineSettings(max_model_len=8192))
    {'max_model_len': 8192}
    """
    result: dict[str, Any] = {}
    for name, default in _DEFAULTS.items():
        value = getattr(settings, name)
        if value == default:
            continue
        if name == "limit_mm_per_prompt":
            value = {modality: _limit_to_json(limit) for modality, limit in value}
        elif name in _TUPLES:
            value = list(value)
        result[name] = value
    return result


def settings_from_json(values: Mapping[str, Any]) -> EngineSettings:
    """The settings that ``settings_to_json`` wrote.

    Raises:
        InputError: a field that is none, so that nothing is lost silently.
    """
    unknown = values.keys() - _DEFAULTS.keys()
    if unknown:
        raise InputError(f"flags: {sorted(unknown)[0]!r} is not a flag that plans know", field="flags")
    changes = dict(values)
    limits = changes.get("limit_mm_per_prompt")
    if limits is not None:
        changes["limit_mm_per_prompt"] = tuple(
            (modality, ModalityLimit(**limit)) for modality, limit in sorted(limits.items())
        )
    for name in _TUPLES & changes.keys():
        changes[name] = tuple(changes[name])
    return EngineSettings(**changes)


def _limit_to_json(limit: ModalityLimit) -> dict[str, int]:
    sizes = {"count": limit.count, "width": limit.width, "height": limit.height, "num_frames": limit.num_frames}
    return {key: value for key, value in sizes.items() if value is not None}
