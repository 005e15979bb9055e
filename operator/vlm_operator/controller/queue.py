"""A keyed work queue: each key once, not before its time, never twice at once.

Waiting, repeating and backing off are here, so that watches only say what changed. A key that is added while it is
being worked on comes again after that.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
import random
import time
from collections.abc import Callable
from typing import Final, NamedTuple

LONGEST_LOOK_SECONDS: Final = 300.0
"""Longest time between two looks by the clock at what does not change."""

FIRST_DELAY_SECONDS: Final = 0.5
LONGEST_DELAY_SECONDS: Final = 300.0


class Key(NamedTuple):
    """Which VLMDeployment."""

    namespace: str
    name: str


CAUSES: Final = ("change", "clock", "failure")
"""Why a key is put into the queue: something changed, time has passed, it failed."""


class WorkQueue:
    """A queue of keys for one event loop.

    Args:
        clock: seconds that only grow.
        jitter: a number from 0 to 1 at random; spreads repeats so that they do not come in one burst.
    """

    def __init__(
        self, *, clock: Callable[[], float] = time.monotonic, jitter: Callable[[], float] = random.random
    ) -> None:
        self._clock = clock
        self._jitter = jitter
        self._due: dict[Key, float] = {}
        self._order: list[tuple[float, Key]] = []
        self._active: set[Key] = set()
        self._failures: dict[Key, int] = {}
        self._idle_looks: dict[Key, int] = {}
        self._changed = asyncio.Event()
        self.added = dict.fromkeys(CAUSES, 0)
        """How many keys have been put in until now, by cause."""

    def __len__(self) -> int:
        return len(self._due)

    def add(self, key: Key, delay: float = 0.0) -> None:
        """Something changed: look at this key after ``delay`` seconds; an earlier time that was set stays."""
        self._idle_looks.pop(key, None)
        self._put(key, delay, "change")

    def later(self, key: Key, delay: float) -> float:
        """Look at this key again though nothing changes, each time after twice as long; the delay in seconds.

        The watches say what changes; these looks are for what depends on the time alone.
        """
        looks = self._idle_looks.get(key, 0)
        self._idle_looks[key] = looks + 1
        delay = max(delay, min(delay * 2 ** min(looks, 16), LONGEST_LOOK_SECONDS)) * (1 + self._jitter() / 10)
        self._put(key, delay, "clock")
        return delay

    def look(self, key: Key, delay: float) -> None:
        """Look at this key after ``delay`` seconds because it is time to; later looks by the clock stay as rare."""
        self._put(key, delay, "clock")

    def forget(self, key: Key) -> None:
        """There is no such VLMDeployment any more."""
        self._failures.pop(key, None)
        self._idle_looks.pop(key, None)

    def _put(self, key: Key, delay: float, cause: str) -> None:
        due = self._clock() + delay
        if due < self._due.get(key, float("inf")):
            self.added[cause] += 1
            self._due[key] = due
            heapq.heappush(self._order, (due, key))
            self._changed.set()

    def retry(self, key: Key, at_least: float | None = None) -> float:
        """Look at this key again after a failure: later each time, with jitter; the delay in seconds.

        Args:
            key: what failed.
            at_least: seconds the server asked to wait.
        """
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        ceiling = min(FIRST_DELAY_SECONDS * 2 ** min(failures, 16), LONGEST_DELAY_SECONDS)
        delay = float(max(ceiling * (0.5 + self._jitter() / 2), at_least or 0.0))
        self._put(key, delay, "failure")
        return delay

    def succeeded(self, key: Key) -> None:
        """Forget past failures of this key."""
        self._failures.pop(key, None)

    async def take(self) -> Key:
        """The next key whose time has come. It is active until ``done``."""
        while True:
            key, wait = self._next()
            if key is not None:
                return key
            self._changed.clear()
            # Not wait_for: up to Python 3.11 it takes a cancellation for an answer that has just come, and goes on.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await self._changed.wait()

    def done(self, key: Key) -> None:
        """The key is no longer worked on; if it was added meanwhile, it comes again."""
        self._active.discard(key)
        if key in self._due:
            heapq.heappush(self._order, (self._due[key], key))
            self._changed.set()

    def overdue_seconds(self) -> float:
        """How long the longest-waiting key has been waiting past its time, 0 where none is."""
        waiting = [due for key, due in self._due.items() if key not in self._active]
        return max(0.0, self._clock() - min(waiting)) if waiting else 0.0

    def _next(self) -> tuple[Key | None, float | None]:
        now = self._clock()
        while self._order:
            due, key = self._order[0]
            if self._due.get(key) != due or key in self._active:
                heapq.heappop(self._order)  # moved to an earlier time, or comes again with ``done``
            elif due > now:
                return None, due - now
            else:
                heapq.heappop(self._order)
                del self._due[key]
                self._active.add(key)
                return key, None
        return None, None
