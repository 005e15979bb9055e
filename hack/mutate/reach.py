"""Record which test calls which function and for how long: pytest plugins, used in a copy of the checkout."""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import _lru_cache_wrapper
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest


@dataclass(frozen=True)
class Reach:
    """What one test of the unit floor does.

    Attributes:
        test: its pytest id.
        seconds: processor time that it took, which other work on the machine does not lengthen.
        functions: what it calls: modules relative to the checkout, with the first lines of the functions called.
    """

    test: str
    seconds: float
    functions: Mapping[str, tuple[int, ...]]


class Recorder:
    """Writes a ``Reach`` for every test that passes.

    What a shared fixture or the module of a test calls counts for each of its tests; caches of the code under test are
    emptied before each test, so that the second caller reaches what the first one reached.
    """

    def __init__(self, root: Path, file: Path) -> None:
        self._code = str(root / "operator") + "/"
        self._root = len(str(root)) + 1
        self._file = file
        self._called: set[CodeType] = set()
        self._modules: dict[str, set[CodeType]] = {}
        self._fixtures: dict[str, set[CodeType]] = {}
        self._failed: set[str] = set()
        self._reached: list[Reach] = []
        self._caches = _Caches()

    def pytest_sessionstart(self) -> None:
        note = self._called.add

        def trace(frame: FrameType, _event: str, _argument: object) -> None:
            note(frame.f_code)

        sys.settrace(trace)
        threading.settrace(trace)

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Iterator[None]:
        before = set(self._called)
        report = yield
        if isinstance(collector, pytest.Module):
            self._modules[collector.nodeid] = self._called - before
        return report  # type: ignore[return-value]

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Iterator[None]:
        before = set(self._called)
        if fixturedef.scope != "function":
            self._called.clear()
        result = yield
        if fixturedef.scope != "function":
            self._fixtures[fixturedef.argname] = set(self._called)
            self._called |= before
        return result  # type: ignore[return-value]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Function) -> Iterator[None]:
        self._caches.empty()
        self._called.clear()
        began = time.process_time()
        result = yield
        seconds = round(time.process_time() - began, 4)
        called = set(self._called) | self._modules.get(item.nodeid.split("::")[0], set())
        for name in item.fixturenames:
            called |= self._fixtures.get(name, set())
        if item.nodeid not in self._failed:
            self._reached.append(Reach(item.nodeid, seconds, self._functions(called)))
        return result  # type: ignore[return-value]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not report.passed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        sys.settrace(None)
        self._file.write_text("".join(json.dumps(asdict(each)) + "\n" for each in self._reached))

    def _functions(self, called: set[CodeType]) -> dict[str, tuple[int, ...]]:
        found: dict[str, set[int]] = {}
        for code in called:
            if code.co_filename.startswith(self._code) and code.co_name != "<module>":
                found.setdefault(code.co_filename[self._root :], set()).add(code.co_firstlineno)
        return {path: tuple(sorted(lines)) for path, lines in sorted(found.items())}


class Selection:
    """Runs the given tests only, in the given order."""

    def __init__(self, tests: list[str]) -> None:
        self._place = {test: place for place, test in enumerate(tests)}

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = sorted((item for item in items if item.nodeid in self._place), key=self._order)

    def _order(self, item: pytest.Item) -> int:
        return self._place[item.nodeid]


def read(file: Path) -> list[Reach]:
    """What a ``Recorder`` wrote."""
    return [Reach(**json.loads(line)) for line in file.read_text().splitlines()]


def choose(reached: Sequence[Reach], path: str, function: int | None, *, seconds: float) -> tuple[list[str], float]:
    """The tests that can notice a change of a function, one case of each first, and the seconds they took.

    Args:
        reached: what each test calls.
        path: the module that changes.
        function: first line of the function that changes; None for what runs at import: then every test that calls a
            function of the module, or without one every test.
        seconds: how long all of them may take; the rest is left out.
    """
    able = [each for each in reached if path in each.functions and function in (None, *each.functions[path])]
    if not able and function is None:
        able = list(reached)
    case: dict[str, int] = {}
    ranked: list[tuple[int, float, str]] = []
    for each in sorted(able, key=lambda each: each.seconds):
        name = each.test.split("[")[0]
        case[name] = case.get(name, -1) + 1
        ranked.append((case[name], each.seconds, each.test))
    chosen: list[str] = []
    total = 0.0
    for _, took, test in sorted(ranked):
        if chosen and total + took > seconds:
            continue
        chosen.append(test)
        total += took
    return chosen, total


class _Caches:
    """The caches of the code under test and of the tests' builders."""

    def __init__(self) -> None:
        self._modules = 0
        self._empty: list[Callable[[], None]] = []

    def empty(self) -> None:
        """Forget what they hold; looks for new ones where modules were imported since."""
        if len(sys.modules) != self._modules:
            self._modules = len(sys.modules)
            self._empty = list(self._found())
        for empty in self._empty:
            empty()

    def _found(self) -> Iterator[Callable[[], None]]:
        for each in gc.get_objects():
            if isinstance(each, _lru_cache_wrapper) and each.__module__.startswith(("vlm_operator", "builders")):
                yield each.cache_clear
        for name, module in list(sys.modules.items()):
            if name.startswith("vlm_operator"):
                for value in vars(module).values():  # ``cached_by_identity`` keeps its results in a closure
                    cells = getattr(value, "__closure__", None) if hasattr(value, "__wrapped__") else None
                    yield from (
                        cell.cell_contents.clear for cell in cells or () if isinstance(cell.cell_contents, dict)
                    )
