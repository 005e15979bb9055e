"""Deciding whether flags fit from a few figures gives what the full evaluation says, at every utilisation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.planning.candidate import candidate, weights_exceed_memory
from vlm_operator.planning.evaluation import evaluate
from vlm_operator.planning.verdict import Verdict
from vlm_operator.sources import load_model
from vlm_operator.units import GIB, MIB

MODELS = [load_model(name, offline=True) for name in ("Qwen/Qwen3-VL-8B-Instruct", "Qwen/Qwen3.5-27B")]
GPUS = [find_gpu(name) for name in ("L4", "RTX-5090", "H100", "GB10")]
MAY_BE_FREE_AS_WELL = 300 * MIB
"""What a start-up may find free beyond what was printed as free."""
VERSIONS = [EngineVersion(0, 12), EngineVersion(0, 20), EngineVersion(0, 32)]


@settings(max_examples=200)
@given(
    utilization=st.none() | st.integers(1, 100).map(lambda hundredths: hundredths / 100),
    context=st.integers(1, 262_144),
    sequences=st.none() | st.sampled_from([1, 64, 1024]),
    kv_cache_bytes=st.sampled_from([None, None, None, GIB // 4, 8 * GIB]),
    model=st.sampled_from(MODELS),
    gpu=st.sampled_from(GPUS),
    version=st.sampled_from(VERSIONS),
)
def test_a_candidate_answers_as_its_evaluation_does(  # type: ignore[no-untyped-def]
    utilization: float | None, context: int, sequences: int | None, kv_cache_bytes: int | None, model, gpu, version
) -> None:
    requested = EngineSettings(
        max_model_len=context,
        max_num_seqs=sequences,
        gpu_memory_utilization=utilization,
        kv_cache_memory_bytes=kv_cache_bytes,
    )
    known, full = candidate(model, gpu, requested, version), evaluate(model, gpu, requested, version)
    assert known.at(utilization) == full.settings
    assert known.headroom_bytes(utilization) == full.headroom_bytes
    assert known.fits(utilization) is (full.verdict is Verdict.FITS)


@pytest.mark.parametrize(("utilization", "verdict"), [(0.3, Verdict.DOES_NOT_FIT), (0.9, Verdict.FITS)])
def test_less_memory_may_no_longer_hold_the_context(utilization: float, verdict: Verdict) -> None:
    gpu = find_gpu("NVIDIA-GeForce-RTX-5090")
    requested = EngineSettings(max_model_len=16384, gpu_memory_utilization=utilization)
    assert evaluate(MODELS[0], gpu, requested, EngineVersion(0, 32)).verdict is verdict


@given(
    utilization=st.integers(30, 95).map(lambda hundredths: hundredths / 100),
    context=st.sampled_from([2048, 32_768, 131_072]),
    layers=st.none() | st.integers(1, 35),
    gpu=st.sampled_from(GPUS),
)
def test_flags_fit_a_pipeline_where_every_stage_does(  # type: ignore[no-untyped-def]
    utilization: float, context: int, layers: int | None, gpu
) -> None:
    requested = EngineSettings(
        max_model_len=context,
        pipeline_parallel_size=2,
        pp_layer_partition=None if layers is None else (layers, 36 - layers),
        gpu_memory_utilization=utilization,
    )
    version = EngineVersion(0, 32)
    known, full = candidate(MODELS[0], gpu, requested, version), evaluate(MODELS[0], gpu, requested, version)
    assert known.headrooms(utilization) == tuple(stage.headroom_bytes for stage in full.stages)
    assert known.headroom_bytes(utilization) == min(known.headrooms(utilization))
    assert known.fits(utilization) is (full.verdict is Verdict.FITS)


@pytest.mark.parametrize(
    ("partition", "fits"),
    [
        pytest.param((18, 18), (True, True), id="both stages"),
        pytest.param((33, 3), (False, True), id="the first is too full"),
        pytest.param((3, 33), (True, False), id="the last is too full"),
    ],
)
def test_one_stage_that_is_too_full_is_enough_for_flags_not_to_fit(
    partition: tuple[int, int], fits: tuple[bool, bool]
) -> None:
    requested = EngineSettings(
        max_model_len=32_768, pipeline_parallel_size=2, pp_layer_partition=partition, gpu_memory_utilization=0.9
    )
    found = candidate(MODELS[0], find_gpu("NVIDIA-A10"), requested, EngineVersion(0, 32))
    assert tuple(headroom >= 0 for headroom in found.headrooms(0.9)) == fits
    assert found.fits(0.9) is all(fits)


@pytest.mark.parametrize(
    ("name", "gpu", "flags", "exceed"),
    [
        pytest.param("Qwen/Qwen3-VL-8B-Instruct", "T4", {}, True, id="16.3 GiB on 15"),
        pytest.param("Qwen/Qwen3-VL-8B-Instruct", "L4", {}, False, id="on 22"),
        pytest.param("Qwen/Qwen3-VL-8B-Instruct", "T4", {"tensor_parallel_size": 2}, False, id="in halves"),
        pytest.param("Qwen/Qwen3-VL-8B-Instruct", "T4", {"pipeline_parallel_size": 2}, False, id="in two stages"),
        pytest.param("Qwen/Qwen3-VL-32B-Instruct", "T4", {"pipeline_parallel_size": 2}, True, id="a stage is too much"),
    ],
)
def test_weights_that_no_flags_could_make_fit(name: str, gpu: str, flags: dict[str, int], exceed: bool) -> None:
    requested = EngineSettings(max_model_len=2048, **flags)  # type: ignore[arg-type]
    model = load_model(name, offline=True)
    assert weights_exceed_memory(model, find_gpu(gpu), requested, EngineVersion(0, 32)) is exceed


def test_a_tower_that_may_be_left_out_does_not_count() -> None:
    """With the tower the weights are more than is free; a flag that switches every modality off drops it."""
    model, version = MODELS[0], EngineVersion(0, 32)
    requested = EngineSettings(max_model_len=2048)
    whole = candidate(model, GPUS[0], requested, version).ranks[0].terms.weights_bytes
    text = candidate(model, GPUS[0], requested.with_(language_model_only=True), version).ranks[0].terms.weights_bytes
    assert text < whole
    for most, exceed in ((whole - 1, False), (text, False), (text - 1, True)):
        card = GPUS[0].with_(free_at_start_bytes=most - MAY_BE_FREE_AS_WELL, total_uncertainty_bytes=0)
        assert candidate(model, card, requested, version).ranks[0].terms.free_at_start_high_bytes == most
        assert weights_exceed_memory(model, card, requested, version) is exceed
