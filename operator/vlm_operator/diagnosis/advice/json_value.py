"""Rebuild the JSON object that a command line nearly wrote."""

from __future__ import annotations

import ast
import json
import re
from typing import Any, Final

_PAIR: Final = re.compile(r"\s*[\"']?(?P<key>[A-Za-z_][\w.]{0,60})[\"']?\s*[=:]\s*(?P<value>[^\s,{}\[\]=:]{1,200})\s*")
_LONGEST: Final = 2000


def repaired_json(text: str) -> dict[str, Any] | None:
    """The object that ``text`` stands for, or None where it is valid JSON already or not to be understood.

    Pairs as older releases took them, Python's own notation, and JSON whose quotes a shell has eaten.

    >>> repaired_json("image=5,video=0"), repaired_json("{image: 5}"), repaired_json("{\u201cimage\u201d: 5}")
    ({'image': 5, 'video': 0}, {'image': 5}, {'image': 5})
    >>> repaired_json("{'fps': 2.0}"), repaired_json("auto"), repaired_json('{"image": 5}')
    ({'fps': 2.0}, None, None)
    """
    plain = text.strip()[:_LONGEST]
    if _object(plain) is not None:
        return None
    inner = (
        plain.strip("'\"`\u2018\u2019\u201c\u201d").replace("\u201c", '"').replace("\u201d", '"').replace('\\"', '"')
    )
    return _object(inner) or _literal(inner) or _pairs(inner)


def _object(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _literal(text: str) -> dict[str, Any] | None:
    """A dict as Python prints it."""
    if not text.startswith("{"):
        return None
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return {str(key): each for key, each in value.items()} if isinstance(value, dict) else None


def _pairs(text: str) -> dict[str, Any] | None:
    """``key=value`` or ``key: value``, with commas between them."""
    pieces = text.removeprefix("{").removesuffix("}").split(",")
    pairs = [_PAIR.fullmatch(piece) for piece in pieces]
    if not pairs or any(pair is None for pair in pairs):
        return None
    return {pair["key"]: _scalar(pair["value"].strip("\"'")) for pair in pairs if pair is not None}


def _scalar(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
