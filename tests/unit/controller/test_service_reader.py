"""Logs of servers that serve: read once in a while, bounded, from where they were read up to."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from api_server import FakeApiServer, serving

from vlm_operator.controller.queue import Key
from vlm_operator.controller.service_reader import CHUNK_BYTES, ServiceReader
from vlm_operator.lifecycle.situation import ContainerState, ContainerStatus, Pod, Situation, StartupKey, Target

KEY = Key("default", "model")
LOG = "/api/v1/namespaces/default/pods/model-1/log"
RUN = StartupKey("pod-1", "vllm", 0)
LINES = "2026-12-01T10:00:00.000000001Z one\n2026-12-01T10:00:00.000000002Z two\n"
UNTIL = "2026-12-01T10:00:00.000000002Z"
RUNNING = ContainerStatus("vllm", True, True, 0, ContainerState("running"))


def situation(*, counted: dict[str, str] | None = None, status: ContainerStatus = RUNNING, **pod: Any) -> Situation:
    found: dict[str, Any] = {"plan": {"fingerprint": "f"}}
    if counted is not None:
        found["requests"] = {"fingerprint": "f", "since": "", "readUntil": counted}
    fields: dict[str, Any] = {"annotations": {"vlm-operator.dev/fingerprint": "f"}, "containers": (status,), **pod}
    one = Pod("model-1", "pod-1", "2026-12-01T09:00:00Z", "Running", (), "image", **fields)
    target = Target("default", "model", "u", 1, "1", {}, found)
    return Situation(target, datetime(2026, 12, 1, 11, tzinfo=UTC), pods=(one,))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def looks(server: FakeApiServer, *given: Situation, seconds: float = 60.0) -> list[Situation]:
    """One look after another, each settled."""
    clock, found = Clock(), []
    with serving(server) as client:
        reader = ServiceReader(client, clock=clock)
        for each in given:
            found.append(reader.read(KEY, each))
            reader.settled(KEY, found[-1])
            clock.now += seconds
    return found


def test_the_first_look_reads_from_the_beginning_within_a_bound() -> None:
    server = FakeApiServer(texts={LOG: [LINES]})
    (found,) = looks(server, situation())
    assert [(log.key, log.lines, log.until) for log in found.service_logs] == [(RUN, ("one", "two"), UNTIL)]
    assert server.requests[0].query == {"container": "vllm", "timestamps": "true", "limitBytes": str(CHUNK_BYTES)}


def test_it_goes_on_where_the_status_says_after_a_restart_of_the_operator() -> None:
    server = FakeApiServer(texts={LOG: [LINES]})
    (found,) = looks(server, situation(counted={"pod-1/vllm/0": "2026-12-01T10:00:00.000000001Z"}))
    assert server.requests[0].query["sinceTime"] == "2026-12-01T10:00:00.000000001Z"
    assert found.service_logs[0].lines == ("two",)


def test_what_changed_no_count_is_remembered_without_a_write() -> None:
    server = FakeApiServer(texts={LOG: [LINES, LINES]})
    first, second = looks(server, situation(counted={}), situation(counted={}))
    assert (len(first.service_logs[0].lines or ()), second.service_logs[0].lines) == (2, ())


def test_what_was_not_written_is_read_again() -> None:
    server, clock = FakeApiServer(texts={LOG: [LINES, LINES]}), Clock()
    with serving(server) as client:
        reader = ServiceReader(client, clock=clock)
        reader.read(KEY, situation(counted={}))
        reader.unsettled(KEY)
        again = reader.read(KEY, situation(counted={}))
    assert again.service_logs[0].lines == ("one", "two")


def test_between_two_looks_a_minute_passes() -> None:
    server = FakeApiServer(texts={LOG: [LINES]})
    looks(server, situation(), situation(), seconds=30)
    assert len(server.requests) == 1


def test_the_rest_of_the_run_before_is_read_too() -> None:
    ended = ContainerState("terminated", exit_code=0)
    status = replace(RUNNING, restart_count=1, last_state=ended)
    server = FakeApiServer(texts={LOG: [LINES, LINES]})
    (found,) = looks(server, situation(counted={"pod-1/vllm/0": "2026-12-01T10:00:00.000000001Z"}, status=status))
    assert [request.query.get("previous") for request in server.requests] == ["true", None]
    assert [(log.key.run, log.lines) for log in found.service_logs] == [(0, ("two",)), (1, ("one", "two"))]


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"status": replace(RUNNING, ready=False)}, id="not ready"),
        pytest.param({"deleting": True}, id="being deleted"),
        pytest.param({"annotations": {"vlm-operator.dev/fingerprint": "other"}}, id="another command"),
    ],
)
def test_only_pods_of_the_command_in_force_that_serve_are_read(other: dict[str, Any]) -> None:
    server = FakeApiServer(texts={LOG: [LINES]})
    looks(server, situation(**other))
    assert server.requests == []


def test_a_log_that_cannot_be_read_stops_nothing() -> None:
    server = FakeApiServer(failures=[(500, {"message": "no"}, {})])
    (found,) = looks(server, situation())
    assert [(log.lines, log.until) for log in found.service_logs] == [(None, None)]
