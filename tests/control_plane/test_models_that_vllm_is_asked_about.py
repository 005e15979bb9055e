"""A model that nobody knows, on a real API server: vLLM is asked in a Job, and then there is a plan or a refusal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from vlmdeployments import condition

from kit.control_plane import Cluster, OperatorProcess
from kit.control_plane.dry_runs import answer, end, recorded_report, running_pod

pytestmark = pytest.mark.control_plane

SPEC: dict[str, Any] = {
    "model": {"path": "/models/our-vlm"},
    "gpu": {"product": "NVIDIA-GeForce-RTX-5090", "count": 1},
    "podTemplate": {
        "spec": {
            "volumes": [{"name": "models", "emptyDir": {}}],
            "containers": [{"name": "vllm", "volumeMounts": [{"name": "models", "mountPath": "/models"}]}],
        }
    },
}


@pytest.fixture(autouse=True)
def nothing_learnt(cluster: Cluster, running_operator: OperatorProcess) -> None:
    cluster.kubectl("delete", "enginefacts", "--all", "--ignore-not-found")


def deployed(cluster: Cluster, namespace: str, **changes: Any) -> None:
    kind = {"apiVersion": "vlm-operator.dev/v1alpha1", "kind": "VLMDeployment"}
    cluster.apply({**kind, "metadata": {"name": "new", "namespace": namespace}, "spec": {**SPEC, **changes}})


def planned(cluster: Cluster, namespace: str, status: str, reason: str) -> dict[str, Any]:
    def seen() -> dict[str, Any] | None:
        item = cluster.get("vlmd", "new", namespace)
        found = condition(item, "Planned")
        return item if (found.get("status"), found.get("reason")) == (status, reason) else None

    found: dict[str, Any] = cluster.wait(f"new is Planned={status} ({reason})", seen)
    return found


def names(cluster: Cluster, kind: str, namespace: str | None = None) -> list[str]:
    return [item["metadata"]["name"] for item in cluster.get(kind, None, namespace)["items"]]


@pytest.mark.usefixtures("operator")
def test_a_path_goes_from_unknown_over_a_dry_run_to_a_plan(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    deployed(cluster, namespace)
    planned(cluster, namespace, "Unknown", "DryRunning")
    assert names(cluster, "deployments", namespace) == []
    pod = answer(cluster, namespace, "new", recorded_report("qwen3-vl-8b-h100-0.32.0"), tmp_path)
    (container,) = pod["spec"]["containers"]
    assert "nvidia.com/gpu" not in container["resources"]["limits"]
    assert {"name": "models", "mountPath": "/models", "readOnly": True} in container["volumeMounts"]
    assert container["resources"]["limits"]["memory"] == "4Gi"
    item = planned(cluster, namespace, "True", "Fits")
    assert item["status"]["plan"]["budget"]["weightsBytes"] == 18_053_990_400
    (name,) = names(cluster, "enginefacts")
    facts = cluster.get("enginefacts", name)["spec"]
    assert (facts["namespace"], facts["model"], facts["gpuProduct"]) == (
        namespace,
        "/models/our-vlm",
        "NVIDIA-GeForce-RTX-5090",
    )
    cluster.wait("the server is deployed", lambda: names(cluster, "deployments", namespace) == ["new"])
    cluster.wait("the Job has gone", lambda: not names(cluster, "jobs", namespace))
    cluster.wait(
        "and its ConfigMap with it",
        lambda: [each for each in names(cluster, "configmaps", namespace) if "dry-run" in each] == [],
    )


@pytest.mark.usefixtures("operator")
def test_what_vllm_refuses_is_refused_before_a_gpu_is_taken(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    deployed(cluster, namespace, gpu={"product": "NVIDIA-GeForce-RTX-5090", "count": 3})
    planned(cluster, namespace, "Unknown", "DryRunning")
    answer(cluster, namespace, "new", recorded_report("refused-tensor-parallel-0.33.0"), tmp_path)
    item = planned(cluster, namespace, "False", "TensorParallelNotDivisible")
    assert condition(item, "Stalled")["status"] == "True"
    assert item["status"]["dryRun"]["state"] == "Refused"
    assert names(cluster, "deployments", namespace) == []
    assert names(cluster, "enginefacts") == []


@pytest.mark.usefixtures("operator")
def test_a_dry_run_that_runs_out_of_memory_says_so_and_waits(cluster: Cluster, namespace: str) -> None:
    deployed(cluster, namespace)
    end(cluster, namespace, "new", {"exitCode": 137, "reason": "OOMKilled"})
    item = planned(cluster, namespace, "Unknown", "DryRunOutOfMemory")
    assert condition(item, "Reconciling")["status"] == "True"
    assert item["status"]["dryRun"] | {"attempt": 1, "state": "Failed"} == item["status"]["dryRun"]
    assert names(cluster, "deployments", namespace) == []


def test_an_operator_that_is_killed_meanwhile_goes_on(
    cluster: Cluster, namespace: str, operator: OperatorProcess, tmp_path: Path
) -> None:
    deployed(cluster, namespace)
    planned(cluster, namespace, "Unknown", "DryRunning")
    running_pod(cluster, namespace, "new")
    operator.kill()
    answer(cluster, namespace, "new", recorded_report("qwen3-vl-8b-h100-0.32.0"), tmp_path)
    operator.start()
    planned(cluster, namespace, "True", "Fits")
    cluster.wait("the Job has gone", lambda: not names(cluster, "jobs", namespace))
