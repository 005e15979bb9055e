"""Which printed figures of a start-up become evidence, and which do not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vlm_operator.diagnosis import Diagnosis, Outcome
from vlm_operator.diagnosis.failure import Failure, FreeMemoryTooLow, KVCacheTooSmall, OutOfMemory
from vlm_operator.diagnosis.observation import Observation
from vlm_operator.engine.kv_cache_rules import NULL_BLOCK_SINCE
from vlm_operator.engine.log_wordings import FailureClass
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import DEFAULT, EngineVersion
from vlm_operator.planning.log_evidence import LEAST_SHORTAGE_BYTES, MeasuredStartup, as_evidence, measured_startup
from vlm_operator.units import GIB, MIB

BLOCK = 3 * MIB


def failed(kind: type[Failure], *, stage: str | None = None, **figures: Any) -> Failure:
    return kind(
        kind="some_kind", reason=kind.reasons[0], failure_class=FailureClass.MEMORY, retunable=True, line=1,
        message="words", stage=stage, **figures,
    )  # fmt: skip


def read(failure: Failure | None = None, version: EngineVersion = DEFAULT, **figures: Any) -> MeasuredStartup:
    outcome = Outcome.STARTED if failure is None else Outcome.FAILED
    return measured_startup(Diagnosis(outcome, str(version), failure, Observation(**figures)), BLOCK, version)


def test_what_a_log_prints_is_taken_in_bytes() -> None:
    found = read(
        weights_gib=16.0, kv_gib=8.5, kv_tokens=61904, graph_gib=0.25, free_gib=30.0, total_gib=31.36,
        activation_gib=1.5, non_torch_gib=0.125,
    )  # fmt: skip
    assert found == MeasuredStartup(
        kv_cache_bytes=17 * GIB // 2,
        kv_tokens=61904,
        weights_bytes=16 * GIB,
        activation_peak_bytes=3 * GIB // 2,
        non_torch_bytes=GIB // 8,
        cuda_graph_bytes=GIB // 4,
        total_bytes=round(31.36 * GIB),
        free_bytes=30 * GIB,
    )


def test_what_is_not_printed_is_not_known() -> None:
    assert read() == MeasuredStartup()


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        pytest.param(NULL_BLOCK_SINCE, GIB + BLOCK, id="the message leaves the null block out"),
        pytest.param(EngineVersion(0, 11), GIB, id="before, it was counted"),
    ],
)
def test_a_cache_that_is_too_small_is_a_measured_one(version: EngineVersion, expected: int) -> None:
    assert read(failed(KVCacheTooSmall, available_bytes=GIB), version).kv_cache_bytes == expected


def test_a_budget_that_was_printed_goes_before_the_figure_of_the_message() -> None:
    assert read(failed(KVCacheTooSmall, available_bytes=GIB), kv_gib=2.0).kv_cache_bytes == 2 * GIB
    assert read(failed(KVCacheTooSmall)).kv_cache_bytes is None


@pytest.mark.parametrize(
    ("figures", "expected"),
    [
        pytest.param({"total_bytes": 24 * GIB, "free_bytes": 20 * GIB}, (24 * GIB, 20 * GIB), id="the message's"),
        pytest.param({"total_bytes": 24 * GIB, "free_bytes": 0}, (24 * GIB, 0), id="nothing at all was free"),
        pytest.param({}, (23 * GIB, 21 * GIB), id="those printed before"),
    ],
)  # fmt: skip
def test_too_little_free_memory_says_total_and_free(figures: dict[str, int], expected: tuple[int, int]) -> None:
    found = read(failed(FreeMemoryTooLow, **figures), total_gib=23.0, free_gib=21.0)
    assert (found.total_bytes, found.free_bytes) == expected
    assert (found.missing_bytes, found.outside_budget) == (None, False)


@pytest.mark.parametrize(
    ("tried", "free", "missing"),
    [
        pytest.param(2 * GIB, GIB // 2, 3 * GIB // 2, id="what was tried less what was free"),
        pytest.param(2 * GIB, None, 2 * GIB, id="nothing is said of what was free"),
        pytest.param(20 * MIB, 10 * MIB, LEAST_SHORTAGE_BYTES, id="at least a step of large allocations"),
        pytest.param(None, None, 256 * MIB, id="no figures"),
        pytest.param(None, GIB, 256 * MIB, id="only what was free"),
    ],
)
def test_out_of_memory_is_a_shortage(tried: int | None, free: int | None, missing: int) -> None:
    figures = {"tried_alloc_bytes": tried, "free_bytes": free, "total_bytes": 24 * GIB}
    found = read(failed(OutOfMemory, **figures), total_gib=23.0, free_gib=21.0)
    assert (found.missing_bytes, found.total_bytes, found.free_bytes) == (missing, 24 * GIB, 21 * GIB)


@pytest.mark.parametrize(
    ("stage", "outside"),
    [("load", False), ("profile", False), ("graph_estimate", False), (None, False), ("kv_alloc", True),
     ("graph", True), ("sampler", True), ("serving", True)],
)  # fmt: skip
def test_less_utilisation_helps_only_after_the_cache_was_sized(stage: str | None, outside: bool) -> None:
    assert read(failed(OutOfMemory, stage=stage)).outside_budget is outside
    assert read(failed(OutOfMemory, stage=stage), total_gib=23.0).total_bytes == 23 * GIB


def test_a_start_up_is_evidence_for_its_own_flags() -> None:
    flags = EngineSettings(max_model_len=8192)
    startup = MeasuredStartup(kv_cache_bytes=5, missing_bytes=7, outside_budget=True, total_bytes=9, free_bytes=8)
    found = as_evidence(startup, flags, failed=True, source="a log")
    assert [(each.settings, each.kv_cache_bytes) for each in found.containers] == [(flags, 5)]
    assert [(each.settings, each.missing_bytes, each.outside_budget) for each in found.shortages] == [(flags, 7, True)]
    assert (found.total_bytes, found.free_at_start_bytes) == (9, 8)
    assert (found.failed, found.sources) == (frozenset({flags}), ("a log",))
    started = as_evidence(replace(startup, kv_cache_bytes=None, missing_bytes=None), flags, failed=False, source="s")
    assert (started.containers, started.shortages, started.failed) == ((), (), frozenset())


def test_nothing_left_for_the_cache_is_a_measurement_too() -> None:
    found = as_evidence(MeasuredStartup(kv_cache_bytes=0), EngineSettings(), failed=True, source="s")
    assert [each.kv_cache_bytes for each in found.containers] == [0]
