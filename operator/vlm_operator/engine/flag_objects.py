"""Values of flags that are JSON: objects, and the limits of items by modality."""

from __future__ import annotations

import json
from typing import Any, NoReturn

from vlm_operator.engine.settings import MODALITIES, UNLIMITED, ModalityLimit
from vlm_operator.errors import InputError


def parse_object(text: str | None, field: str) -> dict[str, Any] | None:
    """A JSON object given on the command line.

    Raises:
        InputError: not JSON, or not an object.
    """
    if text is None:
        return None
    try:
        value = json.loads(text, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{field}: {text[:60]!r} is not JSON: {error}",
            field=field,
            hint="names in double quotes, the whole in single quotes for the shell: '{\"image\": 4}'",
        ) from None
    if not isinstance(value, dict):
        raise InputError(
            f"{field}: {text[:60]!r} is not a JSON object", field=field, hint="write it in braces: '{\"image\": 4}'"
        )
    return value


def refuse_constant(name: str) -> NoReturn:
    """For ``json.loads``: ``NaN`` and ``Infinity`` are Python's, and nobody else's parser takes them.

    Raises:
        ValueError: naming it.
    """
    raise ValueError(f"{name} is no number that JSON has")


def parse_limits(value: dict[str, Any] | None) -> tuple[tuple[str, ModalityLimit], ...] | None:
    """``--limit-mm-per-prompt`` as vLLM takes it: counts, or objects with sizes.

    Raises:
        InputError: an unknown modality, or a count that is none.
    """
    if value is None:
        return None
    limits: list[tuple[str, ModalityLimit]] = []
    for modality, entry in sorted(value.items()):
        field = f"limit-mm-per-prompt.{modality}"
        if modality not in MODALITIES:
            raise InputError(f"{field}: no such modality", field=field, hint=f"one of {', '.join(MODALITIES)}")
        sizes = entry if isinstance(entry, dict) else {"count": entry}
        unknown = sizes.keys() - {"count", "width", "height", "num_frames", "length"}
        if unknown:
            raise InputError(f"{field}: unknown key {sorted(unknown)[0]!r}", field=field)
        for key, number in sizes.items():
            if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 10**9:
                raise InputError(f"{field}.{key}: {number!r} is not a count", field=field, hint="0 to 10^9")
        limits.append(
            (
                modality,
                ModalityLimit(
                    sizes.get("count", UNLIMITED), sizes.get("width"), sizes.get("height"), sizes.get("num_frames")
                ),
            )
        )
    return tuple(limits)
