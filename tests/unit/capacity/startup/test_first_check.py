"""vLLM's first check: free memory at start against the requested memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vlm_operator.capacity.startup.first_check import (
    FirstCheck,
    first_check,
    free_at_start_bytes,
    free_at_start_high_bytes,
    requested_bytes,
)
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.units import GIB

OLD, NEW = EngineVersion(0, 11), EngineVersion(0, 32)


@pytest.mark.parametrize(
    ("version", "size"), [(OLD, 90), (EngineVersion(0, 12, 1), 90), (EngineVersion(0, 13), 91), (NEW, 91)]
)
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


@pytest.mark.parametrize(
    ("free", "most", "passes", "fails"),
    [
        pytest.param(100, 120, True, False, id="just as much as asked for is free"),
        pytest.param(99, 120, False, False, id="a byte less may be"),
        pytest.param(99, 100, False, False, id="the most there may be is just enough"),
        pytest.param(98, 99, False, True, id="the most there may be is a byte short"),
    ],
)
def test_the_check_is_exact_to_the_byte(free: int, most: int, passes: bool, fails: bool) -> None:
    check = FirstCheck(requested_bytes=100, free_bytes=free, free_high_bytes=most)
    assert (check.passes, check.fails_for_certain) == (passes, fails)


@pytest.mark.parametrize(
    ("product", "version", "ranks", "taken_gib"),
    [
        pytest.param("H200", EngineVersion(0, 11, 2), 2, 0.0, id="before 0.12 NCCL comes after the snapshot"),
        pytest.param("H200", EngineVersion(0, 12), 1, 0.0, id="no peers"),
        pytest.param("H200", EngineVersion(0, 12), 2, 2.0, id="NVLink peers since 0.12"),
        pytest.param("RTX-5090", EngineVersion(0, 12), 2, 0.45, id="peers over PCIe"),
        pytest.param("GB10", EngineVersion(0, 12), 2, 0.0, id="unified memory"),
    ],
)
def test_what_peers_take_before_the_snapshot(
    product: str, version: EngineVersion, ranks: int, taken_gib: float
) -> None:
    gpu = find_gpu(product)
    taken = free_at_start_bytes(gpu, version) - free_at_start_bytes(gpu, version, ranks)
    assert taken == int(taken_gib * GIB)


def test_the_most_that_may_be_free_is_never_more_than_the_gpu_has() -> None:
    gpu = find_gpu("H100")
    assert free_at_start_bytes(gpu, NEW) < free_at_start_high_bytes(gpu, NEW) <= gpu.total_bytes
    nearly_all = replace(gpu, free_at_start_bytes=gpu.total_bytes)
    assert free_at_start_high_bytes(nearly_all, NEW) == gpu.total_bytes + gpu.total_uncertainty_bytes
