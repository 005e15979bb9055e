"""Keys that threads post reach the queue through the event loop, many at once by one wake."""

from __future__ import annotations

import asyncio

from vlm_operator.controller.mailbox import Mailbox
from vlm_operator.controller.queue import Key, WorkQueue

A, B = Key("default", "a"), Key("default", "b")


class Queue(WorkQueue):
    """Remembers what was added."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[Key, float]] = []

    def add(self, key: Key, delay: float = 0.0) -> None:
        self.seen.append((key, delay))


class Loop:
    """An event loop that runs nothing by itself."""

    def __init__(self, *, closed: bool = False) -> None:
        self.calls: list[object] = []
        self.closed = closed

    def is_closed(self) -> bool:
        return self.closed

    def call_soon_threadsafe(self, call: object) -> None:
        self.calls.append(call)

    def turn(self) -> None:
        calls, self.calls = self.calls, []
        for call in calls:
            call()  # type: ignore[operator]


def boxed(*, closed: bool = False) -> tuple[Mailbox, Loop, Queue]:
    loop, queue = Loop(closed=closed), Queue()
    return Mailbox(loop, queue), loop, queue  # type: ignore[arg-type]


def test_keys_that_come_before_the_loop_turns_are_delivered_by_one_wake() -> None:
    box, loop, queue = boxed()
    box.post([A])
    box.post([B, A])
    assert (len(loop.calls), queue.seen) == (1, [])
    loop.turn()
    assert queue.seen == [(A, 0.0), (B, 0.0)]


def test_the_earliest_time_that_was_said_counts() -> None:
    box, loop, queue = boxed()
    for delay in (5.0, 2.0, 9.0):
        box.post([A], delay)
    loop.turn()
    assert queue.seen == [(A, 2.0)]


def test_after_a_delivery_the_loop_is_woken_again() -> None:
    box, loop, queue = boxed()
    for _ in range(2):
        box.post([A])
        loop.turn()
    assert queue.seen == [(A, 0.0)] * 2


def test_nothing_posted_wakes_nobody() -> None:
    box, loop, _ = boxed()
    box.post([])
    assert loop.calls == []
    box.post([A])
    assert len(loop.calls) == 1


def test_a_loop_that_has_ended_is_left_alone() -> None:
    box, loop, _ = boxed(closed=True)
    box.post([A])
    assert loop.calls == []


def test_a_real_loop_takes_them_from_a_thread() -> None:
    async def scenario() -> list[tuple[Key, float]]:
        queue = Queue()
        box = Mailbox(asyncio.get_running_loop(), queue)
        await asyncio.to_thread(box.post, [A], 1.5)
        await asyncio.sleep(0)
        return queue.seen

    assert asyncio.run(scenario()) == [(A, 1.5)]
