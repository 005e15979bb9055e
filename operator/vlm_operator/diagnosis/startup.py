"""Facts of one start of the server, and the cause among its failures.

Of several failures the one of smallest priority is the cause, then the earliest. An exception that is told explicitly
beats the process's death, which is its consequence; sentences that only point elsewhere count where nothing else was
said.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from vlm_operator.diagnosis.failure import Failure, UnknownFailure, build
from vlm_operator.diagnosis.found import Found
from vlm_operator.diagnosis.fragments import LinesKept
from vlm_operator.diagnosis.message import bounded
from vlm_operator.diagnosis.observation import ObservationCollector
from vlm_operator.diagnosis.progress import Progress
from vlm_operator.diagnosis.refused_requests import RefusedRequests
from vlm_operator.diagnosis.trace import Exceptional
from vlm_operator.engine.log_wordings import (
    DEPENDENCY_MISSING,
    GRAPH_CAPTURE_FAILED,
    KINDS_BY_NAME,
    UNKNOWN_REASON,
    FailureClass,
    Scope,
)

_MENDABLE: Final = frozenset({"dependency_missing", "permission_denied", "hub_unreachable"})
"""Failures for which vLLM and its libraries have fallbacks or further attempts."""

_STAGED: Final = frozenset({"OutOfMemory", "GPUError", "CompilationFailed"})
"""Reasons whose remedy depends on the stage of the start."""

_SIGTERM: Final = -15
"""Exit code of a process that was ended on purpose, as the others are once one has failed."""


@dataclass(slots=True)
class Startup:
    """One start of the server.

    Attributes:
        wrapper: the first sentence that only says that something failed elsewhere.
        told: the first of them that quotes the exception.
        service: what stands before the process in its records (a service of Docker Compose), None before one is seen.
        went_on: last line on which it measured something.
        loaded: last line on which it measured what takes a loaded model.
        refused: requests that it refused, counted.
    """

    version: str | None = None
    figures: ObservationCollector = field(default_factory=ObservationCollector)
    progress: Progress = field(default_factory=Progress)
    failures: dict[str, Found] = field(default_factory=dict)
    requests: dict[str, Found] = field(default_factory=dict)
    exceptions: list[Exceptional] = field(default_factory=list)
    lines: LinesKept = field(default_factory=LinesKept)
    wrapper: Exceptional | None = None
    told: Exceptional | None = None
    serving: bool = False
    dead: bool = False
    progressed: bool = False
    service: str | None = None
    went_on: int = 0
    loaded: int = 0
    refused: RefusedRequests = field(default_factory=RefusedRequests)

    def survived(self, found: Found) -> bool:
        """Whether the start went on after what may be mended by itself: another attempt, another source, a fallback."""
        return found.kind.name in _MENDABLE and self.went_on_after(found.line) and self.loaded > found.line

    def went_on_after(self, line: int) -> bool:
        """Whether it measured something after ``line``, and nothing says that a process of it failed."""
        return self.wrapper is None and not self.dead and self.went_on > line

    def serve(self) -> None:
        """It answers: whatever went wrong before did not keep it from starting."""
        self.serving, self.progressed = True, True
        self.progress.stage = "serving"
        self.failures.clear()
        self.exceptions.clear()
        self.wrapper = self.told = None

    def cause(self) -> Failure | None:
        """The root cause, or None where nothing failed or the start went on."""
        failure = self._whole_cause()
        if failure is not None and failure.reason not in (UNKNOWN_REASON, "WorkerDied"):
            return failure
        explicit = failure is not None and failure.reason == UNKNOWN_REASON and self._unnamed() is not None
        piece = self.lines.find(near=failure.line if explicit and failure is not None else None)
        if piece is None or self.went_on_after(piece.line) or piece.kind.scope is Scope.WRAPPER:
            return failure
        if piece.kind.scope is Scope.REQUEST:
            self.requests.setdefault(piece.kind.name, piece)
            return None if self.serving or not self.dead else failure
        piece.reached, piece.graphs = self.progress.stage, self.progress.graphs
        return self._built(piece, ())

    def _whole_cause(self) -> Failure | None:
        """The root cause as whole sentences and exceptions tell it."""
        found = [each for each in self.failures.values() if not self.survived(each)]
        named = sorted(found, key=lambda each: (each.kind.priority, each.line))
        causes = [each for each in named if each.kind.scope is not Scope.WRAPPER]
        if causes:
            return self._built(causes[0], named)
        died = named[0] if named else None
        unnamed = self._unnamed()
        if died is not None and (unnamed is None or _comes_first(died, unnamed)):
            return died.build()
        last = unnamed or self.wrapper
        if last is None or (self.requests and not self.dead):
            return None
        if self.went_on_after(last.line):
            return None  # nobody named it, nobody died of it, and the start went on
        return self._of_exception(last)

    def _unnamed(self) -> Exceptional | None:
        """The deepest exception that nobody named: raised, or quoted by the process that waited for it."""
        raised = min(self.exceptions, key=lambda each: (each.noise, each.line), default=None)
        if self.told is None or (raised is not None and not raised.noise and raised.line < self.told.line):
            return raised
        return raised if self.told.noise and raised is not None else self.told

    def _built(self, found: Found, named: Iterable[Found]) -> Failure:
        """The typed failure, as what the start had done before makes it."""
        if found.kind.reason == "GPUUnsupportedByImage" and found.graphs:
            found.kind = GRAPH_CAPTURE_FAILED
        if found.kind.reason not in _STAGED:
            found.reached = None
        elif found.reached is None:
            found.reached = self.progress.first
        return found.build(named)

    def _of_exception(self, last: Exceptional) -> Failure:
        """The failure of an exception whose words no kind knows."""
        if last.message.startswith("ImportError: "):
            return build(DEPENDENCY_MISSING, last.line, last.message, None, {})
        if last.refused is not None:
            return build(KINDS_BY_NAME[last.refused], last.line, last.message, None, {})
        return UnknownFailure(
            kind="unknown",
            reason=UNKNOWN_REASON,
            failure_class=FailureClass.UNKNOWN,
            retunable=False,
            line=last.line,
            message=bounded(last.message),
            numbers=last.numbers,
        )


def _comes_first(died: Found, unnamed: Exceptional) -> bool:
    """Whether the death of a process is the cause rather than ``unnamed``: killed from outside, or the earlier one."""
    if unnamed.noise:
        return True
    if unnamed.quoted:
        return False
    code = died.numbers.get("exit_code")
    killed = isinstance(code, int) and code < 0 and code != _SIGTERM
    return killed or died.line < unnamed.line
