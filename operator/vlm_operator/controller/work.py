"""The tasks between the queue and the reconciler: take a key, reconcile it in a thread, say when to look again.

Every task runs in one ``TaskGroup`` (``main``): a task that ends by an error ends the process, with the error in its
log, and Kubernetes starts it again. None can die unseen.
"""

from __future__ import annotations

import asyncio
import logging
import random
from concurrent.futures import Executor
from typing import Final

from vlm_operator.controller.api_errors import ApiError, RetryLater
from vlm_operator.controller.health import Health
from vlm_operator.controller.leader import RENEW_SECONDS, RETRY_SECONDS, Leadership
from vlm_operator.controller.metrics import Metrics
from vlm_operator.controller.queue import Key, WorkQueue
from vlm_operator.controller.reconcile import Reconciler, Result
from vlm_operator.controller.watches import World

LOGGER: Final = logging.getLogger(__name__)

RESYNC_SPREAD: Final = 0.2
"""Part of the resync's period over which it is spread: a thousand looks at once would delay what really happens."""


class Workers:
    """The tasks of one event loop.

    Attributes:
        synced: set once the caches are filled.
        leading: set while this operator is the one that works.
    """

    def __init__(
        self,
        queue: WorkQueue,
        world: World,
        *,
        reconciler: Reconciler,
        metrics: Metrics,
        health: Health,
        threads: Executor,
        workers: int,
    ) -> None:
        self._queue = queue
        self._world = world
        self._reconciler = reconciler
        self._metrics = metrics
        self._health = health
        self._threads = threads
        self._free = asyncio.Semaphore(workers)
        self.synced = asyncio.Event()
        self.leading = asyncio.Event()

    async def dispatch(self) -> None:
        """Hand keys to free threads, for ever; nothing before the caches are filled, nothing while another leads."""
        await self.synced.wait()
        async with asyncio.TaskGroup() as group:
            while True:
                await self._free.acquire()
                await self.leading.wait()
                key = await self._queue.take()
                if not self.leading.is_set():  # lost while waiting for work
                    self._queue.done(key)
                    self._queue.add(key)
                    self._free.release()
                    continue
                group.create_task(self._work(key))

    async def _work(self, key: Key) -> None:
        try:
            await self._handle(key)
        finally:
            self._queue.done(key)
            self._free.release()

    async def _handle(self, key: Key) -> None:
        result = await self._reconciled(key)
        if result is None or result.failed:
            return
        self._queue.succeeded(key)
        if result.requeue_after is not None:
            self._queue.later(key, result.requeue_after)
        elif result.name == "gone":
            self._queue.forget(key)

    async def _reconciled(self, key: Key) -> Result | None:
        """The result, or None where it failed; a failure has been put back with a delay."""
        about = {"vlmdeployment": "/".join(key)}
        loop = asyncio.get_running_loop()
        try:
            with self._health.working(key), self._metrics.duration.time():
                result = await loop.run_in_executor(self._threads, self._reconciler.reconcile, key)
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

    async def lead(self, leadership: Leadership | None) -> None:
        """Be the leader whenever possible; at once, and always, where there is no Lease."""
        if leadership is None:
            self._lead(True)
            return
        await self.synced.wait()
        while True:
            try:
                held = await asyncio.to_thread(leadership.hold)
            except ApiError as error:
                held = leadership.may_write()
                LOGGER.warning("the lease: %s", error.message)
            self._lead(held)
            await asyncio.sleep(RENEW_SECONDS if held else RETRY_SECONDS)

    def _lead(self, held: bool) -> None:
        if held and not self.leading.is_set():
            LOGGER.info("leading")
            self.leading.set()
            for key in self._world.cache.keys():  # noqa: SIM118 - not a mapping
                self._queue.add(key)  # whatever another has left half done
        elif not held and self.leading.is_set():
            LOGGER.warning("another operator may lead: nothing is written any more")
            self.leading.clear()
        self._metrics.leader.set(held)

    async def resync(self, seconds: float) -> None:
        """Look at everything once in a while, for ever: what depends on the time and on model sources has no event."""
        while True:
            await asyncio.sleep(seconds)
            for key in self._world.cache.keys():  # noqa: SIM118 - not a mapping
                self._queue.look(key, random.uniform(0, seconds * RESYNC_SPREAD))

    async def beat(self) -> None:
        """Tell the health check that the loop turns, and the metrics how the queue is."""
        counted = dict.fromkeys(self._queue.added, 0)
        while True:
            self._health.beat()
            for cause, total in self._queue.added.items():
                self._metrics.queue_adds.labels(cause).inc(total - counted[cause])
                counted[cause] = total
            self._metrics.queue_length.set(len(self._queue))
            self._metrics.queue_oldest.set(self._queue.overdue_seconds() if self.leading.is_set() else 0.0)
            await asyncio.sleep(1)
