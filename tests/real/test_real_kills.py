"""Operator, kubelet and containerd killed with -9 in the middle of a failing start: the end is the same."""

from __future__ import annotations

from typing import Any

import pytest
from model_servers import outcomes, pods, ready, story, vlmd
from test_real_retuning import REQUEST, TWO_DECLARED

from kit.control_plane import Cluster, OperatorProcess
from kit.real_node.images import VLLM
from kit.real_node.node import RealNode

pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]


def bystander(namespace: str) -> dict[str, Any]:
    """A pod that is nobody's business."""
    container = {"name": "sleeps", "image": VLLM.name, "command": ["/usr/bin/sleep", "infinity"]}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "bystander", "namespace": namespace}, "spec": spec}


def runs(pod: dict[str, Any]) -> tuple[str, int]:
    """Container and restart of a pod's only container."""
    (status,) = pod["status"]["containerStatuses"]
    return status["containerID"], status["restartCount"]


def test_one_retune_and_no_other_pod_restarted(
    cluster: Cluster, namespace: str, node: RealNode, operator: OperatorProcess
) -> None:
    cluster.apply(bystander(namespace))
    cluster.kubectl("wait", "pod/bystander", "-n", namespace, "--for=condition=Ready", "--timeout=60s")
    before = runs(cluster.get("pod", "bystander", namespace))
    cluster.apply(
        vlmd("model", namespace, **TWO_DECLARED, workload=REQUEST),
    )

    def starting() -> bool:
        statuses = [
            status for pod in pods(cluster, namespace, "model") for status in pod["status"].get("containerStatuses", ())
        ]
        return any("running" in status["state"] for status in statuses)

    cluster.wait("the server's container runs", starting)
    operator.kill()
    node.kubelet.kill()
    node.containerd.kill()
    node.start_again()
    operator.start()
    item = ready(cluster, namespace, "model")
    assert outcomes(item) == [("Failed", "KVCacheTooSmall"), ("Started", None)], story(cluster, namespace, "model")
    assert runs(cluster.get("pod", "bystander", namespace)) == before
    commands = [entry["metadata"]["name"] for entry in cluster.get("replicaset", None, namespace)["items"]]
    assert len(commands) == 2, "one ReplicaSet for each command that was tried"
