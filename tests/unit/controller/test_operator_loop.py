"""The whole process in one loop with its real threads: a storm, a leader that changes, a task that dies."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from live_api_server import LiveApiServer, serving_live

from vlm_operator.controller import informer, main, work
from vlm_operator.controller.client import Client
from vlm_operator.controller.health import Health
from vlm_operator.controller.mailbox import Mailbox
from vlm_operator.controller.main import Options, run
from vlm_operator.controller.queue import Key, WorkQueue

DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
ROOT = "/apis/vlm-operator.dev/v1alpha1/namespaces/default/vlmdeployments"
SPEC = {
    "model": {"id": "Qwen/Qwen3-VL-8B-Instruct"},
    "goal": "Throughput",
    "replicas": 1,
    "retune": {"maxAttempts": 3},
    "cpu": {"kvCacheSpace": "8Gi"},
    "engine": {"image": "vllm/vllm-openai:v0.11.0"},
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[LiveApiServer]:
    """An API server that every client of the process is connected to."""
    made = LiveApiServer()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(informer, "FIRST_DELAY_SECONDS", 0.01)
    monkeypatch.setattr(informer, "SHORTEST_WATCH_SECONDS", 0.02)
    with serving_live(made) as client:
        monkeypatch.setattr(Client, "connect", classmethod(lambda cls, **_: Client(client._api)))
        yield made


@asynccontextmanager
async def operator(**changes: Any) -> AsyncIterator[asyncio.Task[None]]:
    values: dict[str, Any] = {
        "namespaces": (),
        "port": 0,
        "workers": 4,
        "resync_seconds": 300.0,
        "pod_template_policy": "Restricted",
        "lease_namespace": "",
        "lease_name": "vlm-operator",
    }
    task = asyncio.create_task(run(Options(**values | changes)))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "not in time"
        await asyncio.sleep(0.02)


def root(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "vlm-operator.dev/v1alpha1",
        "kind": "VLMDeployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": SPEC,
    }


def applied(server: LiveApiServer) -> list[str]:
    return [path for method, path in server.writes() if method == "PATCH" and path.startswith(DEPLOYMENTS)]


def test_a_storm_from_many_threads_kills_no_task_and_each_is_applied_once(server: LiveApiServer) -> None:
    names = [f"model-{number}" for number in range(40)]

    def storm(part: list[str]) -> None:
        for name in part:
            server.put(f"{ROOT}/{name}", root(name))
            server.put(f"{ROOT}/{name}", {"metadata": {"name": name, "annotations": {"touched": "yes"}}})

    async def scenario() -> None:
        async with operator() as task:
            threads = [threading.Thread(target=storm, args=(names[start::4],)) for start in range(4)]
            for thread in threads:
                thread.start()
            await until(lambda: len(set(applied(server))) == len(names))
            await asyncio.sleep(0.3)
            assert not task.done(), task.exception()

    asyncio.run(scenario())
    assert sorted(applied(server)) == sorted(f"{DEPLOYMENTS}/{name}" for name in names)


def test_started_again_with_nothing_to_do_it_writes_nothing_and_reads_only_listings(server: LiveApiServer) -> None:
    async def settle() -> None:
        async with operator():
            await until(lambda: len(applied(server)) == 5)
            await asyncio.sleep(0.5)

    async def again() -> None:
        async with operator():
            await asyncio.sleep(1.0)

    for number in range(5):
        server.put(f"{ROOT}/model-{number}", root(f"model-{number}"))
    asyncio.run(settle())
    server.requests.clear()
    asyncio.run(again())
    assert server.writes() == []
    assert {path.rsplit("/", 1)[-1] for _, path, _ in server.requests} == {
        "nodes",
        "startupobservations",
        "enginefacts",
        "gpufitreports",
        "gpunodes",
        "jobs",
        "configmaps",
        "deployments",
        "leaderworkersets",
        "persistentvolumeclaims",
        "resourceclaimtemplates",
        "resourceslices",
        "resourceclaims",
        "deviceclasses",
        "services",
        "pods",
        "vlmdeployments",
    }


def test_of_two_operators_one_writes_and_the_other_takes_over(
    server: LiveApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "RETRY_SECONDS", 0.05)

    async def scenario() -> None:
        async with operator(lease_namespace="vlm-system") as first:
            await until(lambda: [path for method, path in server.writes() if "leases" in path])
            async with operator(lease_namespace="vlm-system"):
                server.put(f"{ROOT}/one", root("one"))
                await until(lambda: len(applied(server)) == 1)
                await asyncio.sleep(0.3)
                assert len(applied(server)) == 1, "both wrote"
                first.cancel()
                await asyncio.gather(first, return_exceptions=True)
                began = time.monotonic()
                server.put(f"{ROOT}/two", root("two"))
                await until(lambda: len(applied(server)) == 2)
                assert time.monotonic() - began < 5, "a lease that is given back is not waited for"

    asyncio.run(scenario())


@pytest.mark.parametrize("name", ["beat", "resync", "lead", "dispatch"])
def test_a_task_that_dies_ends_the_process_with_its_error(
    server: LiveApiServer, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    async def dies(*_: object) -> None:
        raise RuntimeError("dictionary changed size during iteration")

    monkeypatch.setattr(work.Workers, name, dies)

    async def scenario() -> None:
        async with operator() as task:
            await asyncio.wait({task}, timeout=10)
            error = task.exception()
            assert isinstance(error, ExceptionGroup)
            assert error.subgroup(RuntimeError) is not None

    asyncio.run(scenario())


def test_such_an_end_is_logged_and_an_exit_code(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def ends(options: Options) -> None:
        raise ExceptionGroup("tasks", [RuntimeError("the cause")])

    monkeypatch.setattr(main, "run", ends)
    monkeypatch.setattr("vlm_operator.controller.log_format.set_up", lambda *_: None)
    with pytest.raises(SystemExit) as end:
        main.main.callback(namespaces="", log_format="json", log_level="info", **dict.fromkeys(_NUMBERS, 1))  # type: ignore[misc]
    assert end.value.code == 1
    assert "the cause" in caplog.text


_NUMBERS = ("port", "workers", "resync_seconds", "pod_template_policy", "lease_namespace", "lease_name")


def test_a_long_queue_is_no_reason_to_be_killed() -> None:
    """1,000 keys that have been waiting for ten minutes: the operator lives, and a metric tells."""
    now = [0.0]
    health = Health(lambda: now[0])
    queue = WorkQueue(clock=lambda: now[0])
    for number in range(1000):
        queue.add(Key("default", f"model-{number}"))
    now[0] = 600.0
    health.beat()
    assert queue.overdue_seconds() == 600
    assert health.problems() == []


def test_what_threads_post_reaches_the_queue_in_the_loop_and_the_earliest_time_wins() -> None:
    async def scenario() -> list[Key]:
        queue = WorkQueue()
        mailbox = Mailbox(asyncio.get_running_loop(), queue)

        def post(number: int) -> None:
            for repeat in range(50):
                mailbox.post([Key("default", str(number))], 60.0 if repeat else 0.0)

        threads = [threading.Thread(target=post, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        taken = [await asyncio.wait_for(queue.take(), 5) for _ in threads]
        for thread in threads:
            thread.join()
        return taken

    assert sorted(key.name for key in asyncio.run(scenario())) == [str(number) for number in range(8)]
