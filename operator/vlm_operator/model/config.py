"""Typed, bounded access to the fields of a ``config.json``; every error names field and value."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from vlm_operator.errors import InputError, UnknownFact

LARGEST_DIMENSION = 2**40
"""No dimension of a real model comes near; larger figures are refused before arithmetic sees them."""


class Config:
    """A view on one object of the config, with the dotted path that errors name.

    >>> Config({"text_config": {"hidden_size": 8}}).section("text_config").integer("hidden_size")
    8
    """

    def __init__(self, values: Mapping[str, Any], path: str = "") -> None:
        self.values = values
        self.path = path

    def field(self, key: str) -> str:
        """Dotted name of ``key`` from the top of the file."""
        return f"{self.path}.{key}" if self.path else key

    def has(self, key: str) -> bool:
        """True where ``key`` is there and not null."""
        return self.values.get(key) is not None

    def over(self, defaults: Mapping[str, Any]) -> Config:
        """The same object with ``defaults`` for fields that are missing or null."""
        given = {key: value for key, value in self.values.items() if value is not None}
        return Config({**defaults, **given}, self.path)

    def section(self, key: str) -> Config:
        """The object under ``key``; an empty one where it is missing.

        Raises:
            InputError: not an object.
        """
        value = self.values.get(key)
        if value is None:
            value = {}
        if not isinstance(value, Mapping):
            raise InputError(f"{self.field(key)}: {str(value)[:60]!r} is not an object", field=self.field(key))
        return Config(value, self.field(key))

    def integer(self, key: str, default: int | None = None, *, least: int = 1) -> int:
        """A whole number of at least ``least``.

        Raises:
            InputError: not a whole number, or out of range.
            UnknownFact: missing, and no default is known for the family.
        """
        value = self.values.get(key)
        if value is None:
            if default is None:
                raise UnknownFact(
                    f"{self.field(key)} is missing from the config and has no known default",
                    field=self.field(key),
                    hint="give the model's complete config.json",
                )
            return default
        if isinstance(value, bool) or not isinstance(value, int):
            if isinstance(value, float) and value.is_integer():
                value = int(value)
            else:
                raise InputError(f"{self.field(key)}: {str(value)[:60]!r} is not a whole number", field=self.field(key))
        if not least <= value <= LARGEST_DIMENSION:
            raise InputError(
                f"{self.field(key)}: {str(value)[:40]} is not between {least} and 2^40", field=self.field(key)
            )
        return value

    def boolean(self, key: str, default: bool) -> bool:
        """True or false.

        Raises:
            InputError: neither.
        """
        value = self.values.get(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise InputError(f"{self.field(key)}: {str(value)[:60]!r} is not true or false", field=self.field(key))
        return value

    def text(self, key: str, default: str | None = None) -> str | None:
        """A string, or the default.

        Raises:
            InputError: not a string.
        """
        value = self.values.get(key)
        if value is None:
            return default
        if not isinstance(value, str):
            raise InputError(f"{self.field(key)}: {str(value)[:60]!r} is not a string", field=self.field(key))
        return value

    def number(self, key: str, default: float | None = None) -> float | None:
        """A finite number, or the default.

        Raises:
            InputError: not a finite number.
        """
        value = self.values.get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise InputError(f"{self.field(key)}: {str(value)[:60]!r} is not a number", field=self.field(key))
        return value

    def items(self, key: str) -> list[Any] | None:
        """A list, or None where it is missing.

        Raises:
            InputError: not a list.
        """
        value = self.values.get(key)
        if value is None:
            return None
        if not isinstance(value, list | tuple):
            raise InputError(f"{self.field(key)}: {str(value)[:60]!r} is not a list", field=self.field(key))
        return list(value)
