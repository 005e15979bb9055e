"""A prefix that no pattern knows, learnt from the heading of a traceback in which it stands."""

from __future__ import annotations

import re
from typing import Final

_TRACEBACK: Final = "Traceback (most recent call last):"
_VARYING: Final = re.compile(r"\d+|[ \t]+|[^\d \t]+")
_LONGEST_PREFIX: Final = 300


class LearntPrefix:
    """What an earlier traceback had in front of its heading, whatever its digits."""

    def __init__(self) -> None:
        self._pattern: re.Pattern[str] | None = None

    def strip(self, text: str) -> str:
        """``text`` without the prefix; a heading of a traceback teaches it."""
        if text.endswith(_TRACEBACK) and not text.startswith("{"):
            prefix = text.removesuffix(_TRACEBACK)
            if prefix.strip(" \t|+") and len(prefix) <= _LONGEST_PREFIX:
                self._pattern = re.compile(_VARYING.sub(_any_like, prefix))
        match = self._pattern.match(text) if self._pattern is not None else None
        return text if match is None else text[match.end() :]


def _any_like(piece: re.Match[str]) -> str:
    """A pattern for what may stand for a piece of a prefix in other lines: another number, as many blanks or more."""
    text = piece[0]
    if text.isdecimal():
        return r"\d{1,30}"
    between = text.isspace() and piece.end() < len(piece.string)
    return r"[ \t]{0,30}" if between else re.escape(text)
