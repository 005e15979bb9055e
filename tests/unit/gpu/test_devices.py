"""Devices of NVIDIA's DRA driver: what ResourceSlices say becomes facts, and wins over labels and the catalogue."""

from __future__ import annotations

from typing import Any

import pytest

from claim_world import devices, gpu_device, mig_device, resource_slice
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.gpu.devices import Slice, devices_of, read_slice
from vlm_operator.gpu.facts import FactSource
from vlm_operator.gpu.node_gpus import node_gpus
from vlm_operator.units import GIB, MIB

L4_LABELS = {"nvidia.com/gpu.product": "NVIDIA-L4", "nvidia.com/gpu.memory": "23034"}


def slice_of(*raw: dict[str, Any], **more: Any) -> Slice:
    found = read_slice(resource_slice("n", *raw, **more))
    assert found is not None
    return found


def test_a_node_that_has_nothing_but_devices_has_gpus() -> None:
    (offered,) = node_gpus({}, {}, devices("n", gpu_device(0), gpu_device(1)))
    assert (offered.count, offered.resource, offered.claimed) == (2, "nvidia.com/gpu", True)
    assert offered.gpu == find_gpu("NVIDIA-L4")
    assert dict(offered.gpu.sources) == dict.fromkeys(("product", "memory", "computeCapability"), FactSource.DRA)
    assert offered.gpu.source_of("free") is FactSource.CATALOGUE


def test_what_devices_tell_wins_over_labels() -> None:
    with_ecc_off = gpu_device(0, memory="24564Mi")
    plain, claimed = node_gpus(L4_LABELS, {"nvidia.com/gpu": "1"}, devices("n", with_ecc_off))
    assert (plain.claimed, claimed.claimed) == (False, True)
    assert plain.gpu.nvml_total_bytes == claimed.gpu.nvml_total_bytes == 24564 * MIB
    assert plain.gpu.source_of("memory") is FactSource.DRA


def test_labels_keep_their_own_facts_where_there_are_no_devices() -> None:
    (offered,) = node_gpus(L4_LABELS, {"nvidia.com/gpu": "1"})
    assert dict(offered.gpu.sources) == {"product": FactSource.LABELS, "memory": FactSource.LABELS}


def test_mig_instances_are_a_kind_of_their_own() -> None:
    (offered,) = node_gpus({}, {}, devices("n", mig_device(0), mig_device(1)))
    assert (offered.resource, offered.count, offered.gpu.mig_profile) == ("nvidia.com/mig-3g.40gb", 2, "3g.40gb")
    assert offered.gpu.total_bytes == 40448 * MIB


def test_a_device_without_memory_has_the_catalogues() -> None:
    (offered,) = node_gpus({}, {}, devices("n", gpu_device(0, "NVIDIA GB10", None, "12.1.0")))
    assert offered.gpu.total_bytes == find_gpu("GB10").total_bytes
    assert offered.gpu.source_of("memory") is FactSource.CATALOGUE


def test_an_unlisted_product_is_planned_by_its_memory() -> None:
    (offered,) = node_gpus({}, {}, devices("n", gpu_device(0, "NVIDIA New 9999", "40Gi", "13.0.0")))
    assert (offered.gpu.known, offered.gpu.compute_capability) == (False, (13, 0))
    assert offered.gpu.nvml_total_bytes == 40 * GIB


def test_an_unlisted_product_without_memory_is_not_guessed() -> None:
    with pytest.raises(UnknownFact, match="NVIDIA-New-9999"):
        node_gpus({}, {}, devices("n", gpu_device(0, "NVIDIA New 9999", None)))


def test_a_device_without_a_product_names_the_attribute() -> None:
    with pytest.raises(InputError, match="productName"):
        node_gpus({}, {}, devices("n", gpu_device(0, "")))


@pytest.mark.parametrize(
    ("more", "count", "shared"),
    [
        pytest.param({"allowMultipleAllocations": True}, 1, True, id="several claims at once: memory is not divided"),
        pytest.param({"taints": [{"key": "broken", "effect": "NoSchedule"}]}, 0, False, id="tainted"),
        pytest.param({"taints": [{"key": "old", "effect": "None"}]}, 1, False, id="a taint that keeps nobody off"),
    ],
)
def test_devices_that_claims_may_share_or_may_not_have(more: dict[str, Any], count: int, shared: bool) -> None:
    offered = node_gpus({}, {}, devices("n", gpu_device(0, **more)))
    assert [(each.count, each.gpu.shared) for each in offered] == ([(count, shared)] if count else [])


@pytest.mark.parametrize(
    ("slices", "names"),
    [
        pytest.param([slice_of(gpu_device(0))], ["gpu-0"], id="one slice"),
        pytest.param(
            [slice_of(gpu_device(10), slices=2), slice_of(gpu_device(2), slices=2)], ["gpu-2", "gpu-10"], id="both"
        ),
        pytest.param([slice_of(gpu_device(0), slices=2)], [], id="a pool that is not complete is passed over"),
        pytest.param(
            [slice_of(gpu_device(0)), slice_of(gpu_device(1), generation=2)], ["gpu-1"], id="an older generation"
        ),
    ],
)
def test_pools_are_read_as_the_scheduler_reads_them(slices: list[Slice], names: list[str]) -> None:
    assert [device.name for device in devices_of(slices)] == names


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"driver": "nic.example.com", "nodeName": "n"}, id="another driver"),
        pytest.param({"driver": "gpu.nvidia.com", "allNodes": True}, id="of no node"),
    ],
)
def test_slices_of_others_are_passed_over(spec: dict[str, Any]) -> None:
    assert read_slice({"spec": {**spec, "devices": [gpu_device(0)]}}) is None


def test_a_resource_without_a_product_label_is_left_to_claims() -> None:
    offered = node_gpus({}, {"nvidia.com/gpu": "1"}, devices("n", gpu_device(0)))
    assert [each.claimed for each in offered] == [True]
