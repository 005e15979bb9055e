"""``Mailbox``: threads say which VLMDeployments changed; the event loop puts them into the queue.

``WorkQueue`` belongs to the event loop. Nothing but this class touches it from another thread, and this one only asks
the loop to.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterable

from vlm_operator.controller.queue import Key, WorkQueue


class Mailbox:
    """Keys on their way to a queue; many that come at once wake the loop once. Safe to use from several threads."""

    def __init__(self, loop: asyncio.AbstractEventLoop, queue: WorkQueue) -> None:
        self._loop = loop
        self._queue = queue
        self._lock = threading.Lock()
        self._waiting: dict[Key, float] = {}

    def post(self, keys: Iterable[Key], delay: float = 0.0) -> None:
        """Have these looked at after ``delay`` seconds, or earlier where that has been said."""
        with self._lock:
            first = not self._waiting
            for key in keys:
                self._waiting[key] = min(delay, self._waiting.get(key, delay))
            wake = first and bool(self._waiting)
        if wake and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for key, delay in waiting.items():
            self._queue.add(key, delay)
