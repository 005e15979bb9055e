"""Whether what an agent measured still counts is told by its pod; none of it costs the agent a write."""

from __future__ import annotations

from typing import Any

import pytest

from vlm_operator.controller.nodes import Nodes
from vlm_operator.gpu.agent_pod import UNHEARD_SECONDS

NAME = "vlm-system/agent-1"
WRITTEN, CHANGED = "2026-12-01T10:00:00Z", "2026-12-01T11:00:00Z"


def item(name: str, version: int, namespace: str = "", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"metadata": metadata | ({"namespace": namespace} if namespace else {}), **more}


def agent_pod(version: int, ready: str) -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready, "lastTransitionTime": CHANGED}
    return item("agent-1", version, "vlm-system", status={"conditions": [condition]})


def gpu_node(agent: str | None = NAME) -> dict[str, Any]:
    gpu = {"index": 0, "uuid": "GPU-0", "product": "NVIDIA L4", "totalBytes": 2**34, "freeBytes": 2**33}
    status = {"observedAt": WRITTEN, "gpus": [gpu], **({"agentPod": agent} if agent else {})}
    return item("n", 2, status=status)


def nodes_with(told: list[float], agent: str | None = NAME) -> Nodes:
    nodes = Nodes(told.append)
    nodes.put(item("n", 1, status={"allocatable": {"nvidia.com/gpu": "1"}}))
    nodes.measured.put(gpu_node(agent))
    return nodes


def since(nodes: Nodes) -> str | None:
    (node,) = nodes.snapshot()
    return node.unheard_since


def test_while_its_pod_is_ready_it_is_heard() -> None:
    nodes = nodes_with([])
    nodes.agents.put(agent_pod(3, "True"))
    nodes.agents.retain(None, {"uid-agent-1"}, 3)
    assert since(nodes) is None


@pytest.mark.parametrize(
    ("lose", "expected"),
    [
        pytest.param(
            lambda agents: agents.put(agent_pod(4, "False")), CHANGED, id="killed, or its node does not answer"
        ),
        pytest.param(lambda agents: agents.drop(agent_pod(4, "True")), WRITTEN, id="its pod was removed"),
    ],
)
def test_an_agent_that_is_gone_is_told_with_the_time_and_looked_at_again_when_it_no_longer_counts(
    lose: Any, expected: str
) -> None:
    told: list[float] = []
    nodes = nodes_with(told)
    nodes.agents.put(agent_pod(3, "True"))
    nodes.agents.retain(None, {"uid-agent-1"}, 3)
    told.clear()
    lose(nodes.agents)
    assert since(nodes) == expected
    assert UNHEARD_SECONDS + 1 in told
    nodes.agents.put(agent_pod(5, "True"))
    assert since(nodes) is None


def test_an_agent_in_no_pod_and_agents_whose_pods_may_not_be_listed_are_taken_to_run() -> None:
    assert since(nodes_with([])) is None
    nodes = nodes_with([], agent=None)
    nodes.agents.retain(None, set(), 3)
    assert since(nodes) is None
