"""CUDA's total under Linux, WSL2 and Windows."""

from __future__ import annotations

import pytest

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.gpu.facts import Platform, custom_gpu
from vlm_operator.gpu.node_labels import KERNEL_LABEL, is_planning_label, read_node_gpus
from vlm_operator.gpu.platform import on_platform, platform_of_kernel, seems_without_reserve
from vlm_operator.units import GIB, MIB


@pytest.mark.parametrize(
    ("product", "platform", "total_gib"),
    [
        pytest.param("RTX-5070-Ti", Platform.WSL2, 15.92, id="5070 Ti under WSL2, as vLLM printed"),
        pytest.param("RTX-5090", Platform.WSL2, 31.84, id="5090 under WSL2, as vLLM printed"),
        pytest.param("RTX-4090", Platform.WINDOWS, 23.99, id="4090 under Windows, as torch printed"),
        pytest.param("RTX-5080", Platform.WINDOWS, 15.92, id="5080 under Windows, as torch printed"),
        pytest.param("RTX-5090", Platform.LINUX, 31.35, id="5090 under Linux"),
    ],
)
def test_total_of_a_card(product: str, platform: Platform, total_gib: float) -> None:
    assert on_platform(find_gpu(product), platform).total_bytes / GIB == pytest.approx(total_gib, abs=0.006)


def test_the_desktop_is_missing_from_free_memory() -> None:
    gpu = on_platform(find_gpu("RTX-5090"), Platform.WSL2)
    assert 0.8 * GIB < gpu.total_bytes - gpu.free_estimate_bytes < 1.9 * GIB
    assert gpu.free_uncertainty_bytes >= 400 * MIB
    assert "wsl2" in gpu.notes[-1]


def test_linux_changes_nothing() -> None:
    gpu = find_gpu("L40S")
    assert on_platform(gpu, Platform.LINUX) is gpu


@pytest.mark.parametrize("product", ["H100", "NVIDIA-GB10", "AMD_Instinct_MI300X_OAM"])
def test_a_card_whose_total_there_is_not_known_is_refused(product: str) -> None:
    with pytest.raises(UnknownFact, match="under wsl2 is not known") as refused:
        on_platform(find_gpu(product), Platform.WSL2)
    assert refused.value.field == "platform"
    assert "--gpu-memory" in (refused.value.hint or "")


def test_a_stated_size_is_the_total_on_every_platform() -> None:
    assert on_platform(custom_gpu(20 * GIB), Platform.WSL2).total_bytes == 20 * GIB


def test_a_card_is_not_moved_between_platforms() -> None:
    with pytest.raises(InputError, match="under wsl2 already, not linux"):
        on_platform(on_platform(find_gpu("RTX-5090"), Platform.WSL2), Platform.LINUX)


@pytest.mark.parametrize(
    ("release", "system", "platform"),
    [
        pytest.param("5.15.167.4-microsoft-standard-WSL2", "Linux", Platform.WSL2, id="WSL2"),
        pytest.param("6.8.0-57-generic", "Linux", Platform.LINUX, id="Ubuntu"),
        pytest.param("11", "Windows", Platform.WINDOWS, id="Windows"),
        pytest.param("", "Linux", Platform.LINUX, id="not known"),
    ],
)
def test_the_kernel_tells_the_platform(release: str, system: str, platform: Platform) -> None:
    assert platform_of_kernel(release, system) is platform


def test_a_nodes_kernel_label_tells_wsl2() -> None:
    assert is_planning_label(KERNEL_LABEL)
    labels = {"nvidia.com/gpu.product": "NVIDIA-GeForce-RTX-5090", KERNEL_LABEL: "5.15.1-microsoft-standard-WSL2"}
    (offered,) = read_node_gpus(labels, {"nvidia.com/gpu": "1"})
    assert (offered.gpu.platform, offered.gpu.total_bytes) == (Platform.WSL2, 32607 * MIB)


@pytest.mark.parametrize(
    ("product", "printed_gib", "without"),
    [
        pytest.param("RTX-5090", 31.84, True, id="NVML's total: no reserve"),
        pytest.param("RTX-5090", 31.35, False, id="the total under Linux"),
        pytest.param("RTX-5090", 31.6, False, id="neither"),
        pytest.param("NVIDIA-A100-SXM4-80GB", 80.0, False, id="data-centre cards have no such platform"),
    ],
)
def test_a_printed_total_tells_the_platform(product: str, printed_gib: float, without: bool) -> None:
    assert seems_without_reserve(find_gpu(product), int(printed_gib * GIB)) is without
