"""Nodes: only what planning reads is news; GPUs in use are counted as the scheduler counts them."""

from __future__ import annotations

from typing import Any

import pytest

from vlm_operator.controller.gpu_use import GpuUse, gpu_requests
from vlm_operator.controller.nodes import MORE_OF_THE_SAME_SECONDS, NEWS_SECONDS, Nodes, read_node
from vlm_operator.controller.queue import Key

GPU = "nvidia.com/gpu"
L4 = {"nvidia.com/gpu.product": "NVIDIA-L4", "nvidia.com/gpu.memory": "23034"}


def node(
    name: str = "n", labels: dict[str, str] | None = None, gpus: str = "1", ready: str = "True", **spec: Any
) -> dict[str, Any]:
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": "1", "labels": L4 if labels is None else labels}
    allocatable = {"cpu": "4", **({GPU: gpus} if gpus else {})}
    status = {"allocatable": allocatable, "conditions": [{"type": "Ready", "status": ready}]}
    return {"metadata": metadata, "spec": spec, "status": status}


def news(*changes: dict[str, Any] | None) -> list[float]:
    """Delays that are told of when one node takes these forms one after the other (None: deleted)."""
    told: list[float] = []
    nodes = Nodes(told.append)
    for change in changes:
        if change is None:
            nodes.drop(node())
        else:
            nodes.put(change)
    return told


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(node(ready="False"), id="a heartbeat that is late"),
        pytest.param(node(unschedulable=True), id="a cordon"),
        pytest.param(node(labels=L4 | {"nvidia.com/gfd.timestamp": "1764500000"}), id="GFD's timestamp"),
        pytest.param(node(labels=L4 | {"nvidia.com/cuda.driver.major": "580"}), id="another label of GFD"),
        pytest.param(node(labels=L4 | {"kubernetes.io/hostname": "n", "team": "x"}), id="labels of others"),
    ],
)
def test_what_planning_does_not_read_is_no_news(change: dict[str, Any]) -> None:
    assert news(node(), change) == [NEWS_SECONDS]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(node(labels=L4 | {"nvidia.com/gpu.product": "NVIDIA-A10"}), id="another product"),
        pytest.param(node(labels=L4 | {"nvidia.com/gpu.memory": "1"}), id="another memory"),
        pytest.param(node(gpus="2"), id="more GPUs"),
        pytest.param(node(gpus=""), id="no GPU any more"),
        pytest.param(None, id="deleted"),
    ],
)
def test_what_planning_reads_is_news(change: dict[str, Any] | None) -> None:
    assert news(node(), change) == [NEWS_SECONDS, NEWS_SECONDS]


def test_more_nodes_of_a_kind_that_is_known_are_looked_at_together_later() -> None:
    told: list[float] = []
    nodes = Nodes(told.append)
    for number in range(3):
        nodes.put(node(f"n{number}"))
    nodes.drop(node("n0"))
    assert told == [NEWS_SECONDS, *[MORE_OF_THE_SAME_SECONDS] * 3]
    assert [one.name for one in nodes.snapshot()] == ["n1", "n2"]


def test_a_node_without_gpus_is_never_news() -> None:
    assert news(node(labels={"kubernetes.io/os": "linux"}, gpus="")) == []


def test_nodes_that_a_listing_lacks_are_dropped_and_later_ones_stay() -> None:
    told: list[float] = []
    nodes = Nodes(told.append)
    for name, version in (("old", "1"), ("kept", "1"), ("later", "9")):
        raw = node(name)
        raw["metadata"]["resourceVersion"] = version
        nodes.put(raw)
    nodes.retain(None, {"uid-kept"}, 5)
    assert [one.name for one in nodes.snapshot()] == ["kept", "later"]


def test_the_snapshot_is_the_same_tuple_until_a_node_changes() -> None:
    nodes = Nodes(lambda delay: None)
    nodes.put(node())
    first = nodes.snapshot()
    nodes.put(node(labels=L4 | {"nvidia.com/gfd.timestamp": "2"}))
    assert nodes.snapshot() is first
    nodes.put(node(gpus="2"))
    assert nodes.snapshot() is not first


def test_a_node_is_what_is_planned_for_and_nothing_else() -> None:
    read = read_node(node(labels={"nvidia.com/gpu.product": "NVIDIA-L4", "team": "x"}, unschedulable=True))
    assert read is not None
    assert (read.labels, read.allocatable) == ({"nvidia.com/gpu.product": "NVIDIA-L4"}, {GPU: "1"})
    assert (read.ready, read.unschedulable) == (True, True)


def test_a_node_without_gpus_is_no_concern() -> None:
    assert read_node(node(labels={"kubernetes.io/os": "linux"}, gpus="")) is None


def test_a_node_that_lost_its_plugin_is_still_seen_by_its_labels() -> None:
    read = read_node(node(gpus="", ready="False"))
    assert read is not None
    assert not read.ready


def container(count: int | None, **more: Any) -> dict[str, Any]:
    return {**({"resources": {"limits": {GPU: str(count)}}} if count is not None else {}), **more}


@pytest.mark.parametrize(
    ("spec", "count"),
    [
        pytest.param({"containers": [container(2)]}, 2, id="one container"),
        pytest.param({"containers": [container(2), container(1), container(None)]}, 3, id="containers run together"),
        pytest.param(
            {"containers": [container(1)], "initContainers": [container(2), container(1)]},
            2,
            id="init containers run before, one by one",
        ),
        pytest.param(
            {"containers": [container(1)], "initContainers": [container(1, restartPolicy="Always"), container(1)]},
            2,
            id="a sidecar runs beside",
        ),
        pytest.param({"containers": [container(None)]}, 0, id="none"),
    ],
)
def test_gpus_of_a_pod_are_counted_as_the_scheduler_does(spec: dict[str, Any], count: int) -> None:
    assert gpu_requests(spec).get(GPU, 0) == count


def pod(name: str, on: str | None, count: int, phase: str = "Running", owner: str | None = None) -> dict[str, Any]:
    labels = {"vlm-operator.dev/vlmdeployment": owner} if owner else {}
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}", "resourceVersion": "3", "labels": labels}
    spec = {"containers": [container(count)], **({"nodeName": on} if on else {})}
    return {"metadata": metadata, "spec": spec, "status": {"phase": phase}}


KEY = Key("default", "model")


def test_gpus_in_use_are_those_of_pods_that_are_bound_and_alive_but_for_its_own() -> None:
    use = GpuUse()
    assert use.by_node(but=KEY) is None
    for one in (
        pod("a", "n1", 2),
        pod("b", "n1", 1, owner="model"),
        pod("c", "n2", 1, owner="model"),
        pod("d", "n3", 4, phase="Succeeded"),
        pod("e", None, 4, phase="Pending"),
    ):
        use.put(one)
    use.retain(None, {f"uid-{name}" for name in "abcde"}, 5)
    assert use.by_node(but=KEY) == {"n1": {GPU: 2}}
    assert use.by_node(but=Key("default", "other")) == {"n1": {GPU: 3}, "n2": {GPU: 1}}
    use.put(pod("a", "n1", 2, phase="Failed"))
    use.drop(pod("c", "n2", 1))
    assert use.by_node(but=Key("default", "other")) == {"n1": {GPU: 1}}


def test_a_listing_of_one_namespace_says_nothing_of_gpus_in_use_elsewhere() -> None:
    use = GpuUse()
    elsewhere = pod("b", "n1", 1)
    elsewhere["metadata"]["namespace"] = "other"
    for one in (pod("a", "n1", 2), elsewhere):
        use.put(one)
    use.retain("default", set(), 5)
    assert use.by_node(but=KEY) == {"n1": {GPU: 1}}
    use.retain(None, set(), 5)
    assert use.by_node(but=KEY) == {}


def test_news_of_nodes_is_waited_for_a_moment_and_more_of_the_same_a_minute() -> None:
    assert (NEWS_SECONDS, MORE_OF_THE_SAME_SECONDS) == (0.2, 60.0)
