"""Read a log in one pass: starts, figures, failures, and which failure is the cause.

The newest start counts. Of several failures the one of smallest priority is the cause, then the earliest; sentences
that only point elsewhere count where nothing else was said. What an INFO, DEBUG or WARNING record quotes is no failure.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable
from itertools import repeat
from operator import contains
from typing import Final

from vlm_operator.diagnosis.advice import advise
from vlm_operator.diagnosis.arguments import flags_of
from vlm_operator.diagnosis.failure import RequestFailure
from vlm_operator.diagnosis.found import Found, detailed, whole_figures, worst_of
from vlm_operator.diagnosis.record import QUIET_LEVELS, Record
from vlm_operator.diagnosis.records import LineReader
from vlm_operator.diagnosis.result import Diagnosis, Outcome
from vlm_operator.diagnosis.startup import Startup
from vlm_operator.diagnosis.trace import Exceptional, ProcessTrace, is_noise
from vlm_operator.diagnosis.wrapped import Joined, WrappedLines
from vlm_operator.engine.log_wordings import (
    DEATHS,
    FAILURES,
    WRAPPERS,
    FailureClass,
    FailureKind,
    Scope,
    WordingTable,
)
from vlm_operator.engine.log_wordings.measured import ARGUMENTS, BANNER, ENGINE_STARTS, FIGURES, SERVING, VERSIONS

_PROCESSES: Final = 128
"""Processes whose tracebacks are followed at once; the longest silent one is forgotten first."""

_EXCEPTIONS: Final = 64
"""Unnamed exceptions that are kept; the earliest matter."""

_FOLLOW: Final = 40
"""Lines that are read whatever they hold, once something went wrong."""

_MESSAGE: Final = 2000
_LOADED: Final = frozenset({"weights_gib", "kv_gib", "kv_tokens"})
"""Figures that only a start prints which has loaded its model."""

_SENTENCES: Final = 16 * 1024
"""Of one line that much is searched for sentences."""

_VERSIONS: Final = WordingTable((None, wording) for wording in VERSIONS)
_MARKS: Final = (*(wording.needle for wording in VERSIONS), ARGUMENTS, *SERVING, '" 200')
_WRAPPERS: Final = WordingTable((None, wording) for wording in WRAPPERS)
_POINTERS: Final = (*(wording.needle for wording in WRAPPERS), *DEATHS)
_ANSWERED: Final = re.compile(r'"(?:GET|POST) /\S{0,200} HTTP/1\.[01]" 200')


class LogReader:
    """Reads one log. ``every_line`` reads lines that cannot matter too (for tests of the filter)."""

    def __init__(self, *, every_line: bool = False) -> None:
        self._lines = LineReader(every_line=every_line)
        self._start = Startup()
        self._processes: OrderedDict[str, ProcessTrace] = OrderedDict()
        self._sentence: dict[str, tuple[int, str]] = {}
        self._wraps = WrappedLines()
        self._recognised = False

    def read(self, chunks: Iterable[bytes]) -> Diagnosis:
        """Read the whole log, in one pass."""
        for record in self._lines.feed(chunks):
            self._take(record)
        return self._conclude()

    def _take(self, record: Record) -> None:
        text = record.text[:_SENTENCES]
        text = " ".join(text.split()) if "  " in text or "\t" in text else text.strip()
        if ", input_value=" in text:  # what pydantic adds to the sentence it quotes
            text = text.partition(" [type=")[0]
        self._start.progress.follow(text)
        if "_TP" in record.process:
            self._start.figures.see_worker(record.process)
        if record.level in QUIET_LEVELS:
            self._measure(record, text)
            return
        if record.level is None:
            self._measure(record, text)
        self._examine(record, text)

    # What a start measures

    def _measure(self, record: Record, text: str) -> None:
        begun = self._sentence.pop(record.process, None)
        if begun is not None and record.level is None and begun[0] > 0:  # a sentence broken over lines
            joined = f"{begun[1]} {text}"
            if self._figures(record, joined):
                self._sentence[record.process] = (begun[0] - 1, joined[-_MESSAGE:])
            return
        self._mark(record, text)
        if self._figures(record, text):
            self._start.went_on = record.number
            self._sentence[record.process] = (2, text[:_MESSAGE])
            while len(self._sentence) > _PROCESSES:
                self._sentence.pop(next(iter(self._sentence)))
            self._lines.following = max(self._lines.following, 2)

    def _mark(self, record: Record, text: str) -> None:
        """Note beginnings: a version, arguments, an engine, a server that answers."""
        if not any(map(contains, repeat(text), _MARKS)):
            return
        service = record.process.partition("/")[0]
        service = "" if "pid=" in service else service
        for _, wording, match in _VERSIONS.search(text):
            if wording is not VERSIONS[-1] or text.startswith(BANNER):
                if ENGINE_STARTS in text:
                    self._start.progressed = True
                else:
                    self._begin()
                self._start.version, self._start.service = match["version"], service
                self._recognised = True
                break
        if ARGUMENTS in text:
            self._begin()
            self._start.figures.set_flags(flags_of(text.partition(ARGUMENTS)[2]))
            self._start.service = service
            self._recognised = True
        if self._start.service not in (None, service):
            return  # a neighbour's web server answers, not ours
        if any(sentence in text for sentence in SERVING) or ('" 200' in text and _ANSWERED.search(text) is not None):
            self._start.serve()
            self._lines.awaiting_service = False
            self._recognised = True

    def _begin(self) -> None:
        """Another start, unless the present one has only just begun."""
        if self._start.progressed:
            self._start = Startup(version=self._start.version)
            self._processes.clear()
            self._lines.awaiting_service = True

    def _figures(self, record: Record, text: str) -> bool:
        """Whether ``text`` holds a sentence with figures; they are taken in."""
        found = False
        for _, wording, match in FIGURES.search(text):
            found = True
            if not _LOADED.isdisjoint(wording.kinds):
                self._start.loaded = record.number
            if not wording.is_cut(match, terminated=record.terminated):
                self._start.figures.add(wording.figures(match))
        if not found and self._start.figures.see_compilation(text):
            self._recognised = True
        self._recognised = self._recognised or found
        return found

    # What goes wrong

    def _examine(self, record: Record, text: str) -> None:
        trace = self._trace(record.process)
        ignored = trace.ignores
        self._start.refused.see(text)
        found = trace.follow(record.number, record.text)
        named = not ignored and self._name(record, text, trace)
        named = named or (not ignored and self._name_wrapped(record, text))
        trace.window.append((record.number, text[:_MESSAGE]))
        if text and not named and not ignored:
            self._start.lines.add(record.number, text)
        wrapped = self._wrapped(record.number, text)
        self._recognised = self._recognised or "vllm" in text
        if found is not None and not named and not wrapped:
            self._start.progressed = True
            if len(self._start.exceptions) < _EXCEPTIONS:
                self._start.exceptions.append(found)
        if found is not None or named:
            trace.suspect = trace.window.maxlen or 0
        if found is not None or wrapped or named or "Traceback" in text:
            self._lines.following = _FOLLOW

    def _wrapped(self, line: int, text: str) -> bool:
        """Whether the line only says that something failed elsewhere; that an engine died is noted."""
        if not any(map(contains, repeat(text), _POINTERS)):
            return False
        self._start.dead = self._start.dead or any(death in text for death in DEATHS)
        told = [wording.figures(match) for _, wording, match in _WRAPPERS.search(text)]
        if not told:
            return False
        self._recognised = self._start.progressed = True
        numbers = max(told, key=len)
        if self._start.wrapper is None:
            self._start.wrapper = Exceptional(line, text[:_MESSAGE], noise=True)
        self._start.wrapper.numbers = numbers | self._start.wrapper.numbers
        inner = numbers.get("inner")
        if isinstance(inner, str) and (self._start.told is None or self._start.told.noise):
            self._start.told = Exceptional(line, text[:_MESSAGE], is_noise(inner), quoted=True, numbers=numbers)
        return True

    def _trace(self, process: str) -> ProcessTrace:
        trace = self._processes.pop(process, None) or ProcessTrace()
        self._processes[process] = trace
        if len(self._processes) > _PROCESSES:
            self._processes.popitem(last=False)
        return trace

    def _name(self, record: Record, text: str, trace: ProcessTrace) -> bool:
        """Whether the line, alone or with those before it, holds a failure that is known; it is noted."""
        seen: dict[str, Found] = {}
        for kind, wording, match in FAILURES.search(text):
            if wording.is_cut(match, terminated=record.terminated):
                continue
            numbers = detailed(kind, wording.figures(match), text, record.terminated)
            if kind.name not in seen or len(numbers) > len(seen[kind.name].numbers):  # the wording that tells most
                seen[kind.name] = Found(kind, record.number, text[:_MESSAGE], trace.stage, numbers)
        for found in seen.values():
            self._keep(found)
        if not seen and trace.suspect:
            trace.suspect -= 1
            return self._name_broken(record, text, trace)
        return bool(seen)

    def _name_broken(self, record: Record, text: str, trace: ProcessTrace) -> bool:
        """The same for a sentence, or its details, that began on an earlier line."""
        before = " ".join(line for _, line in trace.window) + " "
        joined = before + text
        named = False
        for kind, wording, match in FAILURES.search(joined):
            numbers = detailed(kind, wording.figures(match), joined, record.terminated)
            known = self._noted(kind).get(kind.name)
            if match.end() > len(before):
                if not wording.is_cut(match, terminated=record.terminated):
                    named = True
                    line = _line_of(match.start(), trace, record.number)
                    self._keep(Found(kind, line, joined[match.start() :][:_MESSAGE], trace.stage, numbers))
            elif known is not None and kind.details:
                known.numbers = {**numbers, **known.numbers}
        return named

    def _name_wrapped(self, record: Record, text: str) -> bool:
        """The same for a line that a terminal wrapped: what goes on has no prefix, and words and numbers are cut.

        A number that stands at a cut is not told: nobody knows whether it goes on.
        """
        if not self._wraps.add(record, text, self._trace(record.process).stage):
            return False
        return any(self._name_joined(joined) for joined in self._wraps.joined)

    def _name_joined(self, joined: Joined) -> bool:
        named = False
        for kind, wording, match in joined.search():
            known, line = self._noted(kind).get(kind.name), joined.line_at(match.start())
            if match.end() <= joined.before and (known is None or known.line != line):
                continue
            whole, cut = whole_figures(kind, wording, match, tuple(joined.cuts))
            if known is None:
                message = joined.text[match.start() :][:_MESSAGE]
                self._keep(Found(kind, line, message, self._wraps.stage, whole))
            elif known.line == line:  # its first line was taken for all of it
                known.numbers = {name: value for name, value in (known.numbers | whole).items() if name not in cut}
            named = True
        return named

    def _noted(self, kind: FailureKind) -> dict[str, Found]:
        return self._start.requests if kind.scope is Scope.REQUEST else self._start.failures

    def _keep(self, found: Found) -> None:
        start = self._start
        start.progressed = True
        self._recognised = True
        found.reached, found.graphs = start.progress.stage, start.progress.graphs
        if start.serving and found.kind.failure_class is FailureClass.MODEL:
            return  # the model is there: a request asked for something that is not
        if found.kind.scope is Scope.REQUEST:
            start.refused.add(found.kind, found.numbers)
        noted = self._noted(found.kind)
        old = noted.get(found.kind.name)
        if old is None:
            noted[found.kind.name] = found
        else:
            old.stage = old.stage or found.stage
            old.numbers = worst_of(old.numbers, found.numbers)

    # The answer

    def _conclude(self) -> Diagnosis:
        start = self._start
        failure = start.cause() if start.dead or not start.serving else None
        requests = tuple(found.build() for found in sorted(start.requests.values(), key=lambda each: each.line))
        refused = tuple(request for request in requests if isinstance(request, RequestFailure))
        if failure is not None:
            outcome = Outcome.FAILED
            start.figures.add_from_failure(failure.numbers)
        elif start.serving or refused:
            outcome, failure = Outcome.STARTED, refused[0] if refused else None
        else:
            outcome = Outcome.INCOMPLETE
        observation = start.figures.observation()
        advice = () if failure is None else advise(failure, observation, start.version)
        recognised = self._recognised or failure is not None
        return Diagnosis(outcome, start.version, failure, observation, advice, refused, recognised, start.refused)


def _line_of(position: int, trace: ProcessTrace, last: int) -> int:
    """The line on which a sentence begins that was found in the joined lines of ``trace`` and ``last``."""
    end = 0
    for number, text in trace.window:
        end += len(text) + 1
        if position < end:
            return number
    return last
