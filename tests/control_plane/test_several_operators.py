"""Two operators at once, operators in named namespaces, an operator behind a network that answers wrongly."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import OPERATOR
from test_life_of_a_vlmdeployment import ready
from vlmdeployments import condition, engine, vlmd

from kit.control_plane import Cluster, FaultProxy, OperatorProcess

pytestmark = pytest.mark.control_plane

FAILOVER_SECONDS = 15
LEASE = ("--lease-namespace=vlm-system", "--lease-name=vlm-operator")


@pytest.fixture
def alone(running_operator: OperatorProcess) -> Iterator[OperatorProcess]:
    """The suite's operator, stopped for this test; the next that wants it starts it again."""
    running_operator.stop()
    yield running_operator
    if not running_operator.running:
        running_operator.start()


def another(cluster: Cluster, like: OperatorProcess, name: str, *flags: str) -> OperatorProcess:
    return OperatorProcess(like.kubeconfig, cluster.folder / f"{name}.log", *flags, environment={"POD_NAME": name})


@pytest.fixture
def pair(cluster: Cluster, alone: OperatorProcess) -> Iterator[dict[str, OperatorProcess]]:
    """Two operators as two replicas of the chart run."""
    both = {name: another(cluster, alone, name, *LEASE) for name in ("first", "second")}
    for process in both.values():
        process.start()
    yield both
    for process in both.values():
        process.stop()


def leader(cluster: Cluster, pair: dict[str, OperatorProcess]) -> str:
    def holder() -> str | None:
        lease = cluster.get("lease", "vlm-operator", "vlm-system")
        name = str(lease["spec"].get("holderIdentity", "")).partition("_")[0]
        return name if name in pair and pair[name].running else None

    return str(cluster.wait("a leader", holder, 30))


def events(cluster: Cluster, namespace: str) -> list[dict[str, Any]]:
    found = cluster.get("events.events.k8s.io", None, namespace)["items"]
    return [event for event in found if event["regarding"]["kind"] == "VLMDeployment"]


def deployed(cluster: Cluster, namespace: str, name: str, seconds: float) -> None:
    cluster.wait(f"a Deployment {name}", lambda: cluster.get("deployment", name, namespace), seconds)


def test_one_of_two_writes(cluster: Cluster, pair: dict[str, OperatorProcess], namespace: str) -> None:
    assert [process.get("/readyz")[0] for process in pair.values()] == [200, 200]
    mark = cluster.audit.mark()
    cluster.apply(*(vlmd(f"model-{number}", namespace) for number in range(5)))
    for number in range(5):
        ready(cluster, namespace, f"model-{number}")
    time.sleep(2)
    writes = Counter((write.resource, write.name) for write in cluster.audit.since(mark, user=OPERATOR))
    assert [(what, times) for what, times in writes.items() if what[0] == "deployments" and times > 1] == []
    told = events(cluster, namespace)
    assert {event["reportingInstance"] for event in told} == {leader(cluster, pair)}
    assert [times for times in Counter((e["regarding"]["name"], e["reason"]) for e in told).values() if times > 1] == []


@pytest.mark.parametrize(("how", "seconds"), [("kill", FAILOVER_SECONDS), ("stop", 8)])
def test_when_the_leader_goes_the_other_takes_over(
    cluster: Cluster, pair: dict[str, OperatorProcess], namespace: str, how: str, seconds: float
) -> None:
    """After a kill the lease is waited for; an operator that is told to stop gives it back."""
    gone = leader(cluster, pair)
    getattr(pair[gone], how)()
    began = time.monotonic()
    cluster.apply(vlmd("model", namespace))
    deployed(cluster, namespace, "model", seconds + 10)
    assert time.monotonic() - began <= seconds
    (instance,) = {event["reportingInstance"] for event in events(cluster, namespace)}
    assert instance != gone


def test_a_leader_that_was_frozen_does_not_write_when_it_wakes(
    cluster: Cluster, pair: dict[str, OperatorProcess], namespace: str
) -> None:
    sleeper = leader(cluster, pair)
    with pair[sleeper].frozen():
        cluster.apply(vlmd("model", namespace))
        deployed(cluster, namespace, "model", FAILOVER_SECONDS + 10)
    ready(cluster, namespace, "model")
    time.sleep(3)
    assert {event["reportingInstance"] for event in events(cluster, namespace)} == {*pair} - {sleeper}
    assert cluster.get("deployment", "model", namespace)["metadata"]["generation"] == 1


def test_in_named_namespaces_it_works_with_the_rights_that_the_chart_grants_there(
    cluster: Cluster, alone: OperatorProcess, namespace: str
) -> None:
    """And nowhere else; it is ready within seconds, not after minutes of back-off."""
    kubeconfig = cluster.install_chart("vlm-named", f"--set=watchNamespaces={{{namespace}}}")
    process = OperatorProcess(kubeconfig, cluster.folder / "named.log", f"--namespaces={namespace}")
    cluster.apply(vlmd("before", namespace))
    began = time.monotonic()
    process.start()
    try:
        assert time.monotonic() - began < 20
        deployed(cluster, namespace, "before", 10)
        cluster.apply(vlmd("after", namespace))
        deployed(cluster, namespace, "after", 10)
        cluster.apply(vlmd("elsewhere", "default"))
        cluster.kubectl("delete", "deployment", "before", "-n", namespace)
        deployed(cluster, namespace, "before", 10)
        assert "elsewhere" not in str(cluster.get("deployment", None, "default"))
    finally:
        process.stop()
        cluster.kubectl("delete", "vlmd", "elsewhere", "-n", "default", "--ignore-not-found")


def test_without_the_right_to_list_it_is_alive_not_ready_and_says_which_is_missing(
    cluster: Cluster, alone: OperatorProcess, namespace: str
) -> None:
    kubeconfig = cluster.service_account_kubeconfig(namespace, "default")
    process = OperatorProcess(kubeconfig, cluster.folder / "rightless.log", f"--namespaces={namespace}")
    with pytest.raises(RuntimeError, match="did not get ready"):
        process.start(ready_within=8)
    assert "is forbidden" in process.log.read_text()


FAULTY_SECONDS = float(os.environ.get("FAULTY_SECONDS", "20"))
"""How long requests are answered wrongly; ``FAULTY_SECONDS=300`` for a long look."""


@pytest.mark.timeout(280 + FAULTY_SECONDS)
def test_behind_a_network_that_answers_every_fifth_request_wrongly_nothing_is_lost_or_doubled(
    cluster: Cluster, alone: OperatorProcess, namespace: str
) -> None:
    """409, 410, 429, 500, 503, resets, lost answers, hangs and garbage."""
    proxy = FaultProxy(alone.kubeconfig, seed=20261130)
    names = [f"model-{number}" for number in range(6)]
    with proxy.serving(cluster.folder) as kubeconfig:
        process = OperatorProcess(kubeconfig, cluster.folder / "faulty.log")
        process.start()
        try:
            proxy.rate = 0.2
            free = {key: value for key, value in engine().items() if key in {"image", "limitMMPerPrompt"}}
            for name in names:
                cluster.apply(vlmd(name, namespace, goal="SingleUser", engine=free))
                time.sleep(FAULTY_SECONDS / len(names))
            assert process.get("/healthz")[0] == 200
            proxy.rate = 0.0
            for name in names:
                ready(cluster, namespace, name, 90)
            assert process.running
        finally:
            process.stop()
    print(f"faults: {dict(proxy.made)}")
    assert len(proxy.made) >= 5, proxy.made
    for name in names:
        item = cluster.get("vlmd", name, namespace)
        commands = [attempt["fingerprint"] for attempt in item["status"]["attempts"]]
        assert len(commands) == len(set(commands)), "a command that had failed was tried again"
        assert condition(item, "Ready")["status"] == "True"
        deployment = cluster.get("deployment", name, namespace)
        assert deployment["metadata"]["generation"] == len(commands), "a change was applied twice"
    told = Counter((event["regarding"]["name"], event["reason"], event["note"]) for event in events(cluster, namespace))
    assert [event for event, times in told.items() if times > 1] == []
