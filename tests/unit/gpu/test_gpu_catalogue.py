"""Names of GPUs mean products; memory as CUDA sees it is never more than NVML's."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_operator.errors import InputError, UnknownFact, VlmOperatorError
from vlm_operator.gpu.catalogue import aliases_of, all_gpus, find_gpu, labelled_gpu, means
from vlm_operator.gpu.facts import MemoryKind, Vendor, cuda_total_of, custom_gpu
from vlm_operator.units import GIB, MIB


@pytest.mark.parametrize(
    ("name", "product"),
    [
        pytest.param("NVIDIA-GeForce-RTX-5090", "NVIDIA-GeForce-RTX-5090", id="label"),
        pytest.param("NVIDIA GeForce RTX 5090", "NVIDIA-GeForce-RTX-5090", id="name that NVML gives"),
        pytest.param("rtx_5090", "NVIDIA-GeForce-RTX-5090", id="underscore and small letters"),
        pytest.param(" RTX5090 ", "NVIDIA-GeForce-RTX-5090", id="no separator, spaces around"),
        pytest.param("H100", "NVIDIA-H100-80GB-HBM3", id="alias of the common board"),
        pytest.param("H100 80GB HBM3", "NVIDIA-H100-80GB-HBM3", id="name without the brand"),
        pytest.param("H100-PCIe", "NVIDIA-H100-PCIe", id="other board of the same chip"),
        pytest.param("A100 40GB", "NVIDIA-A100-SXM4-40GB", id="size tells boards apart"),
        pytest.param("A100", "NVIDIA-A100-SXM4-80GB", id="larger board where no size is named"),
        pytest.param("T4", "Tesla-T4", id="brand in front of the chip"),
        pytest.param("L40S", "NVIDIA-L40S", id="L40S is not L40"),
        pytest.param("L40", "NVIDIA-L40", id="L40 is not L40S"),
        pytest.param(
            "RTX-PRO-6000-Max-Q", "NVIDIA-RTX-PRO-6000-Blackwell-Max-Q-Workstation-Edition", id="long product"
        ),
        pytest.param("MI300X", "AMD_Instinct_MI300X_OAM", id="AMD"),
    ],
)
def test_a_name_means_one_product(name: str, product: str) -> None:
    assert find_gpu(name).product == product


def test_every_label_finds_its_own_product() -> None:
    for gpu in all_gpus():
        assert labelled_gpu(gpu.product, 1).product == gpu.product
        assert labelled_gpu(gpu.product.replace("-", " "), 1).product == gpu.product


def test_every_alias_finds_its_own_card_and_the_first_one_leaves_nothing_open() -> None:
    for gpu in all_gpus():
        for alias in aliases_of(gpu):
            assert means(alias, gpu), alias
            with contextlib.suppress(UnknownFact):
                assert find_gpu(alias) == gpu, alias
        assert find_gpu(aliases_of(gpu)[0]) == gpu


def test_cuda_counts_less_than_nvml_on_every_whole_gpu() -> None:
    for gpu in all_gpus():
        if gpu.nvml_total_bytes is not None:
            assert 0 <= gpu.nvml_total_bytes - gpu.total_bytes < 1.2 * GIB, gpu.product


def test_free_memory_at_start_is_below_the_total() -> None:
    for gpu in all_gpus():
        assert 0 < gpu.free_estimate_bytes < gpu.total_bytes, gpu.product


def test_only_nvidia_products_are_supported_and_have_a_capability() -> None:
    for gpu in all_gpus():
        assert gpu.supported == (gpu.vendor is Vendor.NVIDIA) == (gpu.compute_capability is not None), gpu.product


@pytest.mark.parametrize(
    ("name", "profile", "mib"),
    [
        pytest.param("NVIDIA-A100-SXM4-80GB-MIG-1g.10gb", "1g.10gb", 9728, id="A100"),
        pytest.param("H200-MIG-1g.18gb", "1g.18gb", 16384, id="alias and slice"),
        pytest.param("NVIDIA-H100-80GB-HBM3-MIG-1g.10gb.me", "1g.10gb.me", 9984, id="media engine suffix"),
        pytest.param("NVIDIA-H100-80GB-HBM3-mig-7G.80GB", "7g.80gb", 81152, id="case"),
    ],
)
def test_a_slice_has_the_memory_of_its_profile(name: str, profile: str, mib: int) -> None:
    gpu = find_gpu(name)
    assert (gpu.mig_profile, gpu.total_bytes) == (profile, mib * MIB)
    assert gpu.label.endswith(f"-MIG-{profile}")


def test_an_unknown_slice_names_the_known_ones() -> None:
    with pytest.raises(UnknownFact, match="5g") as caught:
        find_gpu("H100-MIG-5g.50gb")
    assert "1g.10gb" in (caught.value.hint or "")


def test_a_shared_gpu_says_that_others_use_its_memory() -> None:
    gpu = find_gpu("Tesla-T4-SHARED")
    assert gpu.shared
    assert any("other pods" in note for note in gpu.notes)
    assert not find_gpu("Tesla-T4").shared


def test_a_memory_variant_of_one_label_is_found_by_its_size() -> None:
    assert find_gpu("RTX-4060-Ti-8GB").total_bytes < find_gpu("RTX-4060-Ti-16GB").total_bytes // 2 + GIB


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        pytest.param("RTX-4060-Ti", "RTX-4060-Ti-8GB or RTX-4060-Ti-16GB", id="4060 Ti"),
        pytest.param("NVIDIA GeForce RTX 4060 Ti", "RTX-4060-Ti-8GB or RTX-4060-Ti-16GB", id="NVML's name"),
        pytest.param("5060 ti", "RTX-5060-Ti-8GB or RTX-5060-Ti-16GB", id="5060 Ti"),
        pytest.param("rtx3080", "RTX-3080-10GB or RTX-3080-12GB", id="3080"),
        pytest.param("NVIDIA-GeForce-RTX-3060", "RTX-3060-8GB or RTX-3060-12GB", id="3060"),
        pytest.param("RTX-3080-Laptop-GPU", "RTX-3080-Laptop-8GB or RTX-3080-Laptop-16GB", id="3080 in a laptop"),
        pytest.param("A2000", "RTX-A2000-6GB or RTX-A2000-12GB", id="A2000: two labels, one name"),
        pytest.param("RTX-PRO-5000", "RTX-PRO-5000-48GB or RTX-PRO-5000-72GB", id="RTX PRO 5000"),
        pytest.param("H20", "H20-96GB or H20-141GB", id="H20"),
        pytest.param("Jetson-AGX-Orin", "Jetson-AGX-Orin-32GB or Jetson-AGX-Orin-64GB", id="Orin"),
    ],
)
def test_a_name_that_leaves_the_size_open_is_asked_about(name: str, sizes: str) -> None:
    with pytest.raises(UnknownFact, match="several sizes of memory") as asked:
        find_gpu(name)
    assert sizes in (asked.value.hint or "")


@pytest.mark.parametrize(
    ("name", "nvml_mib", "product"),
    [
        pytest.param("RTX-4060", 8188, "NVIDIA-GeForce-RTX-4060", id="4060"),
        pytest.param("4070 Ti", 12282, "NVIDIA-GeForce-RTX-4070-Ti", id="4070 Ti"),
        pytest.param("RTX 4070 SUPER", 12282, "NVIDIA-GeForce-RTX-4070-SUPER", id="4070 SUPER"),
        pytest.param("RTX-3070", 8192, "NVIDIA-GeForce-RTX-3070", id="3070"),
        pytest.param("RTX-3060-Ti", 8192, "NVIDIA-GeForce-RTX-3060-Ti", id="3060 Ti is not 3060"),
        pytest.param("RTX-5060", 8151, "NVIDIA-GeForce-RTX-5060", id="5060 is not 5060 Ti"),
        pytest.param("RTX-5050", 8151, "NVIDIA-GeForce-RTX-5050", id="5050"),
        pytest.param("RTX 4090 D", 24564, "NVIDIA-GeForce-RTX-4090-D", id="4090 D"),
        pytest.param("RTX 5090 D", 32607, "NVIDIA-GeForce-RTX-5090-D", id="5090 D"),
        pytest.param("RTX 5090 D v2", 24455, "NVIDIA-GeForce-RTX-5090-D-v2", id="5090 D v2 has less"),
        pytest.param("RTX 4090 Laptop GPU", 16376, "NVIDIA-GeForce-RTX-4090-Laptop-GPU", id="laptop card has less"),
        pytest.param("RTX-A2000-12GB", 12282, "NVIDIA-RTX-A2000-12GB", id="A2000 12 GB"),
        pytest.param("A5500", 24564, "NVIDIA-RTX-A5500", id="A5500"),
        pytest.param("A16", 15356, "NVIDIA-A16", id="one of an A16's four"),
        pytest.param("L2", 23034, "NVIDIA-L2", id="L2"),
        pytest.param("Quadro RTX 6000", 24576, "Quadro-RTX-6000", id="Quadro, not Ada"),
        pytest.param("Quadro RTX 8000", 49152, "Quadro-RTX-8000", id="Quadro RTX 8000"),
        pytest.param("TITAN RTX", 24576, "TITAN-RTX", id="TITAN RTX"),
        pytest.param("V100-PCIE-32GB", 32768, "Tesla-V100-PCIE-32GB", id="V100 PCIe 32 GB"),
        pytest.param("H100-64GB", 65247, "NVIDIA-H100", id="H100 64 GB"),
        pytest.param("H100-96GB", 95830, "NVIDIA-H100", id="H100 96 GB"),
        pytest.param("GH200-144GB", 146831, "NVIDIA-GH200-144G-HBM3e", id="GH200 144 GB"),
        pytest.param("H20-3e", 143771, "NVIDIA-H20-3e", id="H20-3e"),
        pytest.param("RTX-PRO-2000", 16311, "NVIDIA-RTX-PRO-2000-Blackwell", id="RTX PRO 2000"),
    ],
)
def test_a_product_has_the_memory_that_nvidia_smi_prints(name: str, nvml_mib: int, product: str) -> None:
    gpu = find_gpu(name)
    assert (gpu.product, gpu.nvml_total_bytes) == (product, nvml_mib * MIB)


@pytest.mark.parametrize(
    ("name", "total_mib", "capability"),
    [
        pytest.param("Jetson-AGX-Orin-64GB", 62827, (8, 7), id="AGX Orin 64 GB"),
        pytest.param("Jetson-AGX-Orin-32GB", 30622, (8, 7), id="AGX Orin 32 GB"),
        pytest.param("Jetson-Orin-NX-16GB", 15523, (8, 7), id="Orin NX"),
        pytest.param("Jetson-Orin-Nano-Super", 7546, (8, 7), id="Orin Nano"),
        pytest.param("Jetson-Thor", 125748, (11, 0), id="Thor"),
    ],
)
def test_a_jetson_shares_its_memory(name: str, total_mib: int, capability: tuple[int, int]) -> None:
    gpu = find_gpu(name)
    assert (gpu.total_bytes, gpu.compute_capability) == (total_mib * MIB, capability)
    assert gpu.memory_kind is MemoryKind.UNIFIED
    assert 0.8 < gpu.free_estimate_bytes / gpu.total_bytes < 0.9
    assert gpu.free_uncertainty_bytes < gpu.total_bytes / 5


def test_mi350x_is_not_mi355x() -> None:
    assert find_gpu("MI350X").product == "AMD_Instinct_MI350_OAM"
    assert find_gpu("MI355X").product == "AMD_Instinct_MI355_OAM"


def test_a_name_that_leaves_the_size_open_means_each_size() -> None:
    small, large = find_gpu("RTX-4060-Ti-8GB"), find_gpu("RTX-4060-Ti-16GB")
    assert means("NVIDIA-GeForce-RTX-4060-Ti", small)
    assert means("NVIDIA-GeForce-RTX-4060-Ti", large)
    assert means("RTX-4060-Ti-16GB", large)
    assert not means("RTX-4060-Ti-16GB", small)
    assert not means("RTX-4060-Ti", find_gpu("RTX-4060"))
    assert not means("no such card", large)


def test_an_unknown_product_names_close_ones_and_the_way_out() -> None:
    with pytest.raises(UnknownFact, match="NVIDIA-GeForce-RTX-5090") as caught:
        find_gpu("RTX-5099")
    assert "--gpu-memory" in (caught.value.hint or "")
    assert caught.value.field == "gpu"


@pytest.mark.parametrize("name", ["", "   "])
def test_an_empty_name_is_bad_input(name: str) -> None:
    with pytest.raises(InputError):
        find_gpu(name)


@given(st.text(max_size=80))
def test_any_text_gives_a_gpu_or_an_error_of_ours(name: str) -> None:
    with contextlib.suppress(VlmOperatorError):
        assert find_gpu(name).total_bytes > 0


@given(st.integers(min_value=4 * GIB, max_value=512 * GIB))
def test_an_unlisted_card_keeps_most_of_what_nvml_counts(nvml: int) -> None:
    total, uncertainty = cuda_total_of(nvml)
    assert nvml - 1.5 * GIB < total < nvml
    assert uncertainty > 0


def test_the_rule_for_unlisted_cards_holds_for_the_listed_ones() -> None:
    gaps = [
        abs(cuda_total_of(gpu.nvml_total_bytes)[0] - gpu.total_bytes)
        for gpu in all_gpus()
        if gpu.nvml_total_bytes is not None
    ]
    assert sorted(gaps)[len(gaps) * 9 // 10] < 250 * MIB


def test_a_custom_size_is_planned_as_unknown() -> None:
    gpu = custom_gpu(24 * GIB)
    assert (gpu.total_bytes, gpu.known, gpu.supported) == (24 * GIB, False, True)


@pytest.mark.parametrize("size", [0, 1024, 5000 * GIB], ids=["zero", "a kibibyte", "beyond any board"])
def test_an_impossible_size_is_refused(size: int) -> None:
    with pytest.raises(InputError, match="gpu-memory"):
        custom_gpu(size)


def test_unified_memory_admits_that_free_memory_varies() -> None:
    gpu = find_gpu("GB10")
    assert gpu.memory_kind is MemoryKind.UNIFIED
    assert gpu.free_uncertainty_bytes > 5 * GIB
    assert gpu.nvml_total_bytes is None
