"""Which lines of a log are worth reading, and what is left of one without its prefixes?

Millions of ordinary lines are dropped by one look at their head. The rest lose what containers, Kubernetes, Docker
Compose, journald, Ray, terminals and vLLM's own processes put in front of them, and become ``Record``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import repeat
from operator import contains
from typing import Any, Final

from vlm_operator.engine.log_wordings import CRASHES, FAILURES, WRAPPERS
from vlm_operator.engine.log_wordings.measured import FIGURES, MESSAGE_STARTS
from vlm_operator.engine.log_wordings.progress import BARS

MAX_LINE_BYTES: Final = 64 * 1024
"""What is kept of one line; vLLM's longest (lists of architectures) stay below 20 KiB."""

BLOCK_BYTES: Final = 256 * 1024
"""Bytes that are split into lines at once."""

QUIET_LEVELS: Final = frozenset({"DEBUG", "INFO", "WARNING", "TRACE"})
"""Records of these levels never tell a failure, whatever traceback they quote."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line without its prefixes.

    Attributes:
        number: line of the log, counted from 1.
        process: who printed it, for instance ``EngineCore pid=42``; empty where the line does not say.
        level: log level, or None for text outside any record (tracebacks at exit, argparse, NCCL).
        text: the message.
        terminated: False only for a last line that the log breaks off.
    """

    number: int
    process: str
    level: str | None
    text: str
    terminated: bool = True


_ANSI: Final = re.compile(r"\x1b\[[0-9;?]{0,20}[A-Za-z]")
_LETTERS: Final = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./<-"
_KEY: Final = 8
_KEY_END: Final = len("] ") + _KEY
_STARTS: Final = frozenset(start.encode().decode("latin-1")[:_KEY] for start in MESSAGE_STARTS)
_AFTER_LEVEL: Final = frozenset({*(f"{digit}-" for digit in range(10)), *(f"[{letter}" for letter in _LETTERS)})
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

_NATIVE_HEAD: Final = re.compile(
    r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) (?:\d\d-\d\d (?:\d\d:\d\d:\d\d(?:[.,]\d{1,6})? )?)?"
    r"\[?[\w./<>-]{1,160}:\d{1,6}\] ?"
)
_PROCESS: Final = re.compile(
    r"\((?P<name>[\w:.<>-]{1,80}(?: [\w=.-]{1,40}){0,4}? pid=\d{1,10})(?:, ip=[\w.:]{1,60})?\)\s?"
)
_BRACKETED: Final = (
    re.compile(r"\d{4}-\d\d-\d\dT[\d:.,]{8,24}(?:Z|[+-]\d\d:?\d\d)? (?:stdout|stderr) [FP] "),
    re.compile(r"\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?Z| ?[+-]\d\d:?\d\d| UTC)?\]?(?:\s|$)"),
    re.compile(r"\[?(?P<pod>pod/[\w./-]{1,300})\]\s?"),
    re.compile(r"\[(?P<rank>rank\d{1,5})\]:\s?"),
    re.compile(r"\[(?P<role>(?:Worker|EngineCore|APIServer)\w{0,40})\]\s"),
)
_NAMED: Final = (
    re.compile(r"(?P<service>[A-Za-z][\w.-]{0,100})\s{0,40}\| "),
    re.compile(
        r"[A-Z][a-z]{2}\s{1,2}\d{1,2} \d\d:\d\d:\d\d(?:\.\d{1,9})? [\w.-]{1,100} [\w./@-]{1,100}(?:\[\d{1,10}\])?:\s?"
    ),
    re.compile(r"[\w.-]{1,100} [\w./@-]{1,100}\[\d{1,10}\]:\s"),
    re.compile(r"[A-Z]{4,9} \d{4}-\d\d-\d\dT[\d:.]{8,24}Z (?:\[resource\.labels\.\w{1,60}: [^\]\s]{1,200}\] )*"),
)
_LABELS: Final = re.compile(r'\{(?:[\w.]{1,60}="[^"\n]{0,200}"(?:, )?){0,40}\} ')
_CUT: Final = re.compile(
    r"\d{4}-\d\d-\d\dT[\d:.,]{8,24}(?:Z|[+-]\d\d:?\d\d)? (?P<stream>stdout|stderr) (?P<flag>[FP]) (?P<rest>.*)",
    re.DOTALL,
)
_TRACEBACK: Final = "Traceback (most recent call last):"
_VARYING: Final = re.compile(r"\d+|[ \t]+|[^\d \t]+")
_LONGEST_PREFIX: Final = 300
_BOX: Final = "│"
_RAY_SUFFIX: Final = re.compile(r"\s?\[repeated \d{1,9}x across cluster\].{0,200}$")
_OTHER_LEVEL: Final = re.compile(
    r"(?:[^\n]{0,100}?[\s|:\-\[(\"'])?(?P<level>TRACE|DEBUG|INFO|WARNING|ERROR|CRITICAL|FATAL)(?=[\]\s:|,\-\"')])[\]\s:|,\-\"')]*"
)
_WEB_SERVER: Final = re.compile(r"(?<!\S)(?P<level>INFO|WARNING|ERROR|CRITICAL): {1,8}")
_LEVEL_WORDS: Final = ("INFO", "ERROR", "WARNING", "DEBUG", "CRITICAL", "FATAL", "TRACE")
_GLOG: Final = frozenset({"[I", "[W", "I0", "W0", "I1", "W1"})
_WARNING: Final = re.compile(r"(?:\S{1,300}:\d{1,6}: )?\w{0,60}Warning: |\[?[IW]\d{4} \d\d:\d\d:\d\d\.\d+ ")
_EXCEPTION_HEAD: Final = re.compile(
    r"[A-Za-z_][\w.]{0,200}(?:Error|Exception|Exit|Interrupt)(?:\(\w{1,100}\))?(?:: |$)"
)


class _Sieve:
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
        self._looked += 1
        if self._looked == _NARROW_AFTER:
            self._tokens = tuple(token for token in _TOKENS if token in self._text)
            self._informative = tuple(token for token in _INFORMATIVE if token in self._text)
        if ("INFO" in line or '"info"' in line) and any(map(contains, repeat(line[:300]), _INFO_MARKS)):
            passes_on = "ERROR " in line or _COLLECTED in line  # a logger that wraps the lines of a server
            return any(map(contains, repeat(line), self._tokens if passes_on else self._informative))
        return any(map(contains, repeat(line), self._tokens))


def _is_quiet(line: str, end: int) -> bool:
    """Whether the head of a record, up to ``end``, says WARNING or DEBUG as vLLM's own records do."""
    for level in ("WARNING ", "DEBUG "):
        start = line.find(level, 0, end)
        if start >= 0 and line[start + len(level) : start + len(level) + 3 : 2] in _AFTER_LEVEL:
            return True
    return False


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
        self._learnt: re.Pattern[str] | None = None

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
        sieve, starts, after_level, key_end = _Sieve(text), _STARTS, _AFTER_LEVEL, _KEY_END
        for line in text.split("\n"):
            number += 1
            bracket = line.find("] ", 0, 240)
            if bracket > 0:  # the head of a record
                level = line.find("INFO ", 0, bracket)
                quiet = (level >= 0 and line[level + 5 : level + 8 : 2] in after_level) or _is_quiet(line, bracket)
                if line[bracket + 2 : bracket + key_end] not in starts and (quiet or not self._keeps(sieve, line)):
                    continue
            elif not self._keeps(sieve, line):
                continue
            yield from self._records(number, line, terminated)

    def _keeps(self, sieve: _Sieve, line: str) -> bool:
        """Whether a line that is no quiet record of vLLM's may matter."""
        if line.find("INFO:  ", 0, 80) >= 0:  # uvicorn's access log
            return "startup complete" in line or (self.awaiting_service and '" 200' in line)
        if self.following > 0:
            self.following -= 1
            return True
        return sieve.keeps(line)

    def _slowly(self, text: str, number: int, terminated: bool) -> Iterator[Record]:
        """The same where progress bars write over their lines, so that a record may stand behind one."""
        sieve = _Sieve(text)
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
        if text.startswith(_BOX):  # copied out of a terminal's frame
            text = text[len(_BOX) :].rstrip(_BOX).removeprefix(" ")
        native = _NATIVE_HEAD.search(text, 0, 400)
        if native is not None and not text.startswith("{"):
            process = _identity(text[: native.start()]) if native.start() else ""
            yield Record(number, process, native["level"], _without_suffix(text[native.end() :]), terminated)
            return
        process, text = _strip(text)
        text = self._without_learnt(text)
        if text.startswith("{"):
            records = list(self._structured(number, process, text))
            if records:
                yield from records
                return
        yield _plain(number, process, _without_suffix(text), terminated)

    def _without_learnt(self, text: str) -> str:
        """``text`` without the prefix that an earlier traceback had: one that no pattern knows, whatever its digits."""
        if text.endswith(_TRACEBACK) and not text.startswith("{"):
            prefix = text.removesuffix(_TRACEBACK)
            if prefix.strip(" \t|+") and len(prefix) <= _LONGEST_PREFIX:
                self._learnt = re.compile(_VARYING.sub(_any_like, prefix))
        match = self._learnt.match(text) if self._learnt is not None else None
        return text if match is None else text[match.end() :]

    def _structured(self, number: int, process: str, text: str) -> Iterator[Record]:
        """Records of one line of JSON: a logger's own (message, level, traceback), or a line that was collected."""
        document = _object(text)
        collected = next((document[key] for key in _LINE_KEYS if isinstance(document.get(key), str)), None)
        level = next((document[key] for key in _LEVEL_KEYS if isinstance(document.get(key), str)), None)
        message = next((document[key] for key in _MESSAGE_KEYS if isinstance(document.get(key), str)), None)
        if collected is None and level is None and not any(key in document for key in _TRACE_KEYS):
            collected = message
        if collected is not None:
            for piece in collected.splitlines():
                yield from self._records(number, piece.encode("utf-8", "replace").decode("latin-1"), True)
            return
        if message is None:
            return
        level = level.upper() if level else None
        level = {"WARN": "WARNING", "ERR": "ERROR"}.get(level or "", level)
        identity = next((document[key] for key in _PROCESS_KEYS if document.get(key)), None)
        who = f"{process}/{identity}" if isinstance(identity, str | int) else process
        pieces = [message]
        for key in _TRACE_KEYS:
            value = document.get(key)
            pieces += ["\n".join(value)] if isinstance(value, list) and all(isinstance(v, str) for v in value) else []
            pieces += [value] if isinstance(value, str) else []
        for piece in pieces:
            for line in piece.splitlines()[:2000]:
                native = _NATIVE_HEAD.search(line, 0, 400)
                yield Record(number, who, level, line[native.end() :] if native else line)


def _any_like(piece: re.Match[str]) -> str:
    """A pattern for what may stand for a piece of a prefix in other lines: another number, as many blanks or more."""
    text = piece[0]
    if text.isdecimal():
        return r"\d{1,30}"
    between = text.isspace() and piece.end() < len(piece.string)
    return r"[ \t]{0,30}" if between else re.escape(text)


def _strip(text: str) -> tuple[str, str]:
    """Who printed the line, and the line without prefixes."""
    names: list[str] = []
    if text[:1] in " \t" and _PROCESS.match(text.lstrip(" \t")) is not None:
        text = text.lstrip(" \t")
    for _ in range(6):
        match = _prefix(text)
        if match is None:
            break
        names += [value for value in match.groupdict().values() if value]
        text = text[match.end() :]
    return "/".join(names), text


def _prefix(text: str) -> re.Match[str] | None:
    """The first prefix of ``text``, by what it begins with."""
    first = text[:1]
    if first == "(":
        return _PROCESS.match(text)
    if first == "{" and text[1:2] != '"':
        return _LABELS.match(text)
    if first == "[" or first.isdigit():
        return next(filter(None, (pattern.match(text) for pattern in _BRACKETED)), None)
    if first.isalpha() and ("| " in text[:160] or ": " in text[:400]):
        return next(filter(None, (pattern.match(text) for pattern in _NAMED)), None)
    return None


@lru_cache(maxsize=256)
def _identity(prefix: str) -> str:
    """Who printed a record, from what stands before it."""
    return _strip(prefix)[0]


def _without_suffix(text: str) -> str:
    return _RAY_SUFFIX.sub("", text) if "across cluster]" in text else text


def _plain(number: int, process: str, text: str, terminated: bool) -> Record:
    """A record of text without vLLM's own head: other loggers' levels, warnings, or no level at all."""
    stripped = text.strip()
    head = text[:160]
    if not any(map(contains, repeat(head), _LEVEL_WORDS)) and "Warning" not in text[:400] and stripped[:2] not in _GLOG:
        return Record(number, process, None, text, terminated)
    if _EXCEPTION_HEAD.match(stripped) is None and not stripped.startswith(('File "', "Traceback")):
        if _WARNING.match(stripped) is not None:
            return Record(number, process, "WARNING", text, terminated)
        level = _OTHER_LEVEL.match(text)
        if level is not None:
            rest = text[level.end() :]
            inner = _WEB_SERVER.search(rest, 0, 80)  # what runs the server put its own level before the server's
            if inner is not None:
                return Record(number, process, inner["level"], rest[inner.end() :], terminated)
            return Record(number, process, level["level"], rest, terminated)
    return Record(number, process, None, text, terminated)


_COLLECTED: Final = '"textPayload"'
_LINE_KEYS: Final = ("log", "textPayload", "line")
"""Keys under which collectors keep a line as it was printed; the severity that they add says nothing of it."""

_MESSAGE_KEYS: Final = ("message", "msg", "event", "text", "body")
_PROCESS_KEYS: Final = ("vllm_process_name", "processName", "process", "pid")
_LEVEL_KEYS: Final = ("levelname", "level", "severity", "lvl", "log.level", "levelName")
_TRACE_KEYS: Final = (
    "exc_info", "exc_text", "exception", "stack", "stack_info", "stacktrace", "traceback", "error.stack_trace",
)  # fmt: skip


def _object(text: str) -> dict[str, Any]:
    """The JSON object that ``text`` is, empty where it is none."""
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
