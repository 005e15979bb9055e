"""Values of flags as people write them: vLLM's short spellings of whole numbers."""

from __future__ import annotations

import re
from typing import Final

from vlm_operator.errors import InputError

_SPELLED: Final = re.compile(r"(\d{1,18}(?:\.\d{1,18})?)([kKmMgGtT])", re.ASCII)
_PLAIN: Final = re.compile(r"\d{1,3}(?:_?\d{1,3}){0,7}", re.ASCII)
_DECIMAL: Final = {"k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY: Final = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}

AUTO: Final = frozenset({"auto", "-1"})
"""Spellings of ``--max-model-len`` that leave the context to be chosen (0.14: ``human_readable_int_or_auto``; before, a
context had to be named, which plans do anyway)."""


def whole_number(text: str, *, field: str) -> int:
    """A whole number as vLLM's parser reads it: ``32768``, ``32k`` (32,000), ``32K`` (32,768), ``25.6k``.

    Source: vLLM 0.11.2 to 0.33.0, ``human_readable_int`` (``engine/arg_utils.py``, later ``utils/argparse_utils.py``).

    Raises:
        InputError: no such number, or a fraction of a power of two.

    >>> whole_number("32k", field="max-model-len"), whole_number("32K", field="max-model-len")
    (32000, 32768)
    """
    given = text.strip()
    if _PLAIN.fullmatch(given):
        return int(given)
    match = _SPELLED.fullmatch(given)
    if match is None:
        raise InputError(
            f"{field}: {text[:60]!r} is not a whole number",
            field=field,
            hint="write a whole number, or one with k, m, g (powers of 1,000) or K, M, G (powers of 1,024)",
        )
    number, suffix = match.groups()
    if suffix in _DECIMAL:
        return int(float(number) * _DECIMAL[suffix])
    if "." in number:
        raise InputError(
            f"{field}: {given!r} is a fraction of a power of two, which vLLM refuses",
            field=field,
            hint=f"write {number}{suffix.lower()}, or a whole number",
        )
    return int(number) * _BINARY[suffix]


def context_length(text: str, *, field: str) -> int | None:
    """A context as ``--max-model-len`` takes it: a whole number, or None for ``auto`` and ``-1``.

    Raises:
        InputError: neither.
    """
    return None if text.strip().lower() in AUTO else whole_number(text, field=field)
