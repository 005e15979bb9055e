"""How the process starts and ends: its options, its connections, and what is given back when it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from click.testing import CliRunner
from live_api_server import LiveApiServer, serving_live
from test_operator_loop import until

from vlm_operator.controller import health, informer, main, watches
from vlm_operator.controller.client import Client
from vlm_operator.controller.main import Options, run
from vlm_operator.errors import ClusterUnreachable

LEASE = "/apis/coordination.k8s.io/v1/namespaces/vlm-system/leases/the-lease"
DEFAULTS = Options((), 8080, 8, 300.0, "Restricted", "", "vlm-operator")


def started_with(monkeypatch: pytest.MonkeyPatch, *arguments: str, **environment: str) -> Options:
    """The options with which the operator runs."""
    seen: list[Options] = []

    async def record(options: Options) -> None:
        seen.append(options)

    monkeypatch.setattr(main, "run", record)
    monkeypatch.setattr("vlm_operator.controller.log_format.set_up", lambda *_: None)
    result = CliRunner().invoke(main.main, arguments, env=environment)
    assert result.exit_code == 0, result.output
    return seen[0]


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        pytest.param((), {}, DEFAULTS, id="defaults"),
        pytest.param(("--namespaces", "a, b,,"), {}, replace(DEFAULTS, namespaces=("a", "b")), id="namespaces"),
        pytest.param((), {"VLM_OPERATOR_WORKERS": "64"}, replace(DEFAULTS, workers=64), id="the environment"),
        pytest.param(("--workers", "1", "--resync-seconds", "1"), {},
                     replace(DEFAULTS, workers=1, resync_seconds=1.0), id="the fewest"),
        pytest.param(("--pod-template-policy", "Unrestricted", "--port", "9", "--lease-namespace", "n",
                      "--lease-name", "l"), {},
                     replace(DEFAULTS, pod_template_policy="Unrestricted", port=9, lease_namespace="n", lease_name="l"),
                     id="the rest"),
    ],
)  # fmt: skip
def test_options(
    monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], environment: dict[str, str], expected: Options
) -> None:
    assert started_with(monkeypatch, *arguments, **environment) == expected


@pytest.mark.parametrize("arguments", [("--workers", "0"), ("--workers", "65"), ("--resync-seconds", "0.9")], ids=str)
def test_options_out_of_bounds_are_refused(arguments: tuple[str, ...]) -> None:
    assert CliRunner().invoke(main.main, arguments).exit_code == 2


def test_without_a_cluster_the_exit_code_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unreachable(_: Options) -> None:
        raise ClusterUnreachable("no cluster", hint="name one")

    monkeypatch.setattr(main, "run", unreachable)
    monkeypatch.setattr("vlm_operator.controller.log_format.set_up", lambda *_: None)
    assert CliRunner().invoke(main.main, []).exit_code == 5


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[LiveApiServer, list[dict[str, Any]], list[Client]]]:
    """An API server, how each client was connected to it, and the clients."""
    made, asked, clients = LiveApiServer(), [], []
    monkeypatch.setattr(informer, "FIRST_DELAY_SECONDS", 0.01)
    monkeypatch.setattr(informer, "SHORTEST_WATCH_SECONDS", 0.02)
    with serving_live(made) as client:

        def connect(_: type[Client], **options: Any) -> Client:
            asked.append(options)
            clients.append(Client(client._api))
            return clients[-1]

        monkeypatch.setattr(Client, "connect", classmethod(connect))
        yield made, asked, clients


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=str)
def test_told_to_stop_it_gives_everything_back(
    server: tuple[LiveApiServer, list[dict[str, Any]], list[Client]],
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
) -> None:
    made, asked, clients = server
    stopped: list[str] = []
    whole_stop, whole_serve = watches.Watches.stop, health.serve

    def stop(self: watches.Watches) -> None:
        stopped.append("watches")
        whole_stop(self)

    def serve(*arguments: Any) -> Any:
        found = whole_serve(*arguments)
        down = found.shutdown

        def shutdown() -> None:
            holder = made.objects[LEASE]["spec"]["holderIdentity"]
            stopped.extend(["port", f"lease of {holder!r}", str(_reconciling())])
            down()

        found.shutdown = shutdown  # type: ignore[method-assign]
        return found

    monkeypatch.setattr(watches.Watches, "stop", stop)
    monkeypatch.setattr(health, "serve", serve)
    monkeypatch.setenv("POD_NAME", "operator-0")

    async def scenario() -> None:
        options = replace(DEFAULTS, port=0, workers=3, lease_namespace="vlm-system", lease_name="the-lease")
        task = asyncio.create_task(run(options))
        await until(lambda: LEASE in made.objects and made.objects[LEASE]["spec"]["holderIdentity"])
        assert made.objects[LEASE]["spec"]["holderIdentity"].startswith("operator-0_")
        await asyncio.sleep(0.1)
        assert clients[0].may_write()
        os.kill(os.getpid(), number)
        await asyncio.wait_for(task, 20)

    asyncio.run(scenario())
    assert stopped == ["watches", "port", "lease of ''", "[]"]
    assert asked == [{"connections": 19}, {"connections": 2}]
    assert [client.request_seconds for client in clients] == [30, 4]
    assert not clients[0].may_write(), "who gave the lease back writes no more"


def _reconciling() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("reconcile")]


def test_alone_it_leads_at_once_and_asks_for_no_lease(
    server: tuple[LiveApiServer, list[dict[str, Any]], list[Client]],
) -> None:
    made, asked, clients = server

    async def scenario() -> None:
        task = asyncio.create_task(run(replace(DEFAULTS, port=0)))
        await until(lambda: {path.rsplit("/", 1)[-1] for _, path, _ in made.requests} >= {"vlmdeployments", "pods"})
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(task, 20)

    asyncio.run(scenario())
    assert asked == [{"connections": 24}]
    assert clients[0].may_write()
    assert not [path for _, path, _ in made.requests if "leases" in path]
