"""``kubectl scale`` and a HorizontalPodAutoscaler of the real controller manager, on a VLMDeployment."""

from __future__ import annotations

import json
from typing import Any

import pytest
from vlmdeployments import vlmd

from kit.control_plane import Cluster

pytestmark = pytest.mark.control_plane


def scale_of(cluster: Cluster, namespace: str) -> dict[str, Any]:
    path = f"/apis/vlm-operator.dev/v1alpha1/namespaces/{namespace}/vlmdeployments/model/scale"
    found: dict[str, Any] = json.loads(cluster.kubectl("get", "--raw", path))
    return found


def serving(cluster: Cluster, namespace: str, replicas: int) -> dict[str, Any]:
    def seen() -> dict[str, Any] | None:
        item = cluster.get("vlmd", "model", namespace)
        status = item.get("status") or {}
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", ()))
        current = status.get("observedGeneration") == item["metadata"]["generation"]
        return item if ready and current and status.get("replicas") == replicas else None

    found: dict[str, Any] = cluster.wait(f"{replicas} replicas serve", seen)
    return found


def servers(cluster: Cluster, namespace: str, selector: str) -> dict[str, tuple[str, int]]:
    """Pods that the selector selects: UID, and restarts of their containers."""
    items = cluster.get("pods", None, namespace, "-l", selector)["items"]
    return {
        item["metadata"]["name"]: (
            item["metadata"]["uid"],
            sum(each["restartCount"] for each in item["status"].get("containerStatuses", ())),
        )
        for item in items
    }


@pytest.mark.usefixtures("operator")
def test_kubectl_scale_adds_a_replica_and_neither_plans_anew_nor_restarts(cluster: Cluster, namespace: str) -> None:
    cluster.apply(vlmd("model", namespace, replicas=1))
    before = serving(cluster, namespace, 1)
    scale = scale_of(cluster, namespace)
    assert (scale["spec"]["replicas"], scale["status"]["replicas"]) == (1, 1)
    selector = scale["status"]["selector"]
    pods = servers(cluster, namespace, selector)
    assert len(pods) == 1

    cluster.kubectl("scale", "vlmd/model", "-n", namespace, "--replicas=2", "--current-replicas=1")
    after = serving(cluster, namespace, 2)
    assert after["status"]["plan"] == before["status"]["plan"]
    commands = [[each["fingerprint"] for each in item["status"]["attempts"]] for item in (before, after)]
    assert commands[0] == commands[1]
    now = servers(cluster, namespace, selector)
    assert len(now) == 2
    assert pods.items() <= now.items()
    assert after["metadata"]["generation"] == before["metadata"]["generation"] + 1

    cluster.kubectl("scale", "vlmd/model", "-n", namespace, "--replicas=0")
    cluster.wait("no replica is left", lambda: scale_of(cluster, namespace)["status"].get("replicas", 0) == 0)


@pytest.mark.usefixtures("operator")
def test_an_autoscaler_of_the_real_controller_manager_scales_it(cluster: Cluster, namespace: str) -> None:
    cluster.apply(vlmd("model", namespace, replicas=1))
    serving(cluster, namespace, 1)
    metric = {"type": "Pods", "pods": {"metric": {"name": "waiting"}, "target": {"type": "AverageValue"}}}
    metric["pods"]["target"]["averageValue"] = "5"  # type: ignore[index]
    target = {"apiVersion": "vlm-operator.dev/v1alpha1", "kind": "VLMDeployment", "name": "model"}
    cluster.apply(
        {
            "apiVersion": "autoscaling/v2",
            "kind": "HorizontalPodAutoscaler",
            "metadata": {"name": "model", "namespace": namespace},
            "spec": {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 3, "metrics": [metric]},
        }
    )
    item = serving(cluster, namespace, 2)
    assert item["spec"]["replicas"] == 2

    def able() -> bool:
        status = cluster.get("hpa", "model", namespace).get("status") or {}
        states = {each["type"]: each["status"] for each in status.get("conditions", ())}
        return states.get("AbleToScale") == "True" and status.get("currentReplicas") == 2

    cluster.wait("the autoscaler reads its scale", able)
