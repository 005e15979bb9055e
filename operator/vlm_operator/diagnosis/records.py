"""Select the log lines worth reading and strip their prefixes.

Millions of ordinary lines are dropped by one look at their head. The rest lose what containers, Kubernetes, Docker
Compose, journald, Ray, terminals and vLLM's own processes put in front of them, and become ``Record``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from vlm_operator.diagnosis.json_lines import structured
from vlm_operator.diagnosis.learnt import LearntPrefix
from vlm_operator.diagnosis.prefixes import (
    NATIVE_HEAD,
    framed,
    identity,
    plain_record,
    strip,
    without_markup,
    without_suffix,
)
from vlm_operator.diagnosis.record import Record
from vlm_operator.diagnosis.sieve import AFTER_LEVEL, KEY_END, STARTS, Sieve, is_quiet

MAX_LINE_BYTES: Final = 64 * 1024
"""What is kept of one line; vLLM's longest (lists of architectures) stay below 20 KiB."""

BLOCK_BYTES: Final = 256 * 1024
"""Bytes that are split into lines at once."""

_ANSI: Final = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")
_CUT: Final = re.compile(
    r"\d{4}-\d\d-\d\dT[\d:.,]{8,24}(?:Z|[+-]\d\d:?\d\d)? (?P<stream>stdout|stderr) (?P<flag>[FP]) (?P<rest>.*)",
    re.DOTALL,
)


class LineReader:
    """Cuts a stream into records. Memory does not grow with the stream.

    Attributes:
        following: that many lines without a level are handed on whatever they hold; the reader of records sets it
            while a traceback or a sentence goes on.
        awaiting_service: hand on lines that show an answered request.
    """

    def __init__(self, *, every_line: bool = False) -> None:
        self.following = 0
        self.awaiting_service = True
        self._every_line = every_line
        self._number = 0
        self._rest = b""
        self._skipping = False
        self._partial: dict[str, tuple[int, str]] = {}
        self._learnt = LearntPrefix()

    def feed(self, chunks: Iterable[bytes]) -> Iterator[Record]:
        """The records of a stream of chunks, in order; the last call for a reader."""
        waiting: list[bytes] = []
        size = 0
        for chunk in chunks:
            for start in range(0, len(chunk), BLOCK_BYTES):
                waiting.append(chunk[start : start + BLOCK_BYTES])
                size += len(waiting[-1])
                if size >= BLOCK_BYTES:
                    yield from self._block(b"".join(waiting))
                    waiting, size = [], 0
        yield from self._block(b"".join(waiting))
        if self._rest:
            self._number += 1
            yield from self._lines(self._rest, self._number - 1, terminated=False)

    def _block(self, data: bytes) -> Iterator[Record]:
        if self._skipping:  # inside a line that is too long: its head was read, the rest is dropped
            _, found, data = data.partition(b"\n")
            if not found:
                return
            self._skipping = False
            yield from self._end_of_long_line()
        body, found, rest = data.rpartition(b"\n")
        if found:
            block = self._rest + body
            self._rest = rest
            first = self._number
            self._number += block.count(b"\n") + 1
            yield from self._lines(block, first)
        else:
            self._rest += rest
        if len(self._rest) > MAX_LINE_BYTES:
            self._rest = self._rest[:MAX_LINE_BYTES]
            self._skipping = True

    def _end_of_long_line(self) -> Iterator[Record]:
        line, self._rest = self._rest, b""
        self._number += 1
        yield from self._lines(line, self._number - 1)

    def _lines(self, block: bytes, number: int, *, terminated: bool = True) -> Iterator[Record]:
        """Records of the lines that may matter; ``number`` is that of the line before the first."""
        text = block.decode("latin-1")  # looked at as text, since searching bytes costs three times as much
        if "\x1b" in text:
            text = _ANSI.sub("", text)
        if "\r" in text:
            text = text.replace("\r\n", "\n")
        if "\r" in text or self._every_line:
            yield from self._slowly(text, number, terminated)
            return
        sieve, starts, after_level, key_end = Sieve(text), STARTS, AFTER_LEVEL, KEY_END
        for line in text.split("\n"):
            number += 1
            bracket = line.find("] ", 0, 240)
            if bracket > 0:  # the head of a record
                level = line.find("INFO ", 0, bracket)
                if line[bracket + 2 : bracket + 3] == "[":  # torch.compile puts the graph's name before its messages
                    bracket = max(bracket, line.find("] ", bracket + 2, bracket + 100))
                quiet = (level >= 0 and line[level + 5 : level + 8 : 2] in after_level) or is_quiet(line, bracket)
                if line[bracket + 2 : bracket + key_end] not in starts and (quiet or not self._keeps(sieve, line)):
                    continue
            elif not self._keeps(sieve, line):
                continue
            yield from self._records(number, line, terminated)

    def _keeps(self, sieve: Sieve, line: str) -> bool:
        """Whether a line that is no quiet record of vLLM's may matter."""
        if line.find("INFO:  ", 0, 80) >= 0:  # uvicorn's access log
            return "startup complete" in line or (self.awaiting_service and '" 200' in line)
        if self.following > 0:
            self.following -= 1
            return True
        return sieve.keeps(line)

    def _slowly(self, text: str, number: int, terminated: bool) -> Iterator[Record]:
        """The same where progress bars write over their lines, so that a record may stand behind one."""
        sieve = Sieve(text)
        for line in text.split("\n"):
            number += 1
            pieces = [piece for piece in line.split("\r") if piece] or [""]
            for piece in pieces:
                if self._every_line or "] " in piece or self._keeps(sieve, piece):
                    yield from self._records(number, piece, terminated)

    def _records(self, number: int, line: str, terminated: bool) -> Iterator[Record]:
        terminated = terminated and len(line) <= MAX_LINE_BYTES
        text = line[:MAX_LINE_BYTES]
        if not text.isascii():
            text = text.encode("latin-1").decode("utf-8", "replace")
        cut = _CUT.match(text) if (" P " in text[:60] or self._partial) else None
        if cut is not None:  # containerd cuts long lines: P goes on, F ends
            number, head = self._partial.pop(cut["stream"], (number, text[: cut.start("rest")]))
            text = head + cut["rest"]
            if cut["flag"] == "P" and len(text) < MAX_LINE_BYTES:
                self._partial[cut["stream"]] = (number, text)
                self.following = max(self.following, 1)
                return
        text = without_markup(framed(text))
        native = NATIVE_HEAD.search(text, 0, 400)
        if native is not None and not text.startswith("{"):
            process = identity(text[: native.start()]) if native.start() else ""
            yield Record(number, process, native["level"], without_suffix(text[native.end() :]), terminated)
            return
        process, text = strip(text)
        text = self._learnt.strip(text)
        if text.startswith("{"):
            records = list(structured(number, process, text, self._records))
            if records:
                yield from records
                return
        yield plain_record(number, process, without_suffix(text), terminated)
