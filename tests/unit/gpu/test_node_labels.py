"""Labels and allocatable resources of a node tell which GPUs it offers."""

from __future__ import annotations

import pytest

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.gpu.node_labels import read_gpu_labels, read_node_gpus
from vlm_operator.units import GIB, MIB


def labels(product: str, **more: str) -> dict[str, str]:
    return {"nvidia.com/gpu.product": product, **{f"nvidia.com/gpu.{key}": value for key, value in more.items()}}


def test_a_node_with_two_known_gpus() -> None:
    (offer,) = read_node_gpus(
        labels("NVIDIA-GeForce-RTX-5090", memory="32607"), {"nvidia.com/gpu": "2", "cpu": "16", "memory": "64Gi"}
    )
    assert (offer.gpu, offer.count, offer.resource) == (find_gpu("RTX-5090"), 2, "nvidia.com/gpu")


def test_a_node_without_gpus_offers_none() -> None:
    assert read_node_gpus({}, {"cpu": "8", "nvidia.com/gpu": "0"}) == ()


def test_the_label_wins_where_it_names_another_card_of_the_same_product() -> None:
    gpu = read_gpu_labels(labels("NVIDIA-GeForce-RTX-4060-Ti", memory="8188"))
    assert gpu.total_bytes == 7806 * MIB


@pytest.mark.parametrize(
    ("product", "memory", "total_mib"),
    [
        pytest.param("NVIDIA-GeForce-RTX-4060-Ti", "16380", 15943, id="4060 Ti 16 GB"),
        pytest.param("NVIDIA-GeForce-RTX-3060", "8192", 7833, id="3060 8 GB"),
        pytest.param("NVIDIA-H100", "65247", 64708, id="H100 64 GB: its label is no alias of the H100 80 GB"),
        pytest.param("NVIDIA-H100", "95830", 95232, id="H100 94 GB under the same label"),
        pytest.param("NVIDIA-RTX-A2000", "6138", 5701, id="A2000 6 GB"),
        pytest.param("Orin", "30697", 30697, id="Jetson: the label has CUDA's total"),
        pytest.param("Orin", "62841", 62827, id="Jetson as listed, give or take a kernel"),
    ],
)
def test_product_and_memory_together_decide(product: str, memory: str, total_mib: int) -> None:
    gpu = read_gpu_labels(labels(product, memory=memory))
    assert (gpu.product, gpu.total_bytes // MIB) == (product, total_mib)


def test_a_label_of_several_sizes_without_a_memory_label_is_not_guessed() -> None:
    with pytest.raises(UnknownFact, match="several sizes") as asked:
        read_gpu_labels(labels("NVIDIA-GeForce-RTX-4060-Ti"))
    assert "no memory was read" in (asked.value.hint or "")


def test_a_label_of_one_size_needs_no_memory_label() -> None:
    assert read_gpu_labels(labels("NVIDIA-RTX-A2000")).total_bytes == 5701 * MIB


def test_the_label_wins_where_ecc_takes_a_sixteenth() -> None:
    gpu = read_gpu_labels(labels("NVIDIA-RTX-A6000", memory="46068"))
    assert gpu.total_bytes == 45619 * MIB
    assert any("ECC on" in note for note in gpu.notes)


def test_a_memory_that_nobody_published_is_used_with_its_reason() -> None:
    gpu = read_gpu_labels(labels("NVIDIA-H100-80GB-HBM3", memory="65536"))
    assert 63 * GIB < gpu.total_bytes < 64 * GIB
    assert any("nvidia.com/gpu.memory says 64.00 GiB, the catalogue 79.65 GiB" in note for note in gpu.notes)


def test_a_driver_may_differ_by_a_few_mebibytes_without_a_note() -> None:
    assert read_gpu_labels(labels("NVIDIA-L4", memory="23028")) == find_gpu("L4")


def test_an_unknown_product_with_a_memory_label_is_planned_as_unknown() -> None:
    gpu = read_gpu_labels(
        {
            **labels("NVIDIA-X900", memory="98304"),
            "nvidia.com/gpu.compute.major": "13",
            "nvidia.com/gpu.compute.minor": "0",
        }
    )
    assert not gpu.known
    assert gpu.supported
    assert gpu.compute_capability == (13, 0)
    assert 95 * GIB < gpu.total_bytes < 96 * GIB
    assert gpu.total_uncertainty_bytes > 0


def test_an_unknown_product_without_a_memory_label_stays_unknown() -> None:
    with pytest.raises(UnknownFact, match="NVIDIA-X900"):
        read_gpu_labels(labels("NVIDIA-X900"))


def test_gpus_without_a_product_label_are_unknown_and_say_what_is_missing() -> None:
    with pytest.raises(UnknownFact, match=r"nvidia\.com/gpu\.product") as caught:
        read_node_gpus({}, {"nvidia.com/gpu": "1"})
    assert "gpu-feature-discovery" in (caught.value.hint or "")


def test_bytes_in_the_memory_label_are_understood() -> None:
    assert read_gpu_labels(labels("NVIDIA-L4", memory=str(23034 * MIB))) == find_gpu("L4")


def test_a_memory_label_of_zero_counts_as_missing() -> None:
    assert read_gpu_labels(labels("NVIDIA-GB10", memory="0")) == find_gpu("GB10")


@pytest.mark.parametrize("memory", ["24 GB", "-1", "NaN", "1e9"])
def test_a_memory_label_that_is_no_number_is_bad_input(memory: str) -> None:
    with pytest.raises(InputError, match=r"nvidia\.com/gpu\.memory"):
        read_gpu_labels(labels("NVIDIA-L4", memory=memory))


@pytest.mark.parametrize(
    ("more", "resource"),
    [
        pytest.param({"replicas": "4"}, "nvidia.com/gpu", id="time slicing under the plain name"),
        pytest.param({}, "nvidia.com/gpu.shared", id="renamed resource"),
    ],
)
def test_time_slicing_marks_the_gpu_as_shared(more: dict[str, str], resource: str) -> None:
    (offer,) = read_node_gpus(labels("NVIDIA-L4", **more), {resource: "4"})
    assert offer.gpu.shared


def test_mig_strategy_single_names_the_slice_in_the_product() -> None:
    (offer,) = read_node_gpus(labels("NVIDIA-A100-SXM4-80GB-MIG-1g.10gb", memory="9728"), {"nvidia.com/gpu": "7"})
    assert (offer.gpu.mig_profile, offer.gpu.total_bytes, offer.count) == ("1g.10gb", 9728 * MIB, 7)


def test_mig_strategy_mixed_offers_whole_gpus_and_slices() -> None:
    offers = read_node_gpus(
        {
            **labels("NVIDIA-H100-80GB-HBM3", memory="81559"),
            "nvidia.com/mig-1g.10gb.product": "NVIDIA-H100-80GB-HBM3-MIG-1g.10gb",
            "nvidia.com/mig-1g.10gb.memory": "9984",
        },
        {"nvidia.com/gpu": "1", "nvidia.com/mig-1g.10gb": "7"},
    )
    assert [(offer.resource, offer.count, offer.gpu.mig_profile) for offer in offers] == [
        ("nvidia.com/gpu", 1, None),
        ("nvidia.com/mig-1g.10gb", 7, "1g.10gb"),
    ]


def test_a_slices_own_memory_label_wins() -> None:
    (offer,) = read_node_gpus(
        {**labels("NVIDIA-B200"), "nvidia.com/mig-1g.23gb.memory": "22528"}, {"nvidia.com/mig-1g.23gb": "7"}
    )
    assert offer.gpu.total_bytes == 22528 * MIB
    assert any("label nvidia.com/mig-1g.23gb.memory" in note for note in offer.gpu.notes)


def test_a_slice_of_an_unknown_product_is_planned_from_its_label() -> None:
    (offer,) = read_node_gpus(
        {**labels("NVIDIA-X900"), "nvidia.com/mig-2g.40gb.memory": "40960"}, {"nvidia.com/mig-2g.40gb": "3"}
    )
    assert (offer.gpu.known, offer.gpu.total_bytes) == (False, 40960 * MIB)


def test_amd_gpus_are_named_and_unsupported() -> None:
    (offer,) = read_node_gpus({"amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM"}, {"amd.com/gpu": "8"})
    assert (offer.gpu.product, offer.gpu.supported, offer.count) == ("AMD_Instinct_MI300X_OAM", False, 8)


def test_an_amd_gpu_known_by_its_memory_only_is_unsupported_too() -> None:
    (offer,) = read_node_gpus({"amd.com/gpu.vram": "191G"}, {"amd.com/gpu": "1"})
    assert (offer.gpu.known, offer.gpu.supported) == (False, False)


def test_a_count_that_is_no_number_is_bad_input() -> None:
    with pytest.raises(InputError, match=r"nvidia\.com/gpu"):
        read_node_gpus(labels("NVIDIA-L4"), {"nvidia.com/gpu": "many"})
