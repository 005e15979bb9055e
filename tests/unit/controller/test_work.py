"""Between the queue and the reconciler: when is a VLMDeployment looked at again?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
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
class Answers:
    """A reconciler that gives these answers, the last one again and again."""

    answers: list[Result | Exception]
    asked: int = 0

    def reconcile(self, key: Key) -> Result:
        assert key == KEY
        self.asked += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class Recorded(WorkQueue):
    """A queue that notes what it is told instead of waiting; times are seconds."""

    told: list[tuple[str, float | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(clock=lambda: 0.0, jitter=lambda: 1.0)

    def add(self, key: Key, delay: float = 0.0) -> None:
        self.told.append(("add", delay))
        super().add(key, delay)

    def retry(self, key: Key, at_least: float | None = None) -> float:
        delay = super().retry(key, at_least)
        self.told.append(("retry", delay))
        return delay

    def succeeded(self, key: Key) -> None:
        self.told.append(("succeeded", None))
        super().succeeded(key)


def work(reconciler: Answers, until: Callable[[Recorded], bool]) -> tuple[Recorded, Metrics, Health]:
    """Let one worker run until the queue was told enough."""
    metrics, health = Metrics(), Health()

    async def scenario() -> Recorded:
        queue = Recorded()
        with ThreadPoolExecutor(1) as threads:
            workers = Workers(
                queue,
                World(lambda keys, delay: None),
                reconciler=cast(Reconciler, reconciler),
                metrics=metrics,
                health=health,
                threads=threads,
                workers=1,
            )
            workers.synced.set()
            workers.leading.set()
            working = asyncio.create_task(workers.dispatch())
            queue.add(KEY)
            for _ in range(400):
                await asyncio.sleep(0.005)
                if until(queue):
                    break
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        return queue

    return asyncio.run(scenario()), metrics, health


@pytest.mark.parametrize(
    ("answer", "told", "counted"),
    [
        pytest.param(
            RetryLater("busy", code=429, retry_after=30.0),
            [("add", 30.0), ("retry", 30.0)],
            "retry",
            id="the API server said when to come back",
        ),
        pytest.param(
            RetryLater("busy", code=503),
            [("add", 0.5), ("retry", 0.5)],
            "retry",
            id="it is overrun and did not say when",
        ),
        pytest.param(Rejected("no", code=403), [("add", 0.5), ("retry", 0.5)], "retry", id="it refused a request"),
        pytest.param(ValueError("a defect"), [("add", 0.5), ("retry", 0.5)], "error", id="a defect of ours"),
        pytest.param(
            Result("outdated", failed=True), [("add", 0.5), ("retry", 0.5)], "outdated", id="somebody wrote in between"
        ),
        pytest.param(Result("ok", 7.5), [("succeeded", None), ("add", 7.5)], "ok", id="the decision says when"),
        pytest.param(Result("ok"), [("succeeded", None)], "ok", id="nothing more to do"),
    ],
)
def test_it_is_looked_at_again_when_that_can_help(
    answer: Result | Exception, told: list[tuple[str, float | None]], counted: str
) -> None:
    queue, metrics, health = work(Answers([answer]), until=lambda queue: len(queue.told) > len(told))
    assert queue.told == [("add", 0.0), *told]
    assert f'vlm_operator_reconcile_total{{result="{counted}"}} 1.0' in metrics.text().decode()
    assert health.problems() == []
