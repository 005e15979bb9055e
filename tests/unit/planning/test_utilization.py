"""Judging the same flags at another utilisation gives what judging them anew gives."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.planning.evaluation import at_utilization, evaluate
from vlm_operator.planning.verdict import Verdict
from vlm_operator.sources import load_model

MODEL = load_model("Qwen/Qwen3-VL-8B-Instruct", offline=True)


@settings(max_examples=60)
@given(
    hundredths=st.integers(1, 95),
    context=st.integers(1024, 262_144),
    product=st.sampled_from(["NVIDIA-L4", "NVIDIA-GeForce-RTX-5090", "NVIDIA-H100-80GB-HBM3"]),
    version=st.sampled_from([EngineVersion(0, 12), EngineVersion(0, 20), EngineVersion(0, 32)]),
)
def test_another_utilisation_is_as_if_it_had_been_asked_for(
    hundredths: int, context: int, product: str, version: EngineVersion
) -> None:
    gpu, requested = find_gpu(product), EngineSettings(max_model_len=context)
    moved = at_utilization(evaluate(MODEL, gpu, requested, version), MODEL, gpu, version, utilization=hundredths / 100)
    assert moved == evaluate(MODEL, gpu, requested.with_(gpu_memory_utilization=hundredths / 100), version)


@pytest.mark.parametrize(("utilization", "verdict"), [(0.3, Verdict.DOES_NOT_FIT), (0.9, Verdict.FITS)])
def test_less_memory_may_no_longer_hold_the_context(utilization: float, verdict: Verdict) -> None:
    gpu = find_gpu("NVIDIA-GeForce-RTX-5090")
    start = evaluate(MODEL, gpu, EngineSettings(max_model_len=16384), EngineVersion(0, 32))
    assert at_utilization(start, MODEL, gpu, EngineVersion(0, 32), utilization=utilization).verdict is verdict
