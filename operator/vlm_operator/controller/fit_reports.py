"""What audits found, from their ``GPUFitReport`` to the metrics."""

from __future__ import annotations

import threading
from typing import Final

from vlm_operator.controller.client import Object

FIT_REPORT: Final = "GPUFitReport"


class FitReports:
    """Every GPUFitReport as the watch has seen it, a sink of its informer. Safe to use from several threads.

    Nothing is decided by them: they are there to be exported.
    """

    def __init__(self) -> None:
        self._reports: dict[str, tuple[int, Object]] = {}
        self._lock = threading.Lock()

    def put(self, item: Object) -> None:
        """See ``informer.Sink``."""
        with self._lock:
            self._reports[item["metadata"]["name"]] = (_version(item), item)

    def drop(self, item: Object) -> None:
        """See ``informer.Sink``."""
        with self._lock:
            self._reports.pop(item["metadata"]["name"], None)

    def retain(self, namespace: str | None, uids: set[str], version: int) -> None:
        """See ``informer.Sink``."""
        with self._lock:
            self._reports = {
                name: (at, item)
                for name, (at, item) in self._reports.items()
                if at > version or item["metadata"].get("uid") in uids
            }

    def specs(self) -> dict[str, Object]:
        """What each report says, by its name."""
        with self._lock:
            return {name: item.get("spec") or {} for name, (_, item) in sorted(self._reports.items())}


def _version(item: Object) -> int:
    text = str(item["metadata"].get("resourceVersion", ""))
    return int(text) if text.isdecimal() else 0
