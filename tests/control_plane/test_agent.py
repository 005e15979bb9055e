"""The agent under its own rights on a real API server: NVML through ctypes, GPUNodes, plans for what is free."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from vlmdeployments import condition, engine, vlmd

from kit.control_plane import Cluster, OperatorProcess, SimulatedGpuNode
from kit.nvml_stub import COMPILER, NvmlStub, StubGPU

pytestmark = [pytest.mark.control_plane, pytest.mark.skipif(COMPILER is None, reason="needs a C compiler (gcc)")]

NODE = SimulatedGpuNode("simulated-rtx-5080", "NVIDIA-GeForce-RTX-5080", 16303, (12, 0))
CARD = StubGPU("NVIDIA GeForce RTX 5080", 16303, 434, capability=(12, 0))
POD = "vlm-operator-agent-1"
AGENT = "system:serviceaccount:vlm-system:vlm-operator-agent"


def agent_pod() -> dict[str, Any]:
    """The pod in which the process seems to run."""
    labels = {"vlm-operator.dev/gpu-agent": "true"}
    spec = {"nodeName": NODE.name, "containers": [{"name": "agent", "image": "vlm-operator"}]}
    metadata = {"name": POD, "namespace": "vlm-system", "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def set_ready(cluster: Cluster, status: str, since: datetime) -> None:
    """As the kubelet or the node controller says."""
    condition = {"type": "Ready", "status": status, "lastTransitionTime": since.strftime("%Y-%m-%dT%H:%M:%SZ")}
    patch = json.dumps({"status": {"conditions": [condition]}})
    cluster.kubectl("patch", "pod", POD, "-n", "vlm-system", "--subresource=status", "--type=merge", "-p", patch)


@pytest.fixture
def stub(cluster: Cluster, operator: OperatorProcess, tmp_path: Path) -> Iterator[NvmlStub]:
    """The agent of a node with one RTX 5080, as a process with the rights that the chart gives it."""
    assert operator.running
    chart = Path(__file__).resolve().parents[2] / "charts/vlm-operator"
    text = cluster.helm(
        "template", "vlm-operator", str(chart), "--namespace=vlm-system", "--set=agent.enabled=true",
        "--show-only=templates/agent.yaml",
    )  # fmt: skip
    documents = [each for each in yaml.safe_load_all(text) if each]
    (daemon_set,) = (each for each in documents if each["kind"] == "DaemonSet")
    cluster.apply(*(each for each in documents if each is not daemon_set))
    command = daemon_set["spec"]["template"]["spec"]["containers"][0]
    assert (command["command"], command["args"][1]) == (["vlm-operator"], "agent")
    cluster.add_nodes([NODE])
    library = NvmlStub(tmp_path)
    kubeconfig = cluster.service_account_kubeconfig("vlm-system", "vlm-operator-agent")
    pod = {"NODE_NAME": NODE.name, "POD_NAMESPACE": "vlm-system", "POD_NAME": POD}
    environment = os.environ | library.environment | {"KUBECONFIG": str(kubeconfig)} | pod
    cluster.apply(agent_pod())
    cluster.wait("its pod", lambda: cluster.get("pod", POD, "vlm-system").get("status", {}).get("phase") == "Running")
    set_ready(cluster, "True", datetime.now(UTC))
    program = str(Path(sys.executable).with_name("vlm-operator"))
    with (tmp_path / "agent.log").open("wb") as log:
        process = subprocess.Popen(
            [program, "agent", "--interval-seconds=0.1"], env=environment, stderr=log, start_new_session=True
        )
    yield library
    process.terminate()
    assert process.wait(20) == 0, (tmp_path / "agent.log").read_text()[-2000:]
    assert NODE.name not in {each["metadata"]["name"] for each in cluster.get("gpunodes")["items"]}
    cluster.kubectl("delete", "pod", POD, "-n", "vlm-system", "--grace-period=0", "--force", "--ignore-not-found")
    cluster.kubectl("delete", "node", NODE.name)


def gpu_of(cluster: Cluster) -> dict[str, Any]:
    gpus = (cluster.get("gpunode", NODE.name).get("status") or {}).get("gpus") or [{}]
    return dict(gpus[0])


def test_an_idle_agent_writes_nothing_and_what_is_held_is_planned_around(
    cluster: Cluster, namespace: str, stub: NvmlStub
) -> None:
    held = {os.getpid(): ("/usr/bin/blender", 2560)}
    stub.has(replace(CARD, used=2560, processes=held))
    cluster.wait("its GPUNode", lambda: gpu_of(cluster).get("processes"))
    mark = cluster.audit.mark()
    time.sleep(3)  # thirty looks
    assert cluster.audit.since(mark, user=AGENT) == []

    flags = engine(contextLength=4096, limitMMPerPrompt={"image": 0, "video": 0})
    model = {"id": "Qwen/Qwen3-VL-4B-Instruct"}
    cluster.apply(vlmd("model", namespace, model=model, gpu={"product": NODE.product}, engine=flags))
    refused = cluster.wait(
        "a refusal", lambda: (found := condition(cluster.get("vlmd", "model", namespace), "Planned")) and found
    )
    assert (refused["status"], refused["reason"]) == ("False", "FreeMemoryTooLow")
    assert f"blender (pid {os.getpid()})" in refused["message"]

    stub.has(CARD)
    cluster.wait(
        "its plan, once the memory is free",
        lambda: condition(cluster.get("vlmd", "model", namespace), "Planned")["status"] == "True",
    )
    plan = cluster.get("vlmd", "model", namespace)["status"]["plan"]
    assert plan["gpu"]["sources"] == dict.fromkeys(("product", "memory", "computeCapability", "free"), "agent")


def test_kubectl_shows_what_is_free(cluster: Cluster, stub: NvmlStub) -> None:
    stub.has(CARD)
    cluster.wait("its GPUNode", lambda: gpu_of(cluster).get("freeBytes"))
    table = cluster.kubectl("get", "gpunodes")
    assert "NVIDIA GeForce RTX 5080" in table
    assert str((CARD.total - CARD.reserved) * 1024**2) in table


def test_figures_of_an_agent_that_is_gone_are_not_believed_for_ever(
    cluster: Cluster, namespace: str, stub: NvmlStub
) -> None:
    stub.has(replace(CARD, used=2560, processes={os.getpid(): ("/usr/bin/blender", 2560)}))
    cluster.wait("its GPUNode", lambda: gpu_of(cluster).get("processes"))
    flags = engine(contextLength=4096, limitMMPerPrompt={"image": 0, "video": 0})
    model = {"id": "Qwen/Qwen3-VL-4B-Instruct"}
    cluster.apply(vlmd("model", namespace, model=model, gpu={"product": NODE.product}, engine=flags))
    cluster.wait(
        "a refusal",
        lambda: condition(cluster.get("vlmd", "model", namespace), "Planned").get("reason") == "FreeMemoryTooLow",
    )
    lost = datetime.now(UTC) - timedelta(minutes=2)
    set_ready(cluster, "False", lost)  # what the kubelet, or the node controller, says after a kill -9
    cluster.wait(
        "a plan for the card as the catalogue has it",
        lambda: condition(cluster.get("vlmd", "model", namespace), "Planned")["status"] == "True",
    )
    words = " ".join(cluster.get("vlmd", "model", namespace)["status"]["plan"]["explanation"])
    assert f"has not been heard since {lost:%Y-%m-%dT%H:%M:%SZ}" in words
