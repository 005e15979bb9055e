"""A node that advertises an L4 with real vLLM behind it: the plan is for the GPU, the figures are the node's."""

from __future__ import annotations

from typing import Any

import pytest
from model_servers import address, ask, condition, container, outcomes, pods, ready, story, vlmd

from kit.control_plane import Cluster
from kit.real_node.checkpoints import TEXT
from kit.real_node.node import RealNode

pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]

ON_AN_L4 = {
    "cpu": None,
    "gpu": {"product": "NVIDIA-L4", "count": 1},
    # vLLM's CPU build takes the container's limit for the memory it divides: 4 GiB where an L4 has 22.
    "podTemplate": container(resources={"limits": {"memory": "4Gi"}}),
}


@pytest.fixture(scope="module")
def served(cluster: Cluster, module_namespace: str, node: RealNode) -> dict[str, Any]:
    """The first VLMDeployment, serving on the only L4."""
    node.advertise_gpus("NVIDIA-L4", 23034)
    cluster.apply(vlmd("first", module_namespace, **ON_AN_L4))
    return ready(cluster, module_namespace, "first")


def test_what_vllm_finds_replaces_what_was_planned(
    cluster: Cluster, module_namespace: str, served: dict[str, Any]
) -> None:
    tried = outcomes(served)
    assert tried[-1] == ("Started", None)
    assert {reason for _, reason in tried[:-1]} == {"FreeMemoryTooLow"}, story(cluster, module_namespace, "first")
    status = served["status"]
    assert status["observed"]["kvTokens"] == status["kvTokens"]
    answer = ask(address(cluster, module_namespace, "first"), "/v1/completions", model=TEXT, prompt="x", max_tokens=1)
    assert answer["usage"]["total_tokens"] == 2


@pytest.mark.usefixtures("served")
def test_of_two_on_one_gpu_the_second_waits_and_serves_once_the_first_is_gone(
    cluster: Cluster, module_namespace: str
) -> None:
    cluster.apply(vlmd("second", module_namespace, **ON_AN_L4))

    def waits() -> bool:
        item = cluster.get("vlmd", "second", module_namespace)
        return condition(item, "CapacityVerified").get("reason") == "Unschedulable"

    cluster.wait("the second is told that no GPU is free", waits, 60)
    item = cluster.get("vlmd", "second", module_namespace)
    assert "nvidia.com/gpu" in condition(item, "CapacityVerified")["message"]
    assert [pod["status"]["phase"] for pod in pods(cluster, module_namespace, "second")] == ["Pending"]
    (holder,) = pods(cluster, module_namespace, "first")
    assert holder["status"]["containerStatuses"][0]["restartCount"] == 0
    cluster.kubectl("delete", "vlmd", "first", "-n", module_namespace)
    # What was free on a GPU when the first started says nothing of later: the second may have to find out, too.
    tried = outcomes(ready(cluster, module_namespace, "second"))
    assert tried[-1] == ("Started", None)
    assert {reason for _, reason in tried[:-1]} <= {"FreeMemoryTooLow"}, story(cluster, module_namespace, "second")
