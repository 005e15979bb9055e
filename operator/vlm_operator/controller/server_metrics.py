"""Read the ``/metrics`` of servers that serve, as a Prometheus would: from the pod's own address, no rights needed.

A page tells counters since the server's start and what runs at the moment; what was seen at earlier looks is remembered
while this process lives.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import urllib3

from vlm_operator.controller.queue import Key
from vlm_operator.lifecycle.situation import Pod, StartupKey
from vlm_operator.planning.seen_traffic import SeenTraffic
from vlm_operator.planning.traffic import LARGEST_PAGE, Traffic, read_traffic
from vlm_operator.rendering import PORT

CONNECT_SECONDS: Final = 0.5
READ_SECONDS: Final = 2.0
"""Longest times until a pod is reached, and between pieces of its page: it must hold up nobody."""

FIRST_PAUSE_SECONDS: Final = 300.0
LONGEST_PAUSE_SECONDS: Final = 3600.0
"""How long the servers of a VLMDeployment are left alone after none of them answered; twice as long each time."""

PodURL = Callable[[Pod], str | None]


@dataclass(slots=True)
class _Known:
    """What is remembered of one command: the traffic, and each run's last page."""

    fingerprint: str
    seen: SeenTraffic = field(default_factory=SeenTraffic)
    pages: dict[StartupKey, Traffic] = field(default_factory=dict)
    pause: float = 0.0
    until: float = float("-inf")


class ServerMetrics:
    """Remembers the traffic of each VLMDeployment's servers.

    Args:
        url: where a pod's metrics are; None where it has no address.
        clock: seconds that only grow.
    """

    def __init__(self, url: PodURL | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
        self._pool = urllib3.PoolManager(num_pools=64, maxsize=1, retries=False, timeout=timeout)
        self._url = url or url_of
        self._clock = clock
        self._known: dict[Key, _Known] = {}

    def seen(
        self, key: Key, fingerprint: str, pods: Iterable[tuple[Pod, StartupKey]], context: int | None
    ) -> SeenTraffic | None:
        """What the servers of a command have seen until now; None where none of them answers.

        Args:
            pods: that serve it, each with its present run.
            context: of the command, tokens.
        """
        known = self._known.get(key)
        if known is None or known.fingerprint != fingerprint:
            known = self._known[key] = _Known(fingerprint)
        now, answered = self._clock(), False
        if now < known.until:
            return None
        for pod, run in pods:
            page = self._page(pod)
            if page is not None:
                known.seen = known.seen.after(page, known.pages.get(run), context)
                known.pages[run], answered = page, True
        known.pause = 0.0 if answered else min(2 * known.pause or FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        known.until = now + known.pause
        return known.seen if answered else None

    def forget(self, key: Key) -> None:
        """There is no such VLMDeployment any more."""
        self._known.pop(key, None)

    def _page(self, pod: Pod) -> Traffic | None:
        url = self._url(pod)
        if url is None:
            return None
        try:
            answer = self._pool.request("GET", url, redirect=False, preload_content=False)
            try:
                return (
                    read_traffic(answer.read(LARGEST_PAGE).decode(errors="replace")) if answer.status == 200 else None
                )
            finally:
                answer.close()
        except (urllib3.exceptions.HTTPError, OSError, ValueError):
            return None


def url_of(pod: Pod) -> str | None:
    """The address of a pod's metrics.

    >>> url_of(Pod("a", "u", "", "Running", (), "", address="10.0.0.1"))
    'http://10.0.0.1:8000/metrics'
    """
    if pod.address is None:
        return None
    return f"http://{f'[{pod.address}]' if ':' in pod.address else pod.address}:{PORT}/metrics"
