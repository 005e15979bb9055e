"""Lines of JSON: what a logger prints (message, level, traceback), or what a collector made of a line."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from vlm_operator.diagnosis.prefixes import NATIVE_HEAD
from vlm_operator.diagnosis.record import Record

Reread = Callable[[int, str, bool], Iterator[Record]]
"""Reads a line that was found within another: number, text (bytes as Latin-1), whether it is whole."""

_LINE_KEYS: Final = ("log", "textPayload", "line")
"""Keys under which collectors keep a line as it was printed; the severity that they add says nothing of it."""

_MESSAGE_KEYS: Final = ("message", "msg", "event", "text", "body")
_PROCESS_KEYS: Final = ("vllm_process_name", "processName", "process", "pid")
_LEVEL_KEYS: Final = ("levelname", "level", "severity", "lvl", "log.level", "levelName")
_TRACE_KEYS: Final = (
    "exc_info", "exc_text", "exception", "stack", "stack_info", "stacktrace", "traceback", "error.stack_trace",
)  # fmt: skip


def structured(number: int, process: str, text: str, reread: Reread) -> Iterator[Record]:
    """Records of one line of JSON: a logger's own (message, level, traceback), or a line that was collected."""
    document = _object(text)
    collected = next((document[key] for key in _LINE_KEYS if isinstance(document.get(key), str)), None)
    level = next((document[key] for key in _LEVEL_KEYS if isinstance(document.get(key), str)), None)
    message = next((document[key] for key in _MESSAGE_KEYS if isinstance(document.get(key), str)), None)
    if collected is None and level is None and not any(key in document for key in _TRACE_KEYS):
        collected = message
    if collected is not None:
        for piece in collected.splitlines():
            yield from reread(number, piece.encode("utf-8", "replace").decode("latin-1"), True)
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
            native = NATIVE_HEAD.search(line, 0, 400)
            yield Record(number, who, level, line[native.end() :] if native else line)


def _object(text: str) -> dict[str, Any]:
    """The JSON object that ``text`` is, empty where it is none."""
    try:
        document: Any = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}
