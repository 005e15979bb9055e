"""Lists in a config whose entries readers compute with: numbers of layers, sides of a kernel, names."""

from __future__ import annotations

from typing import Any

from vlm_operator.errors import InputError
from vlm_operator.model.config import Config


def integers(config: Config, key: str) -> list[int]:
    """A list of whole numbers; empty where it is missing.

    Raises:
        InputError: not a list, or an entry is no whole number.
    """
    entries = config.items(key) or []
    for entry in entries:
        if isinstance(entry, bool) or not isinstance(entry, int):
            raise _wrong(config, key, entry, "a whole number")
    return entries


def strings(config: Config, key: str) -> list[str]:
    """A list of strings; empty where it is missing.

    Raises:
        InputError: not a list, or an entry is no string.
    """
    entries = config.items(key) or []
    for entry in entries:
        if not isinstance(entry, str):
            raise _wrong(config, key, entry, "a string")
    return entries


def pair(config: Config, key: str, default: int) -> tuple[int, int]:
    """Two whole numbers, as of a kernel's sides; the default twice where it is missing.

    Raises:
        InputError: not two whole numbers of at least 1.
    """
    entries = config.items(key)
    if entries is None:
        return default, default
    if len(entries) != 2:
        raise InputError(f"{config.field(key)}: {str(entries)[:60]} is not two numbers", field=config.field(key))
    for entry in entries:
        if entry is None:
            raise _wrong(config, key, entry, "a whole number")
    sides = Config({"0": entries[0], "1": entries[1]}, config.field(key))
    return sides.integer("0"), sides.integer("1")


def _wrong(config: Config, key: str, entry: Any, wanted: str) -> InputError:
    field = config.field(key)
    return InputError(
        f"{field}: {str(entry)[:60]!r} is not {wanted}", field=field, hint="check the model's config.json"
    )
