"""GPUs that come by dynamic resource allocation alone: real slices, the real scheduler, no driver and no kubelet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from vlmdeployments import condition

from claim_world import gpu_device, resource_slice
from kit.control_plane import Cluster, OperatorProcess

pytestmark = pytest.mark.control_plane

NODE = "simulated-dra"


def device_class(name: str, kind: str) -> dict[str, Any]:
    """As NVIDIA's chart installs it."""
    expression = f"device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == '{kind}'"
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceClass",
        "metadata": {"name": name},
        "spec": {"selectors": [{"cel": {"expression": expression}}]},
    }


@pytest.fixture
def claimed_gpus(cluster: Cluster) -> Iterator[None]:
    """A node with two A40 that only claims can have, and one with a smaller card of the same driver."""
    for node in (NODE, f"{NODE}-small"):
        cluster.add_nodes(
            [
                {
                    "apiVersion": "v1",
                    "kind": "Node",
                    "metadata": {
                        "name": node,
                        "annotations": {"kwok.x-k8s.io/node": "fake"},
                        "labels": {"kubernetes.io/hostname": node, "kubernetes.io/os": "linux", "type": "kwok"},
                    },
                    "status": {
                        "allocatable": {"cpu": "64", "memory": "256Gi", "pods": "500"},
                        "capacity": {"cpu": "64", "memory": "256Gi", "pods": "500"},
                    },
                }
            ]
        )
    a40 = [gpu_device(number, "NVIDIA A40", "46068Mi", "8.6.0") for number in (0, 1)]
    cluster.apply(
        device_class("gpu.nvidia.com", "gpu"),
        device_class("mig.nvidia.com", "mig"),
        resource_slice(NODE, *a40),
        resource_slice(f"{NODE}-small", gpu_device(0, "NVIDIA A2", "15356Mi", "8.6.0")),
    )
    yield
    cluster.kubectl("delete", "resourceslices", "--all")
    cluster.kubectl("delete", "node", NODE, f"{NODE}-small")


def vlmd(name: str, namespace: str, **changes: Any) -> dict[str, Any]:
    spec = {
        "model": {"id": "Qwen/Qwen3-VL-8B-Instruct"},
        "gpu": {"claim": {}, "count": 1},
        "workload": {"promptTokens": 2000, "outputTokens": 500, "images": {"count": 1, "width": 1280, "height": 720}},
        **changes,
    }
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "vlm-operator.dev/v1alpha1", "kind": "VLMDeployment", "metadata": metadata, "spec": spec}


def allocated(cluster: Cluster, namespace: str) -> list[dict[str, Any]]:
    claims = cluster.get("resourceclaims", None, namespace)["items"]
    return [
        result
        for claim in claims
        for result in ((claim.get("status") or {}).get("allocation") or {}).get("devices", {}).get("results", ())
    ]


@pytest.mark.usefixtures("claimed_gpus", "operator")
def test_a_node_whose_gpus_come_by_claims_only_is_planned_claimed_and_allocated(
    cluster: Cluster, namespace: str
) -> None:
    cluster.apply(vlmd("model", namespace))
    (device,) = cluster.wait("a device", lambda: allocated(cluster, namespace))
    assert (device["driver"], device["pool"]) == ("gpu.nvidia.com", NODE)
    item = cluster.get("vlmd", "model", namespace)
    gpu = item["status"]["plan"]["gpu"]
    assert (gpu["product"], gpu["claimed"], gpu["count"]) == ("NVIDIA-A40", True, 1)
    assert gpu["sources"] == {"product": "DRA", "memory": "DRA", "computeCapability": "DRA"}
    pod = cluster.get("deployment", "model", namespace)["spec"]["template"]["spec"]
    assert "nvidia.com" not in yaml.safe_dump(pod["containers"][0]["resources"])
    assert pod["containers"][0]["resources"]["claims"] == [{"name": "gpus"}]
    (bound,) = cluster.get("pods", None, namespace)["items"]
    assert bound["spec"]["nodeName"] == NODE


@pytest.mark.usefixtures("claimed_gpus", "operator")
def test_another_plan_claims_by_another_template_and_the_old_one_goes(cluster: Cluster, namespace: str) -> None:
    def templates() -> list[str]:
        return [each["metadata"]["name"] for each in cluster.get("resourceclaimtemplates", None, namespace)["items"]]

    cluster.apply(vlmd("model", namespace))
    cluster.wait("a device", lambda: allocated(cluster, namespace))
    (before,) = templates()
    cluster.apply(vlmd("model", namespace, gpu={"claim": {}, "count": 2}))
    cluster.wait("another template alone", lambda: len(templates()) == 1 and templates() != [before])
    cluster.wait("two devices", lambda: len(allocated(cluster, namespace)) == 2)


@pytest.mark.usefixtures("claimed_gpus", "operator")
def test_claims_of_others_count_as_gpus_in_use(cluster: Cluster, namespace: str) -> None:
    a40 = {"promptTokens": 2000, "outputTokens": 500}
    for name in ("first", "second"):
        cluster.apply(vlmd(name, namespace, workload=a40))
        wanted = 1 if name == "first" else 2
        cluster.wait(f"a device for {name}", lambda wanted=wanted: len(allocated(cluster, namespace)) == wanted)
    first, second = (cluster.get("vlmd", name, namespace)["status"]["plan"]["gpu"] for name in ("first", "second"))
    assert "free now" in second.get("choice", "free now")
    assert {device["device"] for device in allocated(cluster, namespace)} <= {"gpu-0", "gpu-1"}
    assert first["product"] in {"NVIDIA-A40", "NVIDIA-A2"}


@pytest.mark.usefixtures("claimed_gpus", "operator")
def test_render_offline_prints_what_the_operator_applies(
    cluster: Cluster, namespace: str, tmp_path: Any, operator: OperatorProcess
) -> None:
    import subprocess
    import sys
    from pathlib import Path

    assert operator.running
    intent = vlmd("model", namespace, gpu={"product": "NVIDIA-A40", "claim": {}, "count": 1})
    (tmp_path / "model.yaml").write_text(yaml.safe_dump(intent))
    vlmctl = Path(sys.executable).with_name("vlmctl")
    offline = subprocess.run(
        [vlmctl, "render", "--offline", "-f", tmp_path / "model.yaml"], capture_output=True, text=True, check=True
    )
    template, deployment, _ = yaml.safe_load_all(offline.stdout)
    cluster.apply(intent)
    live = cluster.wait(
        "its template", lambda: cluster.get("resourceclaimtemplates", template["metadata"]["name"], namespace)
    )
    assert live["spec"]["spec"] == template["spec"]["spec"]
    made = cluster.get("deployment", "model", namespace)["spec"]["template"]["spec"]
    assert made["resourceClaims"] == deployment["spec"]["template"]["spec"]["resourceClaims"]
    assert condition(cluster.get("vlmd", "model", namespace), "Planned")["status"] == "True"


@pytest.mark.usefixtures("claimed_gpus", "operator")
def test_two_models_share_one_card_by_claims_of_parts_of_its_memory(cluster: Cluster, namespace: str) -> None:
    def card() -> dict[str, Any]:
        device = gpu_device(0, "NVIDIA L40S", "46068Mi", "8.9.0", allowMultipleAllocations=True)
        policy = {"default": "1Gi", "validRange": {"min": "1Mi", "step": "1Mi"}}
        device["capacity"]["memory"]["requestPolicy"] = policy
        return resource_slice(f"{NODE}-small", device, name="shared")

    cluster.kubectl("delete", "resourceslice", f"{NODE}-small-gpu.nvidia.com")
    cluster.apply(card())
    small = {"promptTokens": 1000, "outputTokens": 200}
    for name in ("first", "second"):
        gpu = {"product": "NVIDIA-L40S", "claim": {"memory": "22Gi"}, "count": 1}
        cluster.apply(vlmd(name, namespace, gpu=gpu, workload=small, model={"id": "Qwen/Qwen3-VL-8B-Instruct"}))
    found = cluster.wait("both parts", lambda: len(devices := allocated(cluster, namespace)) == 2 and devices)
    assert {(device["pool"], device["device"]) for device in found} == {(f"{NODE}-small", "gpu-0")}
    assert len({device["shareID"] for device in found}) == 2
    asked = [
        cluster.get("vlmd", name, namespace)["status"]["plan"]["budget"]["requestedBytes"]
        for name in ("first", "second")
    ]
    assert max(asked) <= 22 * 2**30
