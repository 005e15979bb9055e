"""When the workers lead, when they stop, and what they look at again."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest

from vlm_operator.controller import work
from vlm_operator.controller.api_errors import RetryLater
from vlm_operator.controller.health import Health
from vlm_operator.controller.metrics import Metrics
from vlm_operator.controller.queue import Key, WorkQueue
from vlm_operator.controller.reconcile import Reconciler
from vlm_operator.controller.watches import World
from vlm_operator.controller.work import RESYNC_SPREAD, Workers

KEYS = [Key("default", "a"), Key("default", "b")]


class Claim:
    """A claim to the Lease that goes as told; then it is not held."""

    def __init__(self, *held: bool | Exception, writes: bool = False) -> None:
        self.held = list(held)
        self.writes = writes

    def hold(self) -> bool:
        answer = self.held.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def may_write(self) -> bool:
        return self.writes


class Bench:
    """Workers without watches, with their queue and metrics."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self.queue, self.metrics, self.health = WorkQueue(), Metrics(), Health()
        world = SimpleNamespace(cache=SimpleNamespace(keys=lambda: KEYS))
        self.workers = Workers(
            self.queue, cast(World, world), reconciler=cast(Reconciler, None), metrics=self.metrics,
            health=self.health, threads=threads, workers=2,
        )  # fmt: skip

    def is_leader(self) -> float:
        lines = self.metrics.text().decode().splitlines()
        return float(next(line.split()[-1] for line in lines if line.startswith("vlm_operator_leader ")))


def run(scenario: Callable[[Bench], Any]) -> None:
    async def whole() -> None:
        with ThreadPoolExecutor(1) as threads:
            await scenario(Bench(threads))

    asyncio.run(asyncio.wait_for(whole(), 30))


def seen(monkeypatch: pytest.MonkeyPatch, claim: Claim) -> list[tuple[bool, float, float, int]]:
    """(leading, as the metric says, seconds until the next look, keys in the queue) after each look at the Lease."""
    found: list[tuple[bool, float, float, int]] = []

    async def scenario(bench: Bench) -> None:
        async def sleep(seconds: float) -> None:
            found.append((bench.workers.leading.is_set(), bench.is_leader(), seconds, len(bench.queue)))
            if not claim.held:
                raise asyncio.CancelledError

        monkeypatch.setattr(work.asyncio, "sleep", sleep)
        bench.workers.synced.set()
        with pytest.raises(asyncio.CancelledError):
            await bench.workers.lead(claim)  # type: ignore[arg-type]
        monkeypatch.undo()

    run(scenario)
    return found


def test_it_leads_while_it_holds_the_lease_and_looks_at_everything_when_it_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert seen(monkeypatch, Claim(False, True, True, False, False)) == [
        (False, 0, 1.0, 0),
        (True, 1, 2.0, 2),
        (True, 1, 2.0, 2),
        (False, 0, 1.0, 2),
        (False, 0, 1.0, 2),
    ]


@pytest.mark.parametrize(
    ("writes", "leads"), [(True, True), (False, False)], ids=["still its time", "its time is over"]
)
def test_without_an_answer_it_leads_until_its_time_is_over(
    monkeypatch: pytest.MonkeyPatch, writes: bool, leads: bool
) -> None:
    found = seen(monkeypatch, Claim(True, RetryLater("away"), writes=writes))
    assert [each[0] for each in found] == [True, leads]


def test_alone_it_leads_before_the_caches_are_filled() -> None:
    async def scenario(bench: Bench) -> None:
        assert bench.is_leader() == 0
        await bench.workers.lead(None)
        assert (bench.workers.leading.is_set(), bench.is_leader(), len(bench.queue)) == (True, 1, 2)

    run(scenario)


def test_a_lease_is_claimed_only_with_filled_caches() -> None:
    async def scenario(bench: Bench) -> None:
        task = asyncio.create_task(bench.workers.lead(Claim()))  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
        assert not task.done(), "the claim has no answer to give: it was not asked"
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run(scenario)


def test_a_resync_is_spread_over_a_fifth_of_its_period(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[float, float]] = []
    looked: list[tuple[Key, float]] = []

    async def scenario(bench: Bench) -> None:
        rounds = 0

        async def sleep(seconds: float) -> None:
            nonlocal rounds
            rounds += 1
            assert seconds == 300.0
            if rounds == 2:
                raise asyncio.CancelledError

        monkeypatch.setattr(work.asyncio, "sleep", sleep)
        monkeypatch.setattr(random, "uniform", lambda low, high: asked.append((low, high)) or 7.0)
        monkeypatch.setattr(bench.queue, "look", lambda key, delay: looked.append((key, delay)))
        with pytest.raises(asyncio.CancelledError):
            await bench.workers.resync(300.0)
        monkeypatch.undo()

    run(scenario)
    assert asked == [(0, 300.0 * RESYNC_SPREAD)] * 2
    assert looked == [(key, 7.0) for key in KEYS]
    assert RESYNC_SPREAD == 0.2


def test_a_beat_counts_what_was_added_and_how_long_the_queue_is(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    async def scenario(bench: Bench) -> None:
        queue = WorkQueue(clock=lambda: clock[0], jitter=lambda: 0.0)
        bench.workers._queue = queue
        queue.add(KEYS[0])
        queue.add(KEYS[1])
        told: list[tuple[float, float, float]] = []

        def figure(name: str) -> float:
            lines = bench.metrics.text().decode().splitlines()
            return sum(float(line.split()[-1]) for line in lines if line.split("{")[0].split(" ")[0] == name)

        async def sleep(seconds: float) -> None:
            assert seconds == 1
            told.append(
                (
                    figure("vlm_operator_queue_length"),
                    figure("vlm_operator_queue_oldest_seconds"),
                    figure("vlm_operator_queue_adds_total"),
                )
            )
            clock[0] += 5.0
            bench.workers.leading.set()
            if len(told) == 2:
                raise asyncio.CancelledError

        monkeypatch.setattr(work.asyncio, "sleep", sleep)
        with pytest.raises(asyncio.CancelledError):
            await bench.workers.beat()
        monkeypatch.undo()
        assert told == [(2, 0, 2), (2, 5, 2)], "who does not lead reports no age"
        assert bench.health.problems() == []

    run(scenario)
