"""Measured start-ups correct the budget: by how much, how surely, and what they rule out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.capacity.startup import Budget, startup_budget
from vlm_operator.engine.log_wordings.compile_cache import CompileCache
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import DEFAULT
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.gpu.facts import Platform
from vlm_operator.planning.evidence import (
    ROUNDING_BYTES,
    Evidence,
    Experience,
    MeasuredContainer,
    MemoryShortage,
    corrected,
    experience,
    memory_flags,
)
from vlm_operator.planning.log_evidence import MeasuredStartup, as_evidence, together
from vlm_operator.planning.resolution import resolved
from vlm_operator.units import GIB, MIB

FLAGS = resolved(EngineSettings(max_model_len=8192), qwen3_vl(), gpu(), DEFAULT)
OTHER = FLAGS.with_(max_num_seqs=7)
"""Flags under which another peak is measured."""


def budget(kv: int = 1000 * MIB, *, low: int = 900 * MIB, high: int = 1100 * MIB) -> Budget:
    found = startup_budget(qwen3_vl(), gpu(), FLAGS, DEFAULT)
    return replace(found, kv_cache_bytes=kv, kv_cache_low_bytes=low, kv_cache_high_bytes=high)


def bounds(found: Budget) -> tuple[int, int, int]:
    return found.kv_cache_low_bytes, found.kv_cache_bytes, found.kv_cache_high_bytes


def test_nothing_measured_corrects_nothing() -> None:
    assert corrected(budget(), FLAGS, []) == budget()


def test_the_same_flags_are_known_to_a_rounding() -> None:
    found = corrected(budget(), FLAGS, [(FLAGS, -50 * MIB)])
    assert bounds(found) == (950 * MIB - ROUNDING_BYTES, 950 * MIB, 950 * MIB + ROUNDING_BYTES)


def test_other_flags_move_by_the_same_difference_with_half_the_margin() -> None:
    found = corrected(budget(), FLAGS, [(OTHER, -50 * MIB)])
    assert bounds(found) == (900 * MIB, 950 * MIB, 1000 * MIB)


@pytest.mark.parametrize(
    "change",
    [
        {"gpu_memory_utilization": 0.5},
        {"max_model_len": 1},
        {"kv_cache_dtype": "fp8"},
        {"block_size": 32},
    ],
    ids=lambda change: next(iter(change)),
)
def test_flags_that_change_only_what_is_asked_for_count_as_the_same(change: dict[str, object]) -> None:
    changed = FLAGS.with_(**change)
    assert memory_flags(changed) == memory_flags(FLAGS)
    found = corrected(budget(), FLAGS, [(changed, 10 * MIB)])
    assert found.kv_cache_high_bytes - found.kv_cache_bytes == ROUNDING_BYTES


def test_the_same_flags_count_and_others_do_not_where_both_were_measured() -> None:
    found = corrected(budget(), FLAGS, [(OTHER, -500 * MIB), (FLAGS, -50 * MIB)])
    assert found.kv_cache_bytes == 950 * MIB


def test_measurements_that_contradict_each_other_widen_the_bounds() -> None:
    found = corrected(budget(), FLAGS, [(FLAGS, -60 * MIB), (FLAGS, 20 * MIB)])
    assert bounds(found) == (940 * MIB - ROUNDING_BYTES, 980 * MIB, 1020 * MIB + ROUNDING_BYTES)


def test_evidence_is_compared_with_the_prediction_of_its_own_flags() -> None:
    predicted = budget()
    evidence = Evidence(
        containers=(MeasuredContainer(FLAGS, 990 * MIB),),
        shortages=(
            MemoryShortage(FLAGS, 64 * MIB, outside_budget=False),
            MemoryShortage(FLAGS, 3, outside_budget=True),
        ),
        failed=frozenset({OTHER}),
    )
    found = experience(evidence, lambda settings: settings, lambda settings: predicted)
    assert found.measured == ((FLAGS, -10 * MIB),)
    assert found.peak_bounds == (predicted.weights_bytes + predicted.activation_peak_bytes - 64 * MIB,)
    assert found.failed == {OTHER}
    assert evidence.outside_bytes == 3


COLD = replace(budget(), compile_bytes=300 * MIB, kv_cache_high_bytes=1400 * MIB)
"""1,000 MiB at the first start, 1,300 once the compile cache is filled."""


@pytest.mark.parametrize(
    ("state", "measured", "error"),
    [
        pytest.param("cold", 990, -10, id="a cold start is compared with the first"),
        pytest.param("warm", 1290, -10, id="a warm one with later ones: no more for the first"),
        pytest.param(None, 1290, -10, id="not known: taken for warm"),
        pytest.param(None, 990, -310, id="not known and really cold: the plan becomes careful"),
    ],
)
def test_a_start_is_compared_with_the_prediction_for_its_compile_cache(
    state: CompileCache | None, measured: int, error: int
) -> None:
    evidence = Evidence(containers=(MeasuredContainer(FLAGS, measured * MIB, state),))
    found = experience(evidence, lambda settings: settings, lambda settings: COLD)
    assert found.measured == ((FLAGS, error * MIB),)


def test_a_warm_measurement_keeps_the_first_start_lower() -> None:
    found = corrected(COLD, FLAGS, [(FLAGS, 0)])
    assert (found.kv_cache_bytes, found.kv_cache_low_bytes) == (1000 * MIB, 1000 * MIB - ROUNDING_BYTES)
    assert found.kv_cache_high_bytes == 1300 * MIB + ROUNDING_BYTES
    assert corrected(COLD, FLAGS, [(OTHER, 0)]).kv_cache_high_bytes == 1350 * MIB


@pytest.mark.parametrize(("more", "too_high"), [(0, False), (1, True)])
def test_a_peak_may_be_as_high_as_the_bound_and_no_higher(more: int, too_high: bool) -> None:
    found = budget()
    needed = found.weights_bytes + found.activation_peak_bytes
    assert Experience(peak_bounds=(needed - more, needed + GIB)).peak_too_high(found) is too_high


@pytest.mark.parametrize(
    ("measured", "least", "ruled_out"),
    [
        pytest.param((), 900 * MIB, False, id="nothing measured: the low bound is enough"),
        pytest.param((), 900 * MIB + 1, True, id="nothing measured: a byte above the low bound"),
        pytest.param(((OTHER, 5), (FLAGS, -9)), 1000 * MIB + 5, False, id="the best that was measured is enough"),
        pytest.param(((OTHER, 5), (FLAGS, -9)), 1000 * MIB + 6, True, id="a byte above the best that was measured"),
    ],
)
def test_what_no_reading_of_the_evidence_allows_is_ruled_out(
    measured: tuple[tuple[EngineSettings, int], ...], least: int, ruled_out: bool
) -> None:
    assert Experience(measured=measured).rules_out(budget(), least) is ruled_out


def test_measured_memory_replaces_the_catalogues() -> None:
    card = gpu()
    found = Evidence(total_bytes=30 * GIB, free_at_start_bytes=29 * GIB).gpu(card.with_(total_uncertainty_bytes=5))
    assert (found.total_bytes, found.total_uncertainty_bytes, found.free_at_start_bytes) == (30 * GIB, 0, 29 * GIB)
    assert Evidence().gpu(card) == card


def test_a_printed_total_without_the_drivers_reserve_tells_wsl2() -> None:
    card = find_gpu("RTX-5090")
    found = Evidence(total_bytes=int(31.84 * GIB)).gpu(card)
    assert (found.platform, found.total_bytes) == (Platform.WSL2, int(31.84 * GIB))
    assert found.free_estimate_bytes < card.free_estimate_bytes, "the desktop holds a part"


def test_several_start_ups_are_taken_together() -> None:
    first = as_evidence(
        MeasuredStartup(kv_cache_bytes=5, total_bytes=100, free_bytes=80), FLAGS, failed=False, source="one"
    )
    second = as_evidence(
        MeasuredStartup(missing_bytes=7, outside_budget=True, total_bytes=101, free_bytes=90),
        OTHER,
        failed=True,
        source="two",
    )
    found = together((first, second))
    assert found.containers == (MeasuredContainer(FLAGS, 5),)
    assert found.shortages == (MemoryShortage(OTHER, 7, outside_budget=True),)
    assert (found.total_bytes, found.free_at_start_bytes) == (101, 80), "the newest total, the lowest free memory"
    assert found.failed == {OTHER}
    assert found.sources == ("one", "two")
    nothing = together(())
    assert (nothing.total_bytes, nothing.free_at_start_bytes, nothing.outside_bytes) == (None, None, 0)
