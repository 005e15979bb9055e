"""Which lines of a log may matter: millions of ordinary ones are dropped by one look at them."""

from __future__ import annotations

from itertools import repeat
from operator import contains
from typing import Final

from vlm_operator.engine.log_wordings import CRASHES, FAILURES, PIECES, WRAPPERS
from vlm_operator.engine.log_wordings.measured import FIGURES, MESSAGE_STARTS
from vlm_operator.engine.log_wordings.progress import BARS

_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./<-"
_KEY: Final = 8
KEY_END: Final = len("] ") + _KEY
STARTS: Final = frozenset(start.encode().decode("latin-1")[:_KEY] for start in MESSAGE_STARTS)
AFTER_LEVEL: Final = frozenset({*(f"{digit}-" for digit in range(10)), *(f"[{letter}" for letter in _LETTERS)})
"""First and third character behind the level in vLLM's own records: of a date (``11-23``) or of a file's name."""

_COMMON: Final = (
    "rror", "xception", "emory", "odel", "max_", "GPU", "not ", "ailed", "uantization", "GiB", "prompt", "blocks",
    "architecture", "KV cache", " tokens", "version", "trust_remote_code", "nccl", "died ", "Traceback", 'File "',
    "startup complete", "-default args", "LLM engine", " divisible", "upport", "nvalid ", "Can't load", "No such file",
    "space left", "url: ", " install", "ADDRINUSE", "imed out", "exit code", "rocessing class", *CRASHES, *BARS,
)  # fmt: skip
"""Pieces of words that most sentences hold which are looked for; a line without any is ordinary."""

_TOKENS: Final = (
    *_COMMON,
    *sorted(
        {
            wording.needle
            for wording in (*FAILURES, *FIGURES, *WRAPPERS)
            if not any(token in literal for literal in wording.literals for token in _COMMON)
        }
        | {piece for piece in PIECES if not any(token in piece for token in _COMMON)}
    ),
)
"""The same, with the longest fixed piece of each sentence that holds none of them."""

_INFORMATIVE: Final = (
    *(start.strip() for start in MESSAGE_STARTS),
    "startup complete",
    " server version ",
    "Traceback",
)
_NARROW_AFTER: Final = 1000
_INFO_MARKS: Final = (" INFO ", '"INFO"', "[INFO]", ":INFO:", " INFO:", '"info"')

_COLLECTED: Final = '"textPayload"'


class Sieve:
    """Tells ordinary lines outside vLLM's own records from those that may hold a sentence that is looked for.

    Made for one block of lines: once many were looked at, only pieces that stand somewhere in the block are looked for.
    """

    __slots__ = ("_informative", "_looked", "_text", "_tokens")

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = _TOKENS
        self._informative = _INFORMATIVE
        self._looked = 0

    def keeps(self, line: str) -> bool:
        """Whether ``line`` may hold a sentence."""
        self._looked += 1
        if self._looked == _NARROW_AFTER:
            self._tokens = tuple(token for token in _TOKENS if token in self._text)
            self._informative = tuple(token for token in _INFORMATIVE if token in self._text)
        if ("INFO" in line or '"info"' in line) and any(map(contains, repeat(line[:300]), _INFO_MARKS)):
            passes_on = "ERROR " in line or _COLLECTED in line  # a logger that wraps the lines of a server
            return any(map(contains, repeat(line), self._tokens if passes_on else self._informative))
        return any(map(contains, repeat(line), self._tokens))


def is_quiet(line: str, end: int) -> bool:
    """Whether the head of a record, up to ``end``, says WARNING or DEBUG as vLLM's own records do."""
    for level in ("WARNING ", "DEBUG "):
        start = line.find(level, 0, end)
        if start >= 0 and line[start + len(level) : start + len(level) + 3 : 2] in AFTER_LEVEL:
            return True
    return False
