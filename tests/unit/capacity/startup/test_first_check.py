"""vLLM's first check: free memory at start against the requested memory."""

from __future__ import annotations

import pytest

from vlm_operator.capacity.startup.first_check import first_check, free_at_start_bytes, requested_bytes
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.units import GIB

OLD, NEW = EngineVersion(0, 11), EngineVersion(0, 32)


@pytest.mark.parametrize(("version", "size"), [(OLD, 90), (EngineVersion(0, 12), 90), (NEW, 91)])
def test_the_request_is_rounded_up_from_0_13(version: EngineVersion, size: int) -> None:
    assert requested_bytes(101, 0.9, version) == size


def test_a_whole_idle_gpu_does_not_grant_all_of_itself() -> None:
    check = first_check(find_gpu("RTX-5090"), 1.0, NEW)
    assert not check.passes
    assert check.fails_for_certain


@pytest.mark.parametrize(
    ("product", "utilization", "version", "ranks"),
    [
        pytest.param("RTX-5090", 0.955, EngineVersion(0, 26), 1, id="RTX 5090 at 0.955"),
        pytest.param("RTX-5090", 0.96, EngineVersion(0, 27), 2, id="two RTX 5090 at 0.96"),
        pytest.param("H100", 0.9, OLD, 1, id="H100 at 0.9"),
        pytest.param("H100", 0.92, NEW, 8, id="eight H100 at 0.92"),
        pytest.param("L4", 0.92, OLD, 1, id="L4 at 0.92"),
        pytest.param("GB10", 0.89, EngineVersion(0, 25), 1, id="GB10 at 0.89"),
    ],
)
def test_published_start_ups_are_not_refused(
    product: str, utilization: float, version: EngineVersion, ranks: int
) -> None:
    assert not first_check(find_gpu(product), utilization, version, ranks).fails_for_certain


def test_peers_lower_free_memory_from_0_12() -> None:
    gpu = find_gpu("H200")
    assert free_at_start_bytes(gpu, NEW, 4) < free_at_start_bytes(gpu, NEW, 1)
    assert free_at_start_bytes(gpu, OLD, 4) == free_at_start_bytes(gpu, OLD, 1)


def test_a_published_free_figure_is_used_as_it_is() -> None:
    assert free_at_start_bytes(find_gpu("H100"), NEW) / GIB == pytest.approx(78.65, abs=0.01)
