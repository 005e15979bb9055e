"""Rows of the start-up simulator as the project keeps them (``hack/oracle/startup_peaks_rows.py``)."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.startup_peaks_rows import taken_over

ROW: dict[str, Any] = {
    "id": "qwen3-vl-8b/images",
    "key": "qwen3-vl-8b",
    "catalogue": "Qwen/Qwen3-VL-8B-Instruct",
    "vllm": "0.32.0",
    "engine": {"max_model_len": 32768, "gpu_memory_utilization": 0.9},
    "compiled": True,
    "dummy": [{"modality": "image", "items": 1, "max_tokens": {"image": 16384}, "budget": 16384}],
    "encoderGiB": 2.165,
    "textGiB": 1.375,
    "samplerGiB": 0.637,
    "textStartGiB": 0.5,
    "keptGiB": 0.0,
    "peakGiB": 2.165,
}


def test_the_utilisation_is_left_out_because_the_peak_does_not_depend_on_it() -> None:
    case = taken_over(ROW)
    assert case is not None
    assert case.flags == {"max_model_len": 32768}
    assert case.items == {"modality": "image", "count": 1, "tokens": 16384}
    assert (case.id, case.peak) == ("0.32.0 qwen3-vl-8b images", 2.165)


def test_a_workspace_that_the_run_took_from_the_allocator_is_subtracted_from_every_moment() -> None:
    case = taken_over(ROW | {"cublas": True})
    assert case is not None
    assert [case.encoder, case.text, case.sampler, case.peak] == pytest.approx(
        [2.1338, 1.3438, 0.6058, 2.1338], abs=1e-4
    )
    assert case.left == 0.0


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"error": "ValueError"}, id="the engine did not start"),
        pytest.param({"profileError": "RuntimeError"}, id="the profiling run did not end"),
        pytest.param({"mismatch": "tokens"}, id="the dummy items are not those of the model"),
        pytest.param({"engine": {"hf_overrides": {}}}, id="a flag that changes the model"),
    ],
)
def test_a_row_that_proves_nothing_is_not_taken_over(change: dict[str, Any]) -> None:
    assert taken_over(ROW | change) is None
