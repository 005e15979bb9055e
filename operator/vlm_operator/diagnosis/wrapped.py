"""Lines that may be one line which a terminal, a mail or a page wrapped, put together.

What a line costs does not depend on how many came before: only the newest characters are searched for pieces of
sentences, and the sentences of those that were found are looked for in the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from vlm_operator.diagnosis.record import Record
from vlm_operator.engine.log_wordings import FAILURES, FailureKind, Wording

_NARROWEST: Final = 16
"""A line that is shorter, without its prefixes, is not the first of a wrapped one."""

_REACH: Final = 1200
"""Characters of earlier lines that are kept; the longest sentence with figures (PyTorch's allocator) has 700."""

_OVERLAP: Final = FAILURES.longest_needle + 2
"""So far before the newest line a piece of a sentence may begin that ends in it."""

_BEGINS: Final = re.compile(
    r"Traceback \(most|During handling of|The above exception|[A-Za-z_][\w.]{0,120}(?:Error|Exception): "
)
"""How a line begins that never goes on with the one before."""


@dataclass(slots=True)
class Joined:
    """Some lines as one.

    Attributes:
        glue: what stands between two lines: nothing where words were cut, a blank where they were not.
        text: what they say together.
        cuts: positions at which one line ended: a number that stands there may have been cut.
        numbers: of the lines.
    """

    glue: str
    text: str = ""
    cuts: list[int] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    _candidates: dict[int, None] = field(default_factory=dict)

    @property
    def before(self) -> int:
        """Length of all but the newest line."""
        return self.cuts[-1] if self.cuts else 0

    def line_at(self, position: int) -> int:
        """The line in which ``position`` of the text stands."""
        return self.numbers[sum(cut <= position for cut in self.cuts)]

    def begin(self, number: int, piece: str) -> None:
        """Another line, with nothing before it."""
        self.text, self.cuts, self.numbers = piece, [], [number]
        self._candidates = dict.fromkeys(FAILURES.candidates(piece))

    def go_on(self, number: int, piece: str) -> None:
        """One more line; what lies too far back is forgotten."""
        if len(self.text) > _REACH and len(self.cuts) > 1:
            self._forget()
        self.cuts.append(len(self.text))
        self.numbers.append(number)
        blank = self.text[-1:] == " "
        self.text += piece.lstrip(" ") if blank else piece if piece[:1] == " " else self.glue + piece
        newest = self.text[max(0, self.before - _OVERLAP) :]
        self._candidates |= dict.fromkeys(FAILURES.candidates(newest))

    def _forget(self) -> None:
        """Keep the newer half."""
        kept = next((index for index, cut in enumerate(self.cuts) if cut >= len(self.text) // 2), len(self.cuts) - 1)
        start = self.cuts[kept]
        self.text, self.numbers = self.text[start:], self.numbers[kept + 1 :]
        self.cuts = [cut - start for cut in self.cuts[kept + 1 :]]
        self._candidates = dict.fromkeys(FAILURES.candidates(self.text))

    def search(self) -> Iterator[tuple[FailureKind, Wording, re.Match[str]]]:
        """The failures that the lines tell together."""
        return FAILURES.among(sorted(self._candidates), self.text)


class WrappedLines:
    """The newest unprefixed lines, which may be one. Their length is bounded."""

    def __init__(self) -> None:
        self.joined = (Joined(""), Joined(" "))
        self.stage: str | None = None
        self._last = -1

    def add(self, record: Record, text: str, stage: str | None) -> bool:
        """Whether ``text`` may go on with the lines before it; it is kept for those that come."""
        goes_on = (
            record.number == self._last + 1
            and record.level is None
            and not record.process
            and record.text[:2].strip() != ""
            and _BEGINS.match(text) is None
        )
        blank = " " if record.text[:1] == " " else ""
        piece = (blank + text + (" " if record.text[-1:] == " " else ""))[-_REACH:]
        if goes_on:
            for each in self.joined:
                each.go_on(record.number, piece)
        elif len(record.text) < _NARROWEST:
            self._last = -1
            return False
        else:
            self.stage = stage
            for each in self.joined:
                each.begin(record.number, piece)
        self._last = record.number
        return goes_on
