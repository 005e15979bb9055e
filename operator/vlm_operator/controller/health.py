"""Liveness and readiness: heartbeats, and the HTTP port that tells.

That a process answers proves little: it is alive if its event loop turns and no reconcile hangs. How long work has been
waiting is no question of life: a long queue is worked off, and a restart would only make it longer. It is a metric.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Final

from vlm_operator.controller.metrics import Metrics

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vlm_operator.controller.queue import Key

LOOP_STUCK_SECONDS: Final = 30.0
"""The event loop beats every second; without a beat for this long it is stuck."""

RECONCILE_STUCK_SECONDS: Final = 300.0
"""No reconcile takes this long: each of its requests ends after half a minute."""


class Health:
    """Beats and what is being worked on. Safe to use from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beat = clock()
        self._working: dict[Key, float] = {}
        self._lock = threading.Lock()
        self.waiting_for: Callable[[], str | None] = lambda: "the watches do not run yet"
        """What the operator waits for before it is ready, None once it is."""

    def beat(self) -> None:
        """The loop turns."""
        self._beat = self._clock()

    @contextmanager
    def working(self, key: Key) -> Iterator[None]:
        """While a reconcile of this key runs."""
        with self._lock:
            self._working[key] = self._clock()
        try:
            yield
        finally:
            with self._lock:
                self._working.pop(key, None)

    def problems(self) -> list[str]:
        """What is stuck, in words; empty if nothing is."""
        now = self._clock()
        found = []
        if now - self._beat > LOOP_STUCK_SECONDS:
            found.append(f"the event loop has not turned for {now - self._beat:.0f} s")
        with self._lock:
            working = dict(self._working)
        found += [
            f"the reconcile of {key.namespace}/{key.name} has been running for {now - since:.0f} s"
            for key, since in working.items()
            if now - since > RECONCILE_STUCK_SECONDS
        ]
        return found


def serve(health: Health, metrics: Metrics, port: int, address: str = "") -> ThreadingHTTPServer:
    """Serve ``/healthz``, ``/readyz`` and ``/metrics`` from a thread of its own; the server, to be shut down."""

    class Handler(BaseHTTPRequestHandler):
        """Three paths."""

        def do_GET(self) -> None:
            """Answer a probe or a scrape."""
            problems = health.problems()
            if self.path == "/healthz":
                self._answer(503 if problems else 200, "\n".join(problems) or "ok")
            elif self.path == "/readyz":
                waiting = [words] if (words := health.waiting_for()) else []
                self._answer(503 if problems or waiting else 200, "\n".join(problems + waiting) or "ok")
            elif self.path == "/metrics":
                self._answer(200, metrics.text().decode(), "text/plain; version=0.0.4; charset=utf-8")
            else:
                self._answer(404, "try /healthz, /readyz or /metrics")

        def _answer(self, code: int, text: str, content_type: str = "text/plain; charset=utf-8") -> None:
            body = text.encode() + (b"" if text.endswith("\n") else b"\n")
            self.send_response(code)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Probes are not worth a line each."""
            logging.getLogger(__name__).debug(format, *args)

    server = ThreadingHTTPServer((address, port), Handler)
    threading.Thread(target=server.serve_forever, name="http", daemon=True).start()
    return server
