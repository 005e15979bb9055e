"""What NVML says becomes facts: its functions are stood in for, since tests run where there is no driver."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from vlm_operator.agent.nvml import local_gpus
from vlm_operator.errors import InputError
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.gpu.facts import Platform
from vlm_operator.units import GIB, MIB


class NVMLError(Exception):
    """As pynvml's."""


def nvml(name: str, total: int, free: int, *, broken: bool = False) -> Any:
    def init() -> None:
        if broken:
            raise NVMLError("Driver Not Loaded")

    return SimpleNamespace(
        NVMLError=NVMLError,
        nvmlInit=init,
        nvmlShutdown=lambda: None,
        nvmlSystemGetDriverVersion=lambda: "580.95",
        nvmlDeviceGetCount=lambda: 1,
        nvmlDeviceGetHandleByIndex=lambda index: index,
        nvmlDeviceGetMemoryInfo=lambda handle: SimpleNamespace(total=total, free=free),
        nvmlDeviceGetCudaComputeCapability=lambda handle: (12, 0),
        nvmlDeviceGetUUID=lambda handle: b"GPU-1",
        nvmlDeviceGetName=lambda handle: name,
    )


def test_a_known_card_that_is_idle_is_the_catalogues() -> None:
    known = find_gpu("RTX-5090")
    assert known.nvml_total_bytes is not None
    (found,) = local_gpus(nvml("NVIDIA GeForce RTX 5090", known.nvml_total_bytes, known.total_bytes))
    assert (found.label, found.driver_version) == (known.label, "580.95")
    assert found.facts().total_bytes == known.total_bytes
    assert found.facts().free_estimate_bytes == known.free_estimate_bytes


def test_what_another_process_uses_is_not_free_at_start() -> None:
    known = find_gpu("RTX-5090")
    assert known.nvml_total_bytes is not None
    (found,) = local_gpus(nvml("NVIDIA GeForce RTX 5090", known.nvml_total_bytes, known.total_bytes - 3 * GIB))
    assert found.facts().free_estimate_bytes == known.free_estimate_bytes - 3 * GIB


def test_an_unknown_card_is_planned_by_its_size_with_wider_bounds() -> None:
    (found,) = local_gpus(nvml("NVIDIA New 9999", 40000 * MIB, 39500 * MIB))
    facts = found.facts()
    assert (facts.known, facts.nvml_total_bytes) == (False, 40000 * MIB)
    assert facts.total_uncertainty_bytes > 0


def test_under_wsl2_the_total_is_nvmls_and_free_is_what_the_desktop_leaves() -> None:
    known = find_gpu("RTX-5090")
    assert known.nvml_total_bytes is not None
    card = nvml("NVIDIA GeForce RTX 5090", known.nvml_total_bytes, known.nvml_total_bytes - 2 * GIB)
    (found,) = local_gpus(card, Platform.WSL2)
    facts = found.facts()
    assert (facts.platform, facts.total_bytes) == (Platform.WSL2, known.nvml_total_bytes)
    assert 2 * GIB < facts.total_bytes - facts.free_estimate_bytes < 3 * GIB


def test_without_a_driver_the_error_says_so() -> None:
    with pytest.raises(InputError, match="Driver Not Loaded") as refused:
        local_gpus(nvml("", 0, 0, broken=True))
    assert refused.value.hint
