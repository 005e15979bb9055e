"""Bytes inside, GiB at the edges: the only place where one becomes the other."""

from __future__ import annotations

import re
from typing import Final

from vlm_operator.errors import InputError

KIB: Final = 1024
MIB: Final = 1024**2
GIB: Final = 1024**3

_FACTORS: Final = {
    "": 1, "B": 1,
    "KIB": KIB, "KI": KIB, "MIB": MIB, "MI": MIB, "GIB": GIB, "GI": GIB, "TIB": 1024**4, "TI": 1024**4,
    "KB": 10**3, "K": 10**3, "MB": 10**6, "M": 10**6, "GB": 10**9, "G": 10**9, "TB": 10**12, "T": 10**12,
}  # fmt: skip
_SIZE: Final = re.compile(r"\s*(\d{1,19}(?:\.\d{1,18})?)\s*([A-Za-z]*)\s*", re.ASCII)


def gib(size_bytes: int) -> float:
    """Bytes as GiB (2^30 bytes), unrounded.

    >>> gib(3 * 2**29)
    1.5
    """
    return size_bytes / GIB


def parse_bytes(text: str, *, field: str = "size") -> int:
    """Bytes of a size such as ``9GiB``, ``4Gi``, ``512MiB``, ``9GB`` (10^9) or a bare number of bytes.

    Raises:
        InputError: not a size, or not greater than zero.

    >>> parse_bytes("9GiB") - parse_bytes("9GB")
    663676416
    """
    match = _SIZE.fullmatch(text)
    factor = _FACTORS.get(match[2].upper()) if match else None
    if match is None or factor is None:
        raise InputError(
            f"{field}: {text[:60]!r} is not a size",
            field=field,
            hint="write a number and a unit, for instance 9GiB (2^30 bytes each) or 9GB (10^9 bytes each)",
        )
    whole, _, fraction = match[1].partition(".")
    size = int(whole) * factor + (int(fraction) * factor // 10 ** len(fraction) if fraction else 0)
    if size <= 0:
        raise InputError(
            f"{field}: {text.strip()!r} is not greater than zero", field=field, hint="give a size above zero"
        )
    return size


def format_gib(size_bytes: int) -> str:
    """Bytes for people: GiB with two decimals.

    >>> format_gib(2**30)
    '1.00 GiB'
    """
    return f"{size_bytes / GIB:.2f} GiB"
