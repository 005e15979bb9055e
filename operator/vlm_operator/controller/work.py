"""Who works through the queue? Tasks that take a key, run its reconcile in a thread and say when to look again."""

from __future__ import annotations

import asyncio
import logging
from concurrent.futures import Executor
from typing import Final

from vlm_operator.controller.api_errors import ApiError, RetryLater
from vlm_operator.controller.client import Client, path_of
from vlm_operator.controller.health import Health
from vlm_operator.controller.metrics import Metrics
from vlm_operator.controller.queue import Key, WorkQueue
from vlm_operator.controller.reconcile import Reconciler, Result
from vlm_operator.controller.watches import World

LOGGER: Final = logging.getLogger(__name__)

LISTING_SECONDS: Final = 1.0
"""Events of one listing come within this time."""

NODES_RETRY_SECONDS: Final = 5.0
"""Until nodes that could not be listed are listed again."""


class Workers:
    """The tasks between the queue and the reconciler, for one event loop."""

    def __init__(
        self,
        queue: WorkQueue,
        world: World,
        *,
        reconciler: Reconciler,
        metrics: Metrics,
        health: Health,
        threads: Executor,
        client: Client,
    ) -> None:
        self._client = client
        self._queue = queue
        self._world = world
        self._reconciler = reconciler
        self._metrics = metrics
        self._health = health
        self._threads = threads

    def start(self, workers: int, resync_seconds: float) -> list[asyncio.Task[None]]:
        """Start them; the tasks run until they are cancelled."""
        tasks = [asyncio.create_task(self._work()) for _ in range(workers)]
        others = (self._resync(resync_seconds), self._forget_gone_nodes(), self._beat())
        return [*tasks, *(asyncio.create_task(other) for other in others)]

    async def _work(self) -> None:
        while True:
            key = await self._queue.take()
            try:
                await self._handle(key)
            finally:
                self._queue.done(key)

    async def _handle(self, key: Key) -> None:
        result = await self._reconciled(key)
        if result is None or result.failed:
            return
        self._queue.succeeded(key)
        if result.requeue_after is not None:
            self._queue.add(key, result.requeue_after)

    async def _reconciled(self, key: Key) -> Result | None:
        """The result, or None where it failed; a failure has been put back with a delay."""
        about = {"vlmdeployment": "/".join(key)}
        nodes = self._world.nodes()
        loop = asyncio.get_running_loop()
        try:
            with self._health.working(key), self._metrics.duration.time():
                result = await loop.run_in_executor(self._threads, self._reconciler.reconcile, key, nodes)
        except ApiError as error:
            at_least = error.retry_after if isinstance(error, RetryLater) else None
            delay = self._queue.retry(key, at_least)
            self._metrics.reconciles.labels("retry").inc()
            LOGGER.warning("again in %.1f s: %s", delay, error.message, extra=about)
            return None
        except Exception:
            delay = self._queue.retry(key)
            self._metrics.reconciles.labels("error").inc()
            LOGGER.exception("again in %.1f s: a defect of the operator", delay, extra=about)
            return None
        self._metrics.reconciles.labels(result.name).inc()
        if result.failed:
            self._queue.retry(key)
        return result

    async def _resync(self, seconds: float) -> None:
        """Look at everything once in a while, in case an event was missed."""
        while True:
            await asyncio.sleep(seconds)
            for key in self._world.known:
                self._queue.add(key)

    async def _forget_gone_nodes(self) -> None:
        """After a watch has begun anew: nodes that went meanwhile are planned for no longer."""
        while True:
            await self._world.listed.wait()
            self._world.listed.clear()
            seen = self._world.uids()
            loop = asyncio.get_running_loop()
            try:
                uids = await loop.run_in_executor(self._threads, self._client.uids, path_of("v1", "Node", None))
            except ApiError as error:
                LOGGER.warning("nodes are listed again in %.0f s: %s", NODES_RETRY_SECONDS, error.message)
                self._world.listed.set()
                await asyncio.sleep(NODES_RETRY_SECONDS)
                continue
            if self._world.keep(uids, seen):
                for key in self._world.known:
                    self._queue.add(key)
            await asyncio.sleep(LISTING_SECONDS)

    async def _beat(self) -> None:
        while True:
            self._health.beat(self._queue.overdue_seconds())
            self._metrics.queue_length.set(len(self._queue))
            await asyncio.sleep(1)
