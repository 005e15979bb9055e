"""What a log says of which only pieces of a sentence are left: cut at its beginning or end, or hard-wrapped and cut.

Looked for only where no whole sentence told the cause, in a bounded number of the log's lines.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from functools import cache
from typing import Final

from vlm_operator.diagnosis.found import Found
from vlm_operator.engine.log_wordings import KINDS
from vlm_operator.engine.log_wordings.fragment import FragmentTable

_FIRST: Final = 120
_LAST: Final = 60
"""Lines that are kept from the beginning and from the end."""

_LONGEST: Final = 1000
"""Characters of a line, and of wrapped lines together, that are looked at."""


class LinesKept:
    """The first and the last lines that were looked at, for a second look. Their number and length are bounded."""

    def __init__(self) -> None:
        self._first: list[tuple[int, str]] = []
        self._last: deque[tuple[int, str]] = deque(maxlen=_LAST)

    def add(self, number: int, text: str) -> None:
        """Keep one line."""
        if len(self._first) < _FIRST:
            self._first.append((number, text[:_LONGEST]))
        else:
            self._last.append((number, text[-_LONGEST:]))

    def find(self, near: int | None = None) -> Found | None:
        """The failure that the longest piece names, with its line and what figures are whole; None where none does.

        Args:
            near: a line that the piece must stand on, or be wrapped together with; None for any.
        """
        best: Found | None = None
        longest = 0
        for first, last, text in self._texts():
            if near is not None and not first <= near <= last:
                continue
            recognised = _table().recognise(text)
            if recognised is not None and recognised.length > longest:
                longest = recognised.length
                best = Found(recognised.kind, first, text, None, recognised.numbers)
        return best

    def _texts(self) -> Iterator[tuple[int, int, str]]:
        """Each line, then each run of lines without a gap, cut within words or between them: first line, last, text."""
        runs: list[list[tuple[int, str]]] = []
        for number, text in (*self._first, *self._last):
            yield number, number, text
            if runs and number == runs[-1][-1][0] + 1 and sum(len(each[1]) for each in runs[-1]) < _LONGEST:
                runs[-1].append((number, text))
            else:
                runs.append([(number, text)])
        for run in runs:
            if len(run) > 1:
                yield from ((run[0][0], run[-1][0], glue.join(text for _, text in run)) for glue in ("", " "))


@cache
def _table() -> FragmentTable:
    return FragmentTable(KINDS)
