"""Devices that claims were given count as GPUs in use; slices and classes make nodes of nothing but devices."""

from __future__ import annotations

from typing import Any

import pytest
from test_nodes import node

from claim_world import gpu_device, mig_device, resource_slice
from vlm_operator.controller.gpu_use import ClaimUse, read_claim, together
from vlm_operator.controller.nodes import NEWS_SECONDS, Nodes
from vlm_operator.controller.queue import Key

GPU = "nvidia.com/gpu"
BARE: dict[str, str] = {"kubernetes.io/os": "linux"}


def versioned(item: dict[str, Any], version: int = 1) -> dict[str, Any]:
    metadata = {"uid": f"uid-{item['metadata']['name']}", "resourceVersion": str(version), **item["metadata"]}
    return {**item, "metadata": metadata}


def claim(name: str, *names: str, pool: str = "n", owner: str = "", **annotations: str) -> dict[str, Any]:
    results = [{"request": "gpus", "driver": "gpu.nvidia.com", "pool": pool, "device": each} for each in names]
    labels = {"vlm-operator.dev/vlmdeployment": owner} if owner else {}
    metadata = {"name": name, "namespace": "default", "labels": labels, "annotations": annotations}
    status = {"allocation": {"devices": {"results": results}}} if names else {}
    return versioned({"metadata": metadata, "status": status})


def nodes_with(*raw: dict[str, Any]) -> tuple[Nodes, list[float]]:
    told: list[float] = []
    nodes = Nodes(told.append)
    nodes.put(node(labels=BARE, gpus=""))
    nodes.slices.put(versioned(resource_slice("n", *raw)))
    return nodes, told


def test_a_slice_makes_a_gpu_node_of_a_plain_one_and_its_end_undoes_that() -> None:
    nodes, told = nodes_with(gpu_device(0), gpu_device(1))
    (found,) = nodes.snapshot()
    assert [device.name for device in found.devices] == ["gpu-0", "gpu-1"]
    assert (found.ready, told) == (True, [NEWS_SECONDS])
    nodes.slices.drop(versioned(resource_slice("n"), 2))
    assert nodes.snapshot() == ()
    assert told == [NEWS_SECONDS] * 2


def test_a_slice_that_comes_before_its_node_waits_for_it() -> None:
    nodes = Nodes(lambda delay: None)
    nodes.slices.put(versioned(resource_slice("n", gpu_device(0))))
    assert nodes.snapshot() == ()
    nodes.put(node(labels=BARE, gpus=""))
    assert len(nodes.snapshot()) == 1


def test_an_older_state_never_replaces_a_newer_one() -> None:
    nodes, _ = nodes_with(gpu_device(0))
    nodes.slices.put(versioned(resource_slice("n", gpu_device(0), gpu_device(1)), 5))
    nodes.slices.put(versioned(resource_slice("n", gpu_device(0)), 4))
    assert len(nodes.snapshot()[0].devices) == 2


def test_a_listing_without_a_slice_ends_it() -> None:
    nodes, _ = nodes_with(gpu_device(0))
    nodes.slices.retain(None, set(), 9)
    assert nodes.snapshot() == ()


def test_a_device_class_that_stands_for_a_resource_offers_it_by_name_too() -> None:
    nodes, _ = nodes_with(gpu_device(0), gpu_device(1), mig_device(0))
    assert nodes.snapshot()[0].allocatable == {}
    made = versioned({"metadata": {"name": "gpu.nvidia.com"}, "spec": {"extendedResourceName": GPU}})
    nodes.device_classes.put(made)
    assert nodes.snapshot()[0].allocatable == {GPU: "2"}
    nodes.device_classes.drop(made)
    assert nodes.snapshot()[0].allocatable == {}


def test_a_slice_with_a_memory_that_is_no_quantity_is_passed_over(caplog: pytest.LogCaptureFixture) -> None:
    nodes, _ = nodes_with(gpu_device(0, memory="plenty"))
    assert nodes.snapshot() == ()
    assert "plenty" in caplog.text


def test_claimed_devices_are_counted_by_node_and_kind_and_once() -> None:
    nodes, _ = nodes_with(gpu_device(0), gpu_device(1), mig_device(0))
    use = ClaimUse()
    use.claims.put(claim("a", "gpu-0"))
    use.claims.put(claim("b", "gpu-0", "gpu-0-mig-9-0"))
    use.claims.put(claim("c", "gpu-7"))
    counted = use.by_node(Key("default", "me"), nodes.snapshot())
    assert counted == {"n": {GPU: 1, "nvidia.com/mig-3g.40gb": 1}}


def test_ones_own_claims_are_not_in_ones_way() -> None:
    nodes, _ = nodes_with(gpu_device(0))
    use, me = ClaimUse(), Key("default", "me")
    use.claims.put(claim("a", "gpu-0", owner="me"))
    assert use.by_node(me, nodes.snapshot()) == {}
    assert use.by_node(Key("default", "other"), nodes.snapshot()) == {"n": {GPU: 1}}
    assert use.holders() == {me}


def test_a_claim_that_ended_gives_its_devices_back() -> None:
    nodes, _ = nodes_with(gpu_device(0))
    use = ClaimUse()
    use.claims.put(claim("a", "gpu-0"))
    use.claims.drop(claim("a"))
    assert use.by_node(Key("default", "me"), nodes.snapshot()) == {}


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(claim("a"), id="nothing was given yet"),
        pytest.param(claim("a", "gpu-0", **{"resource.kubernetes.io/extended-resource-claim": "true"}), id="by name"),
    ],
)
def test_claims_that_do_not_count(raw: dict[str, Any]) -> None:
    assert read_claim(raw) is None


def test_pods_and_claims_are_added_up() -> None:
    assert together({"n": {GPU: 1}}, {"n": {GPU: 1}, "m": {GPU: 2}}) == {"n": {GPU: 2}, "m": {GPU: 2}}
    assert together(None, {"n": {GPU: 1}}) is None
