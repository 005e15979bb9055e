"""Single precision, where a processor computes in it and ties depend on it."""

from __future__ import annotations

import struct

_FLOAT = struct.Struct("f")


def float32(value: float) -> float:
    """The nearest single-precision number.

    >>> float32(0.1) == 0.1
    False
    """
    rounded: float = _FLOAT.unpack(_FLOAT.pack(value))[0]
    return rounded
