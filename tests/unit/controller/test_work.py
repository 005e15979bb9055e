"""Tests of when a VLMDeployment is looked at again, between the queue and the reconciler."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import cast

import pytest

from vlm_operator.controller.api_errors import Rejected, RetryLater
from vlm_operator.controller.health import Health
from vlm_operator.controller.metrics import Metrics
from vlm_operator.controller.queue import Key, WorkQueue
from vlm_operator.controller.reconcile import Reconciler, Result
from vlm_operator.controller.watches import World
from vlm_operator.controller.work import Workers

KEY = Key("default", "model")


@dataclass
class Answering:
    """A reconciler that has one answer."""

    answer: Result | Exception

    def reconcile(self, key: Key) -> Result:
        assert key == KEY
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


def looked_at_again(answer: Result | Exception, counted: str) -> float | None:
    """Seconds from one look with this answer to the next; None where there is none."""
    clock, metrics = Clock(), Metrics()

    async def scenario() -> float | None:
        queue = WorkQueue(clock=clock, jitter=lambda: 0.0)
        with ThreadPoolExecutor(1) as threads:
            workers = Workers(
                queue,
                World(lambda keys, delay: None),
                reconciler=cast(Reconciler, Answering(answer)),
                metrics=metrics,
                health=Health(),
                threads=threads,
                workers=1,
            )
            workers.synced.set()
            workers.leading.set()
            working = asyncio.create_task(workers.dispatch())
            queue.add(KEY)
            while f'vlm_operator_reconcile_total{{result="{counted}"}} 1.0' not in metrics.text().decode():
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.01)
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        if not len(queue):
            return None
        clock.now = 1000.0
        return 1000.0 - queue.overdue_seconds()

    return asyncio.run(asyncio.wait_for(scenario(), 60))


@pytest.mark.parametrize(
    ("answer", "counted", "seconds"),
    [
        pytest.param(
            RetryLater("busy", code=429, retry_after=30.0), "retry", 30.0, id="the API server said when to come back"
        ),
        pytest.param(RetryLater("busy", code=503), "retry", 0.25, id="it is overrun and did not say when"),
        pytest.param(Rejected("no", code=403), "retry", 0.25, id="it refused a request"),
        pytest.param(ValueError("a defect"), "error", 0.25, id="a defect of ours"),
        pytest.param(Result("outdated", failed=True), "outdated", 0.25, id="somebody wrote in between"),
        pytest.param(Result("ok", 7.5), "ok", 7.5, id="the decision says when"),
        pytest.param(Result("ok"), "ok", None, id="nothing more to do"),
        pytest.param(Result("gone"), "gone", None, id="it is gone"),
    ],
)
def test_it_is_looked_at_again_when_that_can_help(
    answer: Result | Exception, counted: str, seconds: float | None
) -> None:
    assert looked_at_again(answer, counted) == seconds


@pytest.mark.parametrize(("answer", "kept"), [(Result("gone"), 0), (Result("ok"), 1)], ids=["gone", "still there"])
def test_only_of_what_is_gone_nothing_is_remembered(answer: Result, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    forgotten: list[Key] = []
    monkeypatch.setattr(WorkQueue, "forget", lambda queue, key: forgotten.append(key))
    looked_at_again(answer, answer.name)
    assert forgotten == [KEY] * (1 - kept)
