"""Names of GPUs mean products; memory as CUDA sees it is never more than NVML's."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_operator.errors import InputError, UnknownFact, VlmOperatorError
from vlm_operator.gpu.catalogue import aliases_of, all_gpus, find_gpu
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


def test_every_label_and_alias_of_the_catalogue_finds_its_own_product() -> None:
    for gpu in all_gpus():
        assert find_gpu(gpu.product).product == gpu.product
        for alias in aliases_of(gpu.product):
            assert find_gpu(alias).product == gpu.product, alias


def test_cuda_counts_less_than_nvml_on_every_whole_gpu() -> None:
    for gpu in all_gpus():
        if gpu.nvml_total_bytes is not None:
            assert 0 < gpu.nvml_total_bytes - gpu.total_bytes < 1.2 * GIB, gpu.product


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
    assert find_gpu("RTX-4060-Ti-8GB").total_bytes < find_gpu("RTX-4060-Ti").total_bytes // 2 + GIB


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
