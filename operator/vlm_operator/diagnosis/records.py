"""Which lines of a log are worth reading, and what is left of one without its prefixes?

Millions of ordinary lines are dropped by one look at their head. The rest lose what containers, Kubernetes, Docker
Compose, journald, Ray, terminals and vLLM's own processes put in front of them, and become ``Record``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from vlm_operator.engine.log_wordings.measured import MESSAGE_STARTS

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


_ANSI: Final = re.compile(rb"\x1b\[[0-9;?]{0,20}[A-Za-z]")
_QUIET_HEAD: Final = re.compile(rb"(?:INFO|DEBUG|WARNING) (?:\d\d-\d\d [\d\[]|\[)")
_KEY: Final = 8
_STARTS: Final = frozenset(start.encode()[:_KEY] for start in MESSAGE_STARTS)
_TOKENS: Final = (
    b"rror", b"xception", b"Traceback", b'File "', b"emory", b"odel", b"max_", b"GPU", b"not ", b"ailed",
    b"uantization", b"GiB", b"prompt", b"nccl", b"startup complete", b"blocks", b"architecture", b"died ",
    b"rocessor", b"imed out", b" layout ", b"-default args", b"KV cache", b"version", b"exit code", b"No space left",
    b"driver", b"encoder", b" tokens", b"Graph capturing", b"trust_remote_code", b"Input length", b"front-end",
    b"Background loop", b"local_rank", b"local rank", b"placement group", b"page size", b"gated", b"CUDA_ERROR",
    b"CUBLAS", b"init engine",
)  # fmt: skip
"""Each sentence that is looked for holds one of these."""
_EVIDENCE: Final = re.compile(b"|".join(re.escape(token) for token in _TOKENS))

_NATIVE_HEAD: Final = re.compile(
    r"(?P<level>DEBUG|INFO|WARNING|ERROR|CRITICAL) (?:\d\d-\d\d (?:\d\d:\d\d:\d\d(?:[.,]\d{1,6})? )?)?"
    r"\[?[\w./<>-]{1,160}:\d{1,6}\] ?"
)
_PROCESS: Final = re.compile(
    r"\((?P<name>[\w:.<>-]{1,80}(?: [\w=.-]{1,40}){0,4}? pid=\d{1,10})(?:, ip=[\w.:]{1,60})?\)\s?"
)
_PREFIXES: Final = (
    _PROCESS,
    re.compile(r"\d{4}-\d\d-\d\dT[\d:.,]{8,24}(?:Z|[+-]\d\d:?\d\d)? (?:stdout|stderr) (?P<partial>[FP]) "),
    re.compile(r"\[?\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?Z| ?[+-]\d\d:?\d\d| UTC)?\]?(?:\s|$)"),
    re.compile(r"\[?(?P<pod>pod/[\w./-]{1,300})\]\s?"),
    re.compile(r"(?P<service>[A-Za-z][\w.-]{0,100})\s{0,40}\| "),
    re.compile(
        r"[A-Z][a-z]{2}\s{1,2}\d{1,2} \d\d:\d\d:\d\d(?:\.\d{1,9})? [\w.-]{1,100} [\w./@-]{1,100}(?:\[\d{1,10}\])?:\s?"
    ),
    re.compile(r"[\w.-]{1,100} [\w./@-]{1,100}\[\d{1,10}\]:\s"),
    re.compile(r"\[(?P<rank>rank\d{1,5})\]:\s?"),
    re.compile(r"\[(?P<role>(?:Worker|EngineCore|APIServer)\w{0,40})\]\s"),
)
_RAY_SUFFIX: Final = re.compile(r"\s?\[repeated \d{1,9}x across cluster\].{0,200}$")
_OTHER_LEVEL: Final = re.compile(
    r"(?:[^\n]{0,100}?[\s|:\-\[(\"'])?(?P<level>TRACE|DEBUG|INFO|WARNING|ERROR|CRITICAL|FATAL)(?=[\]\s:|,\-\"')])[\]\s:|,\-\"')]*"
)
_WARNING: Final = re.compile(r"(?:\S{1,300}:\d{1,6}: )?\w{0,60}Warning: |\[?[IW]\d{4} \d\d:\d\d:\d\d\.\d+ ")
_EXCEPTION_HEAD: Final = re.compile(
    r"[A-Za-z_][\w.]{0,200}(?:Error|Exception|Exit|Interrupt)(?:\(\w{1,100}\))?(?:: |$)"
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
        self._partial: dict[str, str] = {}

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
            yield from self._lines([self._rest], self._rest, self._number - 1, terminated=False)

    def feed_line(self, number: int, text: str) -> Iterator[Record]:
        """The record of one line that stood inside another."""
        yield from self._records(number, text.encode(), True)

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
            lines = block.split(b"\n")
            first = self._number
            self._number += len(lines)
            yield from self._lines(lines, block, first)
        else:
            self._rest += rest
        if len(self._rest) > MAX_LINE_BYTES:
            self._rest = self._rest[:MAX_LINE_BYTES]
            self._skipping = True

    def _end_of_long_line(self) -> Iterator[Record]:
        line, self._rest = self._rest, b""
        self._number += 1
        yield from self._lines([line], line, self._number - 1)

    def _lines(self, lines: list[bytes], block: bytes, number: int, *, terminated: bool = True) -> Iterator[Record]:
        """Records of the lines that may matter; ``number`` is that of the line before the first."""
        if b"\x1b" in block:
            lines = [_ANSI.sub(b"", line) for line in lines]
        if b"\r" in block or self._every_line:
            yield from self._careful(lines, number, terminated)
            return
        holds_evidence: bool | None = None
        for line in lines:
            number += 1
            head = _QUIET_HEAD.search(line, 0, 200)
            if head is not None:
                start = line.find(b"] ", head.end()) + 2
                if start > 1 and line[start : start + _KEY] not in _STARTS:
                    continue
            elif self.following > 0:
                self.following -= 1
            else:
                if holds_evidence is None:
                    holds_evidence = any(token in block for token in _TOKENS)
                if not holds_evidence or not self._is_evidence(line):
                    continue
            yield from self._records(number, line, terminated)

    def _is_evidence(self, line: bytes) -> bool:
        """Whether a line outside vLLM's records may hold a sentence that is looked for."""
        if line.startswith(b"INFO: "):  # uvicorn's access log
            return b"startup complete" in line or (self.awaiting_service and b'" 200' in line)
        return _EVIDENCE.search(line) is not None

    def _careful(self, lines: list[bytes], number: int, terminated: bool) -> Iterator[Record]:
        """The same where a carriage return may hide a record behind a progress bar."""
        for line in lines:
            number += 1
            for piece in line.split(b"\r"):
                if self._every_line or self.following > 0 or _EVIDENCE.search(piece) is not None:
                    self.following -= self.following > 0
                    yield from self._records(number, piece, terminated)

    def _records(self, number: int, line: bytes, terminated: bool) -> Iterator[Record]:
        text = line[:MAX_LINE_BYTES].decode("utf-8", "replace")
        if len(line) > MAX_LINE_BYTES:
            terminated = False
        native = _NATIVE_HEAD.search(text, 0, 400)
        if native is not None and not text.startswith("{"):
            process = self._strip(text[: native.start()])[0] if native.start() else ""
            yield Record(number, process, native["level"], _without_suffix(text[native.end() :]), terminated)
            return
        process, text, partial = self._strip(text)
        if partial:
            held = self._partial.pop(process, "") + text
            if partial == "P" and len(held) < MAX_LINE_BYTES:
                self._partial[process] = held
                return
            text = held
        if text.startswith("{"):
            records = list(_structured(number, process, text))
            if records:
                yield from records
                return
        yield _plain(number, process, _without_suffix(text), terminated)

    @staticmethod
    def _strip(text: str) -> tuple[str, str, str | None]:
        """Who printed the line, the line without prefixes, and whether the runtime cut it (``P``) or ended it."""
        names: list[str] = []
        partial: str | None = None
        indented = text.lstrip(" \t")
        for _ in range(6):
            for pattern in _PREFIXES:
                match = pattern.match(text) or (pattern is _PROCESS and pattern.match(indented)) or None
                if match is not None:
                    groups = match.groupdict()
                    partial = groups.pop("partial", None) or partial
                    names += [value for value in groups.values() if value]
                    text = match.string[match.end() :]
                    indented = text
                    break
            else:
                break
        return "/".join(names), text, partial


def _without_suffix(text: str) -> str:
    return _RAY_SUFFIX.sub("", text) if "across cluster]" in text else text


def _plain(number: int, process: str, text: str, terminated: bool) -> Record:
    """A record of text without vLLM's own head: other loggers' levels, warnings, or no level at all."""
    stripped = text.strip()
    if _EXCEPTION_HEAD.match(stripped) is None and not stripped.startswith(('File "', "Traceback")):
        if _WARNING.match(stripped) is not None:
            return Record(number, process, "WARNING", text, terminated)
        level = _OTHER_LEVEL.match(text)
        if level is not None:
            return Record(number, process, level["level"], text[level.end() :], terminated)
    return Record(number, process, None, text, terminated)


_MESSAGE_KEYS: Final = ("message", "msg", "event", "text", "log", "body")
_PROCESS_KEYS: Final = ("vllm_process_name", "processName", "process", "pid")
_LEVEL_KEYS: Final = ("levelname", "level", "severity", "lvl", "log.level", "levelName")
_TRACE_KEYS: Final = (
    "exc_info", "exc_text", "exception", "stack", "stack_info", "stacktrace", "traceback", "error.stack_trace",
)  # fmt: skip


def _structured(number: int, process: str, text: str) -> Iterator[Record]:
    """Records of one line of JSON: a logger's (message, level, traceback) or Docker's (``log``)."""
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        return
    if not isinstance(document, dict):
        return
    message = next((document[key] for key in _MESSAGE_KEYS if isinstance(document.get(key), str)), None)
    if message is None:
        return
    if "log" in document and "stream" in document:
        for piece in message.splitlines():
            yield from LineReader(every_line=True).feed_line(number, piece)
        return
    level = next((document[key] for key in _LEVEL_KEYS if isinstance(document.get(key), str)), None)
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
