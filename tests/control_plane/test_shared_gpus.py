"""Several VLMDeployments on one GPU: the sum in their plans, one start at a time, the same card for all pods."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from vlmdeployments import condition

from claim_world import gpu_device, resource_slice
from kit.control_plane import H100_PAIR, Cluster, OperatorProcess

pytestmark = pytest.mark.control_plane

NODE = "simulated-shared-h100"
LARGE, MIDDLE = "Qwen/Qwen3-VL-8B-Instruct", "Qwen/Qwen2.5-VL-7B-Instruct"
SLICED = {
    "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3-SHARED",
    "nvidia.com/gpu.count": "1",
    "nvidia.com/gpu.replicas": "4",
    "nvidia.com/gpu.sharing-strategy": "time-slicing",
}


@pytest.fixture
def sliced_gpu(cluster: Cluster, operator: OperatorProcess) -> Iterator[None]:
    """A node whose only GPU, an H100 of 80 GiB, is handed to four pods by time slicing."""
    assert operator.running
    cluster.add_nodes([replace(H100_PAIR, name=NODE, count=4, labels=SLICED)])
    yield
    cluster.kubectl("delete", "node", NODE)


def vlmd(name: str, namespace: str, model: str, context: int = 16384, **gpu: Any) -> dict[str, Any]:
    spec = {
        "model": {"id": model},
        "gpu": {"share": {"group": "desk"}, **gpu},
        "engine": {"contextLength": context, "kvCacheDtype": "auto", "limitMMPerPrompt": {"image": 2, "video": 0}},
    }
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "vlm-operator.dev/v1alpha1", "kind": "VLMDeployment", "metadata": metadata, "spec": spec}


def live(cluster: Cluster, namespace: str, name: str) -> dict[str, Any]:
    return dict(cluster.get("vlmd", name, namespace))


def pods(cluster: Cluster, namespace: str, name: str) -> list[dict[str, Any]]:
    found = cluster.get("pods", None, namespace)["items"]
    return [each for each in found if each["metadata"]["labels"]["vlm-operator.dev/vlmdeployment"] == name]


def since(item: dict[str, Any], kind: str) -> str:
    return str(next(each["lastTransitionTime"] for each in item["status"]["conditions"] if each["type"] == kind))


@pytest.mark.usefixtures("sliced_gpu")
def test_two_members_of_an_80_gib_card_start_one_after_the_other(cluster: Cluster, namespace: str) -> None:
    cluster.apply(vlmd("chat", namespace, LARGE), vlmd("ocr", namespace, MIDDLE))
    found = {
        name: cluster.wait(
            f"{name} serves",
            lambda name=name: (
                condition(item := live(cluster, namespace, name), "Ready").get("status") == "True" and item
            ),
        )
        for name in ("chat", "ocr")
    }
    shares = {name: item["status"]["plan"]["share"] for name, item in found.items()}
    taken = {name: share["takesBytes"] for name, share in shares.items()}
    assert max(share["sumBytes"] for share in shares.values()) == sum(taken.values()) < shares["chat"]["availableBytes"]
    assert any(
        "GiB chat + " in item["status"]["plan"]["message"] or "GiB ocr + " in item["status"]["plan"]["message"]
        for item in found.values()
    )
    (first_pod,), (second_pod,) = (pods(cluster, namespace, name) for name in ("chat", "ocr"))
    first, second = sorted((first_pod, second_pod), key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
    served = live(cluster, namespace, first["metadata"]["labels"]["vlm-operator.dev/vlmdeployment"])
    assert second["metadata"]["creationTimestamp"] >= since(served, "Available")
    assert {pod["spec"]["nodeName"] for pod in (first, second)} == {NODE}


@pytest.mark.usefixtures("sliced_gpu")
def test_who_comes_too_late_is_refused_with_the_sum_until_another_goes(cluster: Cluster, namespace: str) -> None:
    cluster.apply(vlmd("chat", namespace, LARGE, 131072))
    cluster.wait(
        "chat is planned", lambda: condition(live(cluster, namespace, "chat"), "Planned").get("status") == "True"
    )
    cluster.apply(vlmd("late", namespace, LARGE, 262144))
    refused = cluster.wait("a refusal", lambda: condition(live(cluster, namespace, "late"), "Planned"))
    assert (refused["status"], refused["reason"]) == ("False", "GPUShareTooSmall")
    assert "GiB chat + " in refused["message"]
    assert "is missing" in refused["message"]
    assert not pods(cluster, namespace, "late")
    cluster.kubectl("delete", "vlmd", "chat", "-n", namespace)
    cluster.wait(
        "late is planned", lambda: condition(live(cluster, namespace, "late"), "Planned").get("status") == "True"
    )


@pytest.mark.usefixtures("operator")
def test_replicas_of_several_gpus_are_refused_by_name(cluster: Cluster, namespace: str) -> None:
    labels = SLICED | {"nvidia.com/gpu.count": "2"}
    cluster.add_nodes([replace(H100_PAIR, name=NODE, count=8, labels=labels)])
    try:
        cluster.apply(vlmd("chat", namespace, LARGE, product=SLICED["nvidia.com/gpu.product"]))
        refused = cluster.wait("a refusal", lambda: condition(live(cluster, namespace, "chat"), "Planned"))
        assert (refused["status"], refused["reason"]) == ("False", "GPUShareImpossible")
        assert f"{NODE}: it has 2 GPUs" in refused["message"]
    finally:
        cluster.kubectl("delete", "node", NODE)


@pytest.fixture
def claimed_gpu(cluster: Cluster, operator: OperatorProcess) -> Iterator[None]:
    """A node with two cards of 80 GiB that only claims can have."""
    assert operator.running
    name = f"{NODE}-claimed"
    size = {"cpu": "64", "memory": "256Gi", "pods": "500"}
    labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": "kwok"}
    metadata = {"name": name, "annotations": {"kwok.x-k8s.io/node": "fake"}, "labels": labels}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": {"allocatable": size, "capacity": size}}
    cluster.add_nodes([node])
    expression = "device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == 'gpu'"
    cluster.apply(
        {
            "apiVersion": "resource.k8s.io/v1",
            "kind": "DeviceClass",
            "metadata": {"name": "gpu.nvidia.com"},
            "spec": {"selectors": [{"cel": {"expression": expression}}]},
        },
        resource_slice(name, *(gpu_device(number, "NVIDIA H100 80GB HBM3", "81559Mi", "9.0.0") for number in (0, 1))),
    )
    yield
    cluster.kubectl("delete", "resourceslices", "--all")
    cluster.kubectl("delete", "node", name)


@pytest.mark.usefixtures("claimed_gpu")
def test_a_group_has_one_claim_and_the_scheduler_gives_both_pods_its_device(cluster: Cluster, namespace: str) -> None:
    cluster.apply(vlmd("chat", namespace, LARGE, claim={}), vlmd("ocr", namespace, MIDDLE, claim={}))

    def claim() -> dict[str, Any] | None:
        items = cluster.get("resourceclaims", None, namespace)["items"]
        assert len(items) <= 1
        return items[0] if items and len((items[0].get("status") or {}).get("reservedFor") or ()) == 2 else None

    # The simulated kubelet knows no claims: it plays no start-up, so the first pod is made ready by hand.
    first = cluster.wait("a pod", lambda: cluster.get("pods", None, namespace)["items"])[0]
    ready = [{"type": kind, "status": "True"} for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")]
    cluster.wait("it is bound", lambda: cluster.get("pods", None, namespace)["items"][0]["spec"].get("nodeName"))
    name = first["metadata"]["name"]
    state = {"name": "vllm", "image": "i", "imageID": "", "restartCount": 0, "ready": True, "started": True}
    state |= {"state": {"running": {}}}
    status = {"status": {"phase": "Running", "conditions": ready, "containerStatuses": [state]}}
    cluster.kubectl(
        "patch", "pod", name, "-n", namespace, "--subresource=status", "--type=merge", "-p", json.dumps(status)
    )
    found = cluster.wait("both pods on one claim", claim)
    (device,) = found["status"]["allocation"]["devices"]["results"]
    assert device["pool"] == f"{NODE}-claimed"
    owners = {each["name"] for each in found["metadata"]["ownerReferences"]}
    assert owners == {"chat", "ocr"}
    bound = [pod["spec"].get("nodeName") for pod in cluster.get("pods", None, namespace)["items"]]
    assert set(bound) == {f"{NODE}-claimed"}
    cluster.kubectl("delete", "vlmd", "chat", "-n", namespace)
    cluster.wait(
        "the claim is the other's alone",
        lambda: (
            [
                each["name"]
                for each in cluster.get("resourceclaims", None, namespace)["items"][0]["metadata"]["ownerReferences"]
            ]
            == ["ocr"]
        ),
    )
