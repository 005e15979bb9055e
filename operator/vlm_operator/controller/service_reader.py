"""Read what servers that serve tell: what they printed since the last look, each line once, and their metrics.

Bounded, and at most once in a while.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Final

from vlm_operator.api.names import FINGERPRINT_ANNOTATION, PAUSED_ANNOTATION
from vlm_operator.controller.api_errors import ApiError
from vlm_operator.controller.client import Client, path_of
from vlm_operator.controller.queue import Key
from vlm_operator.controller.server_metrics import ServerMetrics
from vlm_operator.lifecycle.request_counts import RequestCounts
from vlm_operator.lifecycle.service_log import new_lines
from vlm_operator.lifecycle.situation import Pod, ServiceLog, Situation, StartupKey
from vlm_operator.lifecycle.startup_outcome import CONTAINER, ended_run

EVERY_SECONDS: Final = 60.0
"""Least time between two readings of one VLMDeployment's servers, and so between two writes of what they tell."""

CHUNK_BYTES: Final = 1024 * 1024
"""Most bytes read of one run's log at one look; what is left is read at the next."""


class ServiceReader:
    """Remembers how far each log was read, so that the status is written only where a count changed.

    Args:
        client: the API server.
        clock: seconds that only grow.
        every_seconds: see ``EVERY_SECONDS``.
        metrics: what the servers' metrics have told.
    """

    def __init__(
        self,
        client: Client,
        *,
        clock: Callable[[], float] = time.monotonic,
        every_seconds: float = EVERY_SECONDS,
        metrics: ServerMetrics | None = None,
    ) -> None:
        self._client = client
        self._metrics = metrics or ServerMetrics()
        self._clock = clock
        self._every_seconds = every_seconds
        self._read_at: dict[Key, float] = {}
        self._until: dict[Key, dict[StartupKey, str]] = {}

    def read(self, key: Key, situation: Situation) -> Situation:
        """The situation with what its servers printed since the last look; as it is where it is not yet time.

        A log that cannot be read now is read at a later look: nobody waits for it.
        """
        fingerprint = str((situation.target.status.get("plan") or {}).get("fingerprint") or "")
        serving = [pod for pod in situation.pods if _serves(pod, fingerprint)]
        now = self._clock()
        if situation.target.annotations.get(PAUSED_ANNOTATION) == "true":
            return situation
        if not serving or now - self._read_at.get(key, float("-inf")) < self._every_seconds:
            return situation
        self._read_at[key] = now
        known = self._known(key, situation, fingerprint)
        runs = [(pod, _run(pod)) for pod in serving if pod.rank == 0]
        context = (situation.target.status.get("contextLength")) or None
        return replace(
            situation,
            service_logs=tuple(self._logs(situation, serving, known)),
            seen=self._metrics.seen(key, fingerprint, runs, context),
        )

    def settled(self, key: Key, situation: Situation) -> None:
        """What was read has been decided upon, and written where it mattered: it is not read again."""
        for log in situation.service_logs:
            if log.until is not None:
                self._until.setdefault(key, {})[log.key] = log.until

    def unsettled(self, key: Key) -> None:
        """What was read came to nothing: read it again at the next look."""
        self._read_at.pop(key, None)

    def forget(self, key: Key) -> None:
        """There is no such VLMDeployment any more."""
        self._read_at.pop(key, None)
        self._until.pop(key, None)
        self._metrics.forget(key)

    def _known(self, key: Key, situation: Situation, fingerprint: str) -> dict[StartupKey, str]:
        """How far each run was read, as the status has it or, later, as is remembered; nothing for a new command."""
        counts = RequestCounts.of_status(situation.target.status)
        if counts is None or counts.fingerprint != fingerprint:
            self._until.pop(key, None)
            return {}
        present = {pod.uid for pod in situation.pods}
        remembered = {run: at for run, at in self._until.get(key, {}).items() if run.pod_uid in present}
        self._until[key] = remembered
        return {**counts.read_until, **remembered}

    def _logs(self, situation: Situation, pods: Iterable[Pod], known: dict[StartupKey, str]) -> Iterator[ServiceLog]:
        for pod in pods:
            status = pod.container(CONTAINER)
            assert status is not None
            ended = ended_run(pod, status)
            if ended is not None and ended[0] in known:  # what the run before printed after the last look
                yield self._log(situation, pod, ended[0], known[ended[0]], previous=ended[2])
            run = _run(pod)
            yield self._log(situation, pod, run, known.get(run), previous=False)

    def _log(self, situation: Situation, pod: Pod, run: StartupKey, since: str | None, *, previous: bool) -> ServiceLog:
        path = f"{path_of('v1', 'Pod', situation.target.namespace, pod.name)}/log"
        query = {"container": CONTAINER, "timestamps": "true", "limitBytes": str(CHUNK_BYTES)}
        if since is not None:
            query["sinceTime"] = since
        if previous:
            query["previous"] = "true"
        try:
            text = self._client.text(path, query)
        except ApiError:
            return ServiceLog(run, None, since)
        cut = len(text.encode()) >= CHUNK_BYTES
        lines, until = new_lines(text, since, situation.now, cut=cut)
        return ServiceLog(run, lines, until)


def _run(pod: Pod) -> StartupKey:
    status = pod.container(CONTAINER)
    return StartupKey(pod.uid, CONTAINER, status.restart_count if status is not None else 0)


def _serves(pod: Pod, fingerprint: str) -> bool:
    status = pod.container(CONTAINER)
    return (
        status is not None
        and status.ready
        and status.state.kind == "running"
        and not pod.deleting
        and pod.annotations.get(FINGERPRINT_ANNOTATION) == fingerprint
    )
