"""Deciding whether flags fit from a few figures gives what the full evaluation says, at every utilisation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.planning.candidate import candidate
from vlm_operator.planning.evaluation import evaluate
from vlm_operator.planning.verdict import Verdict
from vlm_operator.sources import load_model
from vlm_operator.units import GIB

MODELS = [load_model(name, offline=True) for name in ("Qwen/Qwen3-VL-8B-Instruct", "Qwen/Qwen3.5-27B")]
GPUS = [find_gpu(name) for name in ("L4", "RTX-5090", "H100", "GB10")]
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
