"""Nodes with the same GPUs are one group; what pods ask for is not free."""

from __future__ import annotations

from typing import Any

from claim_world import gpu_device, mig_device, resource_slice
from kit.audit_manifests import node, pod
from vlm_operator.audit.gpu_objects import GPUObjects
from vlm_operator.audit.node_groups import read_fleet
from vlm_operator.units import MIB

H100 = "NVIDIA-H100-80GB-HBM3"


def test_nodes_are_grouped_by_product_and_count() -> None:
    fleet = read_fleet([node("a", H100, 8), node("b", H100, 8), node("c", H100, 4), node("d", "NVIDIA-L4", 1)], [])
    assert [(group.name, len(group.members)) for group in fleet.groups] == [
        (f"8x {H100}", 2),
        (f"4x {H100}", 1),
        ("1x NVIDIA-L4", 1),
    ]


def test_free_is_allocatable_less_what_pods_ask_for() -> None:
    pods = [
        pod("p", "a", gpus=3),
        pod("waits", "", gpus=8),
        pod("ended", "a", gpus=2, phase="Succeeded"),
        pod("other", "b", gpus=1, image="trainer:1"),
    ]
    (group,) = read_fleet([node("a", H100, 8), node("b", H100, 8)], pods).groups
    assert [(member.name, member.free) for member in group.members] == [("a", 5), ("b", 7)]
    assert (group.free, group.most_free) == (12, 7)


def test_a_closed_node_has_nothing_free_but_is_there() -> None:
    nodes = [node("a", H100, 8, cordoned=True), node("b", H100, 8, ready=False)]
    fleet = read_fleet(nodes, [])
    assert [group.free for group in fleet.groups] == [0]
    assert fleet.closed == {"a", "b"}


def test_slices_of_mig_are_groups_of_their_own() -> None:
    mixed = node("m", "NVIDIA-A100-SXM4-80GB", 7, resource="nvidia.com/mig-1g.10gb")
    mixed["status"]["allocatable"]["nvidia.com/mig-3g.40gb"] = "1"
    groups = read_fleet([mixed], []).groups
    assert [(group.resource, group.count, group.gpu.mig_profile) for group in groups] == [
        ("nvidia.com/mig-1g.10gb", 7, "1g.10gb"),
        ("nvidia.com/mig-3g.40gb", 1, "3g.40gb"),
    ]


def test_shared_gpus_say_how_many_pods_share_one() -> None:
    shared = node("t", "Tesla-T4-SHARED", 4, labels={"nvidia.com/gpu.replicas": "4"})
    (group,) = read_fleet([shared], []).groups
    assert group.gpu.shared
    assert group.name == "4x Tesla-T4 (shared)"
    assert group.members[0].replicas == 4


def test_a_node_whose_labels_do_not_tell_its_gpus_is_named() -> None:
    unlabelled = node("u", H100, 8)
    unlabelled["metadata"]["labels"] = {}
    fleet = read_fleet([unlabelled, node("plain", H100, 0)], [])
    assert fleet.groups == ()
    assert fleet.unreadable == (("u", "the node has nvidia.com/gpu but no label nvidia.com/gpu.product"),)


def gpu_node(name: str, product: str, total: int, held: int, **process: Any) -> dict[str, Any]:
    """What an agent measured, sizes in MiB."""
    gpu = {
        "index": 0, "uuid": f"GPU-{name}", "product": product, "computeCapability": "8.9",
        "totalBytes": total * MIB, "reservedBytes": 434 * MIB, "freeBytes": (total - 434 - held) * MIB,
        "processes": [{"pid": 7, "usedBytes": held * MIB, **process}],
    }  # fmt: skip
    return {"metadata": {"name": name}, "status": {"gpus": [gpu]}}


def test_gpus_that_claims_alone_can_have_are_a_group_and_those_given_are_not_free() -> None:
    devices = [gpu_device(0), gpu_device(1), mig_device(0)]
    results = [{"driver": "gpu.nvidia.com", "pool": "dra", "device": "gpu-1"}]
    claim = {"metadata": {"name": "c", "namespace": "n"}, "status": {"allocation": {"devices": {"results": results}}}}
    others = GPUObjects((resource_slice("dra", *devices),), (claim,))
    plain = {"metadata": {"name": "dra"}, "status": {"allocatable": {"cpu": "4"}}}
    fleet = read_fleet([plain], [], others)
    assert [(group.name, group.resource, group.free) for group in fleet.groups] == [
        ("1x NVIDIA-H100-80GB-HBM3-MIG-3g.40gb", "nvidia.com/mig-3g.40gb", 1),
        ("2x NVIDIA-L4", "nvidia.com/gpu", 1),
    ]


def test_memory_that_the_host_holds_makes_a_group_of_its_own_and_that_of_pods_does_not() -> None:
    l4, served = "NVIDIA-L4", pod("server", "c")
    served["metadata"]["uid"] = "pod-1"
    nodes = [node(name, l4, 1) for name in ("a", "b", "c")]
    measured = (
        gpu_node("a", "NVIDIA L4", 23034, 4096),
        gpu_node("b", "NVIDIA L4", 23034, 200),
        gpu_node("c", "NVIDIA L4", 23034, 20000, podUID="pod-1"),
    )
    desktop, idle = read_fleet(nodes, [served], GPUObjects(gpu_nodes=measured)).groups
    if len(desktop.members) > 1:
        desktop, idle = idle, desktop
    assert [each.name for each in desktop.members] == ["a"]
    assert "free of" in desktop.name
    assert desktop.gpu.free_estimate_bytes < idle.gpu.free_estimate_bytes - 4096 * MIB + 1
    assert [each.name for each in idle.members] == ["b", "c"]
