"""``vlmctl gpus --cluster``: GPUs of nodes with their sources, what is in use and free, and who holds the rest."""

from __future__ import annotations

from typing import Any

import pytest

from claim_world import gpu_device, resource_slice
from vlm_operator.audit.gpu_objects import GPUObjects
from vlm_operator.cli import cluster_gpus
from vlm_operator.cli.cluster_gpus import ClusterObjects
from vlm_operator.cli.main import main
from vlm_operator.units import MIB


def node(name: str, labels: dict[str, str] | None = None, gpus: int = 0) -> dict[str, Any]:
    allocatable = {"cpu": "4", **({"nvidia.com/gpu": str(gpus)} if gpus else {})}
    return {"metadata": {"name": name, "labels": labels or {}}, "status": {"allocatable": allocatable}}


L4 = {"nvidia.com/gpu.product": "NVIDIA-L4", "nvidia.com/gpu.memory": "23034"}
POD = {
    "metadata": {"name": "p"},
    "spec": {"nodeName": "by-name", "containers": [{"resources": {"limits": {"nvidia.com/gpu": "1"}}}]},
    "status": {"phase": "Running"},
}
CLAIM = {
    "metadata": {"name": "c", "namespace": "default"},
    "status": {
        "allocation": {"devices": {"results": [{"driver": "gpu.nvidia.com", "pool": "by-claim", "device": "gpu-1"}]}}
    },
}
MEASURED = {
    "metadata": {"name": "by-name"},
    "status": {
        "gpus": [
            {
                "index": 0, "uuid": "GPU-0", "product": "NVIDIA L4", "computeCapability": "8.9",
                "totalBytes": 23034 * MIB, "reservedBytes": 500 * MIB, "freeBytes": 20534 * MIB,
                "processes": [{"pid": 7, "name": "/usr/bin/python3", "usedBytes": 2000 * MIB}],
            }
        ]
    },
}  # fmt: skip
CLUSTER = ClusterObjects(
    (node("by-name", L4, 2), node("by-claim"), node("plain"), node("unlabelled", None, 1)),
    (POD,),
    GPUObjects((resource_slice("by-claim", gpu_device(0), gpu_device(1)),), (CLAIM,), (MEASURED,)),
)


def test_every_way_to_gpus_is_shown() -> None:
    found = {each["name"]: each for each in cluster_gpus.to_json(cluster_gpus.nodes_with_gpus(CLUSTER))["nodes"]}
    assert list(found) == ["by-claim", "by-name", "unlabelled"]
    (claimed,) = found["by-claim"]["gpus"]
    assert (claimed["claimed"], claimed["count"], claimed["inUse"]) == (True, 2, 1)
    assert claimed["sources"]["memory"] == "DRA"
    (named,) = found["by-name"]["gpus"]
    assert (named["claimed"], named["count"], named["inUse"]) == (False, 2, 1)
    assert named["sources"]["memory"] == "agent"
    (card,) = found["by-name"]["measured"]
    assert (card["freeBytes"], card["heldBytes"]) == (20534 * MIB, 2000 * MIB)
    assert card["processes"][0]["pid"] == 7
    assert "nvidia.com/gpu.product" in found["unlabelled"]["problem"]


def test_the_table_names_the_holders(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cluster_gpus, "read_objects", lambda context: CLUSTER)
    with pytest.raises(SystemExit) as end:
        main(["gpus", "--cluster"])
    assert end.value.code == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("2x NVIDIA-L4" in line and "claim" in line and "1 of 2" in line for line in lines)
    assert any("python3 (pid 7) holds 1.95 GiB" in line for line in lines)


def test_a_product_and_a_cluster_are_too_much(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["gpus", "L4", "--cluster"])
    assert end.value.code == 2
    assert "leave PRODUCT out" in capsys.readouterr().err


def test_an_agent_that_is_gone_is_said_with_the_time(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status = {**MEASURED["status"], "agentPod": "vlm-system/agent-1", "observedAt": "2026-12-01T10:00:00Z"}
    others = GPUObjects(gpu_nodes=({**MEASURED, "status": status},))
    cluster = ClusterObjects((node("by-name", L4, 2),), (POD,), others)
    (found,) = cluster_gpus.to_json(cluster_gpus.nodes_with_gpus(cluster))["nodes"]
    assert found["unheardSince"] == "2026-12-01T10:00:00Z"
    monkeypatch.setattr(cluster_gpus, "read_objects", lambda context: cluster)
    with pytest.raises(SystemExit):
        main(["gpus", "--cluster"])
    assert "the agent of node by-name has not been heard since 2026-12-01T10:00:00Z" in capsys.readouterr().out
    pod = {"metadata": {"name": "agent-1", "namespace": "vlm-system", "labels": {"vlm-operator.dev/gpu-agent": "true"}}}
    ready = {**pod, "status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    heard = ClusterObjects((node("by-name", L4, 2),), (POD, ready), others)
    assert cluster_gpus.to_json(cluster_gpus.nodes_with_gpus(heard))["nodes"][0]["unheardSince"] is None
