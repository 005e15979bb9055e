"""A sink that keeps what was read of each object of one kind and says what changed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from vlm_operator.controller.client import Object

T = TypeVar("T")

Changed = Callable[[str, T | None, T | None], None]
"""Called with the object's name, after its namespace and a slash where it has one, and what was read before and now."""


class Versioned(Generic[T]):
    """See ``informer.Sink``. An older state never replaces a newer one. Safe to use from several threads.

    Args:
        read: what is kept of an object, None where nothing is.
        changed: told of each change, one at a time.

    Attributes:
        listed: False until they have been listed.
    """

    def __init__(self, read: Callable[[Object], T | None], changed: Changed[T]) -> None:
        self._read = read
        self._changed = changed
        self.listed = False
        self._lock = threading.RLock()
        self._known: dict[tuple[str, str], tuple[str, int, T | None]] = {}

    def put(self, item: Object) -> None:
        """See ``informer.Sink``."""
        metadata, value = item["metadata"], self._read(item)
        place, version = _place(item), int(metadata["resourceVersion"])
        with self._lock:
            before = self._known.get(place)
            if before is not None and version < before[1]:
                return
            self._known[place] = (metadata["uid"], version, value)
            self._say(place, before[2] if before else None, value)

    def drop(self, item: Object) -> None:
        """See ``informer.Sink``."""
        place = _place(item)
        with self._lock:
            known = self._known.get(place)
            if known is not None and known[0] == item["metadata"]["uid"]:
                del self._known[place]
                self._say(place, known[2], None)

    def retain(self, namespace: str | None, uids: set[str], version: int) -> None:
        """See ``informer.Sink``."""
        with self._lock:
            self.listed = True
            for place, (uid, seen, value) in list(self._known.items()):
                if (namespace is None or place[0] == namespace) and uid not in uids and seen <= version:
                    del self._known[place]
                    self._say(place, value, None)

    def _say(self, place: tuple[str, str], before: T | None, after: T | None) -> None:
        if before != after:
            self._changed("/".join(filter(None, place)), before, after)


def _place(item: Object) -> tuple[str, str]:
    return item["metadata"].get("namespace") or "", item["metadata"]["name"]
