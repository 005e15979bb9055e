"""Follow each process's tracebacks: where in its start it failed, and with which exception."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from vlm_operator.engine.log_wordings import CRASHES, Figure
from vlm_operator.engine.log_wordings.measured import STAGES
from vlm_operator.engine.log_wordings.refusals import refusal_of

_FRAME: Final = re.compile(r'\s*(?:\| *)*File "(?P<file>[^"\n]{1,500})", line \d{1,7}, in (?P<function>[\w<>.]{1,200})')
_EXCEPTION: Final = re.compile(
    r"(?:[A-Za-z_]\w{0,80}\.){0,8}[A-Z]\w{0,100}(?:Error|Exception|Exit|Interrupt|Failed|Failure|Timeout)"
    r"(?:\(\w{1,100}\))?(?::\s|$)"
)
_IN_TRACEBACK: Final = re.compile(r"(?:[A-Za-z_]\w{0,80}\.){0,8}[A-Z]\w{1,100}(?:\(\w{1,100}\))?(?::\s|$)")
_NOISE: Final = re.compile(
    r"(?:\w+\.){0,8}(?:KeyboardInterrupt|SystemExit|CancelledError|BrokenPipeError|ConnectionResetError|EOFError)\b"
    r"|RuntimeError: \[[^\]\n]{0,200}gloo[^\]\n]{0,200}\] Connection closed by peer"
    r"|(?:RuntimeError: )?cancelled\b|(?:RuntimeError: )?Connection closed by peer"
)
_VALIDATION: Final = re.compile(r"(?<!\d)\d{1,6} validation errors? for \w{1,200}$")
_ON_THE_SIDE: Final = "(_report_usage_worker)"
"""In the heading of a traceback: a thread of vLLM's whose failure harms nobody."""

_WINDOW: Final = 3
_MESSAGE: Final = 2000


@dataclass(slots=True)
class Exceptional:
    """A line that may be the cause of a failure nobody named.

    Attributes:
        noise: true of what only follows from another failure (a cancelled task, a broken pipe, a wrapper).
        refused: kind of failure that it is because of the file of vLLM's that raised it (see ``refusals``), or None.
        quoted: told by a process that waited for the one which raised it.
        numbers: figures of a wrapper.
    """

    line: int
    message: str
    noise: bool
    refused: str | None = None
    quoted: bool = False
    numbers: dict[str, Figure] = field(default_factory=dict)


def is_noise(exception: str) -> bool:
    """Whether ``exception`` only follows from another one: a cancelled task, a broken pipe, a lost peer."""
    return _NOISE.match(exception) is not None


@dataclass(slots=True)
class ProcessTrace:
    """What one process has printed of its tracebacks so far.

    Attributes:
        stage: deepest stage that the frames of the open traceback name.
        window: its last few lines, so that a sentence broken over lines is found.
        suspect: that many further lines may go on with a sentence that has begun.
    """

    stage: str | None = None
    window: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=_WINDOW))
    suspect: int = 0
    _innermost: str = ""
    _open: bool = False
    _ignored: bool = False
    _cause_printed: bool = False
    _handling: bool = False
    _last: Exceptional | None = None
    _continuing: int = 0

    @property
    def ignores(self) -> bool:
        """Whether the open traceback is one that does no harm."""
        return self._ignored

    def follow(self, line: int, text: str) -> Exceptional | None:
        """Take in one line; an exception that may be a cause, or None."""
        frame = _FRAME.match(text)
        if frame is not None:
            self._see_frame(frame["file"], frame["function"])
            return None
        stripped = text.strip(" \t|+")
        if self._continuing and self._last is not None and stripped:
            self._continuing -= 1
            self._last.message = f"{self._last.message} {stripped}"[:_MESSAGE]
            return None
        if stripped.startswith("Traceback (most recent call last)"):
            self._open, self.stage, self._innermost = True, None, ""
        elif stripped.startswith("During handling of the above exception"):
            self._handling = True
        elif stripped.startswith("The above exception was the direct cause"):
            self._cause_printed = True
        elif stripped.startswith("Exception ignored in") or _ON_THE_SIDE in stripped:
            self._ignored = True
        else:
            return self._see_exception(line, text, stripped)
        return None

    def _see_frame(self, file: str, function: str) -> None:
        self._open, self._innermost = True, file
        stage = STAGES.get(function)
        if stage is None or "vllm" not in file:
            return
        if stage == "serving" and self.stage is not None:
            return  # V0 runs the model inside its profiling run
        if function == "_dummy_run" and self.stage in ("graph", "graph_estimate"):
            return  # captures and warm-ups run dummies too
        if self.stage == "graph_estimate" and stage != "sampler":
            return
        self.stage = stage

    def _see_exception(self, line: int, text: str, stripped: str) -> Exceptional | None:
        if any(crash in stripped for crash in CRASHES):
            return Exceptional(line, stripped[:_MESSAGE], noise=False)
        indented = text[:1] in (" ", "\t") and self._open
        pattern = _IN_TRACEBACK if self._open else _EXCEPTION
        if pattern.match(stripped) is None or (indented and _EXCEPTION.match(stripped) is None):
            return None
        ignored, caused, handled = self._ignored, self._cause_printed, self._handling
        self._open = self._ignored = self._cause_printed = self._handling = False
        if ignored or caused:
            return None
        found = Exceptional(line, stripped[:_MESSAGE], is_noise(stripped))
        found.refused = None if self.stage == "serving" else refusal_of(self._innermost, stripped)
        self._continuing = 2 if _VALIDATION.search(stripped) else 0
        if handled and self._last is not None and not found.noise:
            self._last.line, self._last.message, self._last.noise = found.line, found.message, False
            self._last.refused = found.refused
            return None
        self._last = found
        return found
