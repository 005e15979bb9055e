"""Requests that a serving model refuses end in counts and in the context that would serve them, each counted once."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from vlmdeployments import condition, engine, vlmd

from kit.control_plane import Cluster, OperatorProcess

pytestmark = pytest.mark.control_plane

TOO_LONG = (
    "(APIServer pid=1) ERROR 12-01 10:00:00 [serving.py:1] ValueError: The decoder prompt (length {}) is longer than "
    "the maximum model length of 4096. Make sure"
)


def prints(cluster: Cluster, namespace: str, *lines: str) -> None:
    """The serving pod prints these lines."""
    (pod,) = cluster.get("pod", None, namespace)["items"]
    stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f000Z")
    with (cluster.folder / "pods" / pod["metadata"]["uid"] / "current.log").open("a") as log:
        log.writelines(f"{stamp} stdout F {line}\n" for line in lines)


def test_refused_requests_are_counted_once_over_a_restart_of_the_operator(
    cluster: Cluster, operator: OperatorProcess, namespace: str
) -> None:
    cluster.apply(vlmd("model", namespace, engine=engine(contextLength=4096)))
    cluster.kubectl("wait", "--for=condition=Ready", "vlmd/model", "-n", namespace, "--timeout=60s")

    def requests() -> dict[str, Any]:
        return dict(cluster.get("vlmd", "model", namespace)["status"].get("requests") or {})

    cluster.wait("the log was read", requests, 90)
    assert condition(cluster.get("vlmd", "model", namespace), "ContextSufficient")["status"] == "True"
    prints(cluster, namespace, *[TOO_LONG.format(6000)] * 19, TOO_LONG.format(100_000))
    time.sleep(2.5)  # what has just been printed waits for the rest of its traceback
    operator.kill()
    operator.start()  # reads at once, from where the status says
    cluster.wait("counted", lambda: requests().get("refusedTooLong") == 20, 30)
    said = condition(cluster.get("vlmd", "model", namespace), "ContextSufficient")
    assert (said["status"], said["reason"]) == ("False", "ContextTooShort")
    assert "fits the same GPUs: set engine.contextLength to 6016" in said["message"]
    assert requests()["longestRefused"] == 100_001

    version = cluster.get("vlmd", "model", namespace)["metadata"]["resourceVersion"]
    operator.kill()
    operator.start()
    time.sleep(6)  # it has read the log again
    after = cluster.get("vlmd", "model", namespace)
    assert after["status"]["requests"]["refusedTooLong"] == 20
    assert after["metadata"]["resourceVersion"] == version, "what changed nothing was not written"
    events = cluster.get("event", None, namespace)["items"]
    assert sum(event["reason"] == "RequestsRefused" for event in events) == 1
