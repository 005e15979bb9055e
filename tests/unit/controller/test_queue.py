"""The work queue: each key once, not before its time, never twice at once, later after each failure."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_operator.controller.queue import FIRST_DELAY_SECONDS, LONGEST_DELAY_SECONDS, Key, WorkQueue

A, B = Key("default", "a"), Key("default", "b")


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


async def taken(queue: WorkQueue) -> Key | None:
    try:
        return await asyncio.wait_for(queue.take(), 0.05)
    except TimeoutError:
        return None


def test_a_key_that_is_added_twice_is_taken_once() -> None:
    async def scenario() -> list[Key | None]:
        queue = WorkQueue()
        for _ in range(3):
            queue.add(A)
        return [await taken(queue), await taken(queue)]

    assert asyncio.run(scenario()) == [A, None]


def test_the_earliest_time_wins() -> None:
    async def scenario() -> list[Key | None]:
        clock = Clock()
        queue = WorkQueue(clock=clock)
        queue.add(A, 60)
        queue.add(A, 10)
        queue.add(A, 30)
        seen = [await taken(queue)]
        clock.now += 10
        return [*seen, await taken(queue), await taken(queue)]

    assert asyncio.run(scenario()) == [None, A, None]


def test_a_key_is_never_worked_on_twice_at_once_and_comes_again_if_added_meanwhile() -> None:
    async def scenario() -> list[Key | None]:
        queue = WorkQueue()
        queue.add(A)
        seen = [await taken(queue)]
        queue.add(A)
        queue.add(B)
        seen += [await taken(queue), await taken(queue)]
        queue.done(A)
        return [*seen, await taken(queue)]

    assert asyncio.run(scenario()) == [A, B, None, A]


def test_a_waiting_worker_is_woken_by_an_earlier_key() -> None:
    async def scenario() -> Key:
        queue = WorkQueue()
        queue.add(A, 60)
        waiting = asyncio.create_task(queue.take())
        await asyncio.sleep(0.01)
        queue.add(B)
        return await asyncio.wait_for(waiting, 1)

    assert asyncio.run(scenario()) == B


@given(failures=st.integers(0, 40), jitter=st.floats(0, 1, exclude_max=True))
def test_each_failure_waits_longer_up_to_a_bound(failures: int, jitter: float) -> None:
    queue = WorkQueue(clock=Clock(), jitter=lambda: jitter)
    delays = [queue.retry(A) for _ in range(failures + 1)]
    assert delays == sorted(delays)
    assert FIRST_DELAY_SECONDS / 2 <= delays[0] <= FIRST_DELAY_SECONDS
    assert delays[-1] <= LONGEST_DELAY_SECONDS


def test_success_forgets_the_failures_and_the_servers_wish_is_a_minimum() -> None:
    queue = WorkQueue(clock=Clock(), jitter=lambda: 1.0)
    assert [queue.retry(A), queue.retry(A)] == [0.5, 1.0]
    queue.succeeded(A)
    assert queue.retry(A) == 0.5
    assert queue.retry(A, at_least=30) == 30


def test_looks_by_the_clock_become_rare_until_something_changes() -> None:
    queue = WorkQueue(clock=Clock(), jitter=lambda: 0.0)
    assert [queue.later(A, 10) for _ in range(7)] == [10, 20, 40, 80, 160, 300, 300]
    queue.add(A)
    assert queue.later(A, 10) == 10
    assert queue.later(B, 600) == 600
    assert queue.later(A, 0.0) == 0.0


def test_why_a_key_was_put_in_is_counted_once() -> None:
    queue = WorkQueue(clock=Clock(), jitter=lambda: 0.0)
    queue.add(A, 5)
    queue.add(A, 9)  # it comes earlier anyway
    queue.later(B, 10)
    queue.look(B, 1)
    queue.retry(B)
    assert queue.added == {"change": 1, "clock": 2, "failure": 1}


def test_what_is_gone_leaves_nothing_behind() -> None:
    queue = WorkQueue(clock=Clock(), jitter=lambda: 1.0)
    queue.retry(A)
    queue.later(A, 10)
    queue.forget(A)
    assert queue.retry(A) == 0.5


def test_how_long_the_oldest_key_has_been_waiting_is_known() -> None:
    clock = Clock()
    queue = WorkQueue(clock=clock)
    queue.add(A)
    clock.now += 130
    assert queue.overdue_seconds() == pytest.approx(130)


def test_a_worker_that_waits_gets_what_was_added_while_another_was_at_it() -> None:
    async def scenario() -> Key:
        queue = WorkQueue()
        queue.add(A)
        await taken(queue)
        queue.add(A)
        waiting = asyncio.create_task(queue.take())
        await asyncio.sleep(0.01)
        queue.done(A)
        return await asyncio.wait_for(waiting, 5)

    assert asyncio.run(scenario()) == A


@pytest.mark.parametrize(("failures", "seconds"), [(0, 0.5), (1, 1.0), (2, 2.0), (9, 256.0), (10, 300.0), (40, 300.0)])
def test_the_delay_doubles_with_each_failure_up_to_five_minutes(failures: int, seconds: float) -> None:
    queue = WorkQueue(clock=Clock(), jitter=lambda: 1.0)
    delays = [queue.retry(A) for _ in range(failures + 1)]
    assert delays[-1] == seconds


def test_what_is_due_is_not_overdue_and_what_is_worked_on_does_not_wait() -> None:
    async def scenario() -> list[float]:
        clock = Clock()
        queue = WorkQueue(clock=clock)
        seen = [queue.overdue_seconds()]
        queue.add(A, 10)
        seen.append(queue.overdue_seconds())
        clock.now += 15
        seen.append(queue.overdue_seconds())
        await taken(queue)
        queue.add(A)
        clock.now += 60
        return [*seen, queue.overdue_seconds()]

    assert asyncio.run(scenario()) == [0.0, 0.0, 5.0, 0.0]


@pytest.mark.parametrize("steps", range(8))
def test_who_waits_for_work_can_be_stopped_while_work_comes(steps: int) -> None:
    """A stop that came in the same turn of the loop as a key was lost: the operator then never ended."""

    async def scenario() -> None:
        queue = WorkQueue()

        async def work() -> None:
            while True:
                queue.done(await queue.take())

        queue.add(B, 60)
        task = asyncio.create_task(work())
        await asyncio.sleep(0.01)
        queue.add(A)
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=2)
        assert done, "the stop was lost"

    asyncio.run(scenario())


def test_a_key_that_waits_is_taken_when_its_time_has_come_and_not_later() -> None:
    async def scenario() -> Key:
        queue = WorkQueue()
        queue.add(A, 0.02)
        return await asyncio.wait_for(queue.take(), 5)

    assert asyncio.run(scenario()) == A


@pytest.mark.parametrize(
    ("delays", "counted"),
    [
        pytest.param([10], 1, id="once"),
        pytest.param([10, 10], 1, id="the same time again is no news"),
        pytest.param([10, 30], 1, id="nor a later one"),
        pytest.param([10, 5], 2, id="an earlier one is"),
    ],
)
def test_looks_are_counted_by_what_they_change(delays: list[float], counted: int) -> None:
    queue = WorkQueue(clock=Clock())
    for delay in delays:
        queue.add(A, delay)
    assert queue.added == {"change": counted, "clock": 0, "failure": 0}
    assert len(queue) == 1
