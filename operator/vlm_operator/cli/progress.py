"""A progress bar on stderr that appears only where the work takes longer than a second."""

from __future__ import annotations

import sys
import time
from typing import Final

_APPEARS_SECONDS: Final = 1.0
_EACH_SECONDS: Final = 0.1
_WIDTH: Final = 40


class LateBar:
    """Counts steps, and draws them from the first second on."""

    def __init__(self, steps: int) -> None:
        self._steps, self._done = max(steps, 1), 0
        self._started = self._drawn = time.monotonic()

    def advance(self) -> None:
        """One step is done."""
        self._done += 1
        now = time.monotonic()
        is_last = self._done >= self._steps
        if now - self._started < _APPEARS_SECONDS or (now - self._drawn < _EACH_SECONDS and not is_last):
            return
        self._drawn = now
        filled = _WIDTH * self._done // self._steps
        bar = f"{'#' * filled}{'.' * (_WIDTH - filled)} {self._done}/{self._steps}"
        end = f"\r{' ' * len(bar)}\r" if is_last else ""
        print(f"\r{bar}{end}", end="", file=sys.stderr, flush=True)
