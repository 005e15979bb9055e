"""Faults of the cluster below the operator: etcd, the CRD, a namespace, a pod, a node go in the middle of work."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

import pytest
from conftest import OPERATOR
from test_life_of_a_vlmdeployment import ready
from vlmdeployments import condition, vlmd

from kit.control_plane import Cluster, OperatorProcess, SimulatedGpuNode

pytestmark = pytest.mark.control_plane

A40 = SimulatedGpuNode("simulated-a40", "NVIDIA-A40", 46068, (8, 6))


@pytest.fixture(autouse=True)
def _alive_and_without_a_defect(operator: OperatorProcess) -> Iterator[None]:
    """Whatever happens: the same process, healthy, and nothing that it calls a defect of its own."""
    pid, size = operator.pid, operator.log.stat().st_size
    yield
    assert operator.pid == pid
    assert operator.running
    assert operator.get("/healthz")[0] == 200
    with operator.log.open("rb") as log:
        log.seek(size)
        assert b"a defect of the operator" not in log.read()


def test_etcd_is_killed_and_work_goes_on(cluster: Cluster, namespace: str) -> None:
    cluster.apply(vlmd("before", namespace))
    ready(cluster, namespace, "before")
    cluster.restart_etcd()
    cluster.apply(vlmd("after", namespace))
    ready(cluster, namespace, "after", 90)
    cluster.kubectl("delete", "deployment", "before", "-n", namespace)
    cluster.wait("a Deployment again", lambda: cluster.get("deployment", "before", namespace), 30)


def test_the_crd_is_removed_and_comes_back(cluster: Cluster, namespace: str) -> None:
    """With it every VLMDeployment goes, and their servers; a new one is served as if nothing had been."""
    cluster.apply(vlmd("before", namespace))
    ready(cluster, namespace, "before")
    crd = cluster.get("crd", "vlmdeployments.vlm-operator.dev")
    cluster.kubectl("delete", "crd", "vlmdeployments.vlm-operator.dev")
    cluster.wait("servers go with their owners", lambda: not cluster.get("deployment", None, namespace)["items"], 60)
    metadata = {key: crd["metadata"].get(key) for key in ("name", "annotations", "labels")}
    cluster.kubectl("create", "-f", "-", text=json.dumps({**crd, "metadata": metadata, "status": None}))
    cluster.kubectl("wait", "--for=condition=Established", "crd/vlmdeployments.vlm-operator.dev")
    cluster.wait("the kind can be written", lambda: cluster.apply(vlmd("after", namespace)) or True, 30)
    ready(cluster, namespace, "after", 60)


def test_a_namespace_is_deleted_in_the_middle(cluster: Cluster, namespace: str) -> None:
    """What cannot be written there any more is not tried for ever, and others do not wait for it."""
    doomed = f"{namespace}-doomed"
    cluster.kubectl("create", "namespace", doomed)
    cluster.apply(*(vlmd(f"model-{number}", doomed) for number in range(8)))
    time.sleep(0.5)
    cluster.kubectl("delete", "namespace", doomed, "--wait=false")
    cluster.apply(vlmd("other", namespace))
    ready(cluster, namespace, "other", 60)
    cluster.kubectl("delete", "pod", "--all", "-n", doomed, "--grace-period=0", "--force", "--wait=false")
    cluster.wait("the namespace is gone", lambda: doomed not in cluster.kubectl("get", "namespaces"), 90)
    time.sleep(3)
    mark = cluster.audit.mark()
    time.sleep(5)
    assert [write for write in cluster.audit.since(mark, user=OPERATOR) if write.namespace == doomed] == []


def test_a_pod_that_is_evicted_is_followed_by_another_and_counts_against_nobody(
    cluster: Cluster, namespace: str
) -> None:
    cluster.apply(vlmd("model", namespace))
    before = ready(cluster, namespace, "model")["status"]["attempts"]
    (pod,) = cluster.get("pods", None, namespace)["items"]
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod["metadata"]["name"], "namespace": namespace},
    }
    path = f"/api/v1/namespaces/{namespace}/pods/{pod['metadata']['name']}/eviction"
    cluster.kubectl("create", "--raw", path, "-f", "-", text=json.dumps(eviction))

    def another() -> bool:
        pods = cluster.get("pods", None, namespace)["items"]
        return bool(pods) and all(item["metadata"]["uid"] != pod["metadata"]["uid"] for item in pods)

    cluster.wait("another pod", another, 90)
    attempts = ready(cluster, namespace, "model", 60)["status"]["attempts"]
    assert [attempt["fingerprint"] for attempt in attempts] == [attempt["fingerprint"] for attempt in before]
    assert [attempt["outcome"] for attempt in attempts] == ["Started"]


def test_a_node_goes_with_its_server_and_comes_back(cluster: Cluster, namespace: str) -> None:
    cluster.add_nodes([A40])
    try:
        cluster.apply(vlmd("model", namespace, gpu={"product": A40.product}))

        def planned(status: str) -> bool:
            return bool(condition(cluster.get("vlmd", "model", namespace), "Planned").get("status") == status)

        cluster.wait("a plan", lambda: planned("True"), 20)
        cluster.kubectl("delete", "node", A40.name)
        cluster.wait("no plan without the GPU", lambda: planned("False"), 20)
        cluster.add_nodes([A40])
        cluster.wait("a plan again", lambda: planned("True"), 20)
        assert cluster.get("deployment", "model", namespace)["metadata"]["generation"] <= 3
    finally:
        cluster.kubectl("delete", "node", A40.name, "--ignore-not-found")
