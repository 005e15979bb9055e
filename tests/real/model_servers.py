"""VLMDeployments of the checkpoints that the real node serves, and what is asked about them."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from kit.control_plane import Cluster
from kit.real_node.checkpoints import TEXT
from kit.real_node.images import VLLM

START_SECONDS = 420
"""How long a start-up may take: 40 s on two quiet cores, several times that on busy ones."""

PATIENT_PROBE = {"periodSeconds": 2, "failureThreshold": START_SECONDS // 2}


def vlmd(name: str, namespace: str, **changes: Any) -> dict[str, Any]:
    """A VLMDeployment on the CPU backend that serves, but for what is changed; a change to None removes the field."""
    spec = {
        "model": {"id": TEXT},
        "cpu": {"kvCacheSpace": "1Gi"},
        "engine": engine(),
        "podTemplate": container(),
        **changes,
    }
    metadata = {"name": name, "namespace": namespace}
    spec = {field: value for field, value in spec.items() if value is not None}
    return {"apiVersion": "vlm-operator.dev/v1alpha1", "kind": "VLMDeployment", "metadata": metadata, "spec": spec}


def engine(**changes: Any) -> dict[str, Any]:
    """An engine without compilation, whose image is on the node."""
    return {"image": VLLM.name, "enforceEager": True, **changes}


def container(**fields: Any) -> dict[str, Any]:
    """A pod template that changes the server's container; by itself, how often it is asked whether it has started."""
    return {"spec": {"containers": [{"name": "vllm", "startupProbe": PATIENT_PROBE, **fields}]}}


def condition(item: dict[str, Any], kind: str) -> dict[str, Any]:
    """A condition of a VLMDeployment; empty while it is not there."""
    conditions = (item.get("status") or {}).get("conditions") or ()
    return next((found for found in conditions if found["type"] == kind), {})


def outcomes(item: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Outcome and reason of each command that was tried."""
    return [(attempt["outcome"], attempt.get("reason")) for attempt in (item.get("status") or {}).get("attempts", ())]


def pods(cluster: Cluster, namespace: str, name: str) -> list[dict[str, Any]]:
    """The pods of a VLMDeployment."""
    label = f"--selector=vlm-operator.dev/vlmdeployment={name}"
    found: list[dict[str, Any]] = cluster.get("pod", None, namespace, label)["items"]
    return found


def settled(cluster: Cluster, namespace: str, name: str, seconds: float = START_SECONDS) -> dict[str, Any]:
    """The VLMDeployment once it is Ready or Stalled for its newest spec."""

    def found() -> dict[str, Any] | None:
        item = cluster.get("vlmd", name, namespace)
        newest = (item.get("status") or {}).get("observedGeneration") == item["metadata"]["generation"]
        done = any(condition(item, kind).get("status") == "True" for kind in ("Ready", "Stalled"))
        return item if newest and done else None

    item: dict[str, Any] = until(cluster, namespace, name, "it is Ready or Stalled", found, seconds)
    return item


def until(
    cluster: Cluster, namespace: str, name: str, what: str, ready: Callable[[], Any], seconds: float = START_SECONDS
) -> Any:
    """What ``ready`` answers once it is true; where it does not become true, the whole story of the VLMDeployment."""
    try:
        return cluster.wait(f"{name}: {what}", ready, seconds)
    except TimeoutError as error:
        pytest.fail(f"{error}\n{story(cluster, namespace, name)}")


def ready(cluster: Cluster, namespace: str, name: str, seconds: float = START_SECONDS) -> dict[str, Any]:
    """The VLMDeployment once it serves."""
    item = settled(cluster, namespace, name, seconds)
    if condition(item, "Ready").get("status") != "True":
        pytest.fail(f"{name} stopped\n{story(cluster, namespace, name)}")
    return item


def stalled(cluster: Cluster, namespace: str, name: str, seconds: float = START_SECONDS) -> dict[str, Any]:
    """The VLMDeployment once it stopped."""
    item = settled(cluster, namespace, name, seconds)
    if condition(item, "Stalled").get("status") != "True":
        pytest.fail(f"{name} serves\n{story(cluster, namespace, name)}")
    return item


def story(cluster: Cluster, namespace: str, name: str) -> str:
    """Everything that a user would look at: status, pods, events, the end of the server's log."""
    status = cluster.get("vlmd", name, namespace).get("status", {})
    told = [status.get("conditions"), status.get("attempts")]
    parts = [yaml.safe_dump(told, width=200), cluster.kubectl("get", "pods", "-n", namespace, "-o", "wide")]
    parts.append(cluster.kubectl("get", "events", "-n", namespace, "--sort-by=.metadata.creationTimestamp"))
    for pod in pods(cluster, namespace, name):
        parts.append(yaml.safe_dump(pod["status"].get("containerStatuses")))
        parts.append(log(cluster, namespace, pod["metadata"]["name"])[-3000:])
    return "\n".join(parts)


def log(cluster: Cluster, namespace: str, pod: str) -> str:
    """What the server of a pod printed; empty where there is nothing to read."""
    try:
        return cluster.kubectl("logs", pod, "-n", namespace, "-c", "vllm")
    except RuntimeError:
        return ""


def address(cluster: Cluster, namespace: str, name: str) -> str:
    """Where the Service of a VLMDeployment leads: the one ready endpoint."""
    slices = cluster.get("endpointslices", None, namespace, f"--selector=kubernetes.io/service-name={name}")["items"]
    found = [
        f"{place}:{port['port']}"
        for slice_ in slices
        for endpoint in slice_.get("endpoints") or ()
        if endpoint["conditions"].get("ready")
        for place in endpoint["addresses"]
        for port in slice_["ports"]
    ]
    assert len(found) == 1, slices
    return found[0]


def ask(where: str, path: str, **body: Any) -> dict[str, Any]:
    """POST to a server."""
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"http://{where}{path}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=300) as answer:
        found: dict[str, Any] = json.load(answer)
    return found
