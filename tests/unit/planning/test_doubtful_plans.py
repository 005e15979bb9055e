"""A plan that would fit is not said to where its facts were derived, or flags take memory that is not counted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.model.facts import ModelFacts, Quantization
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.verdict import Reason, Verdict

DERIVED = replace(qwen3_vl(), derived="its base is qwen3-vl-8b")
QUANTISED = replace(DERIVED, quantization=Quantization("fp8", 8))
SPECULATIVE = ("--speculative-config", "--enable-lora")


@pytest.mark.parametrize(
    ("model", "uncounted", "verdict", "reason"),
    [
        pytest.param(qwen3_vl(), (), Verdict.FITS, Reason.FITS, id="a config that was read"),
        pytest.param(DERIVED, (), Verdict.FITS_TIGHT, Reason.MODEL_DERIVED, id="derived from a name"),
        pytest.param(QUANTISED, (), Verdict.UNKNOWN, Reason.MODEL_DERIVED, id="a derived quantisation: weights vary"),
        pytest.param(qwen3_vl(), SPECULATIVE, Verdict.FITS_TIGHT, Reason.UNCOUNTED_FLAGS, id="flags not counted"),
        pytest.param(DERIVED, SPECULATIVE, Verdict.FITS_TIGHT, Reason.MODEL_DERIVED, id="both"),
    ],
)
def test_what_would_fit_is_as_certain_as_its_facts(
    model: ModelFacts, uncounted: tuple[str, ...], verdict: Verdict, reason: Reason
) -> None:
    found = plan(model, gpu("H100"), Intent(gpu_count=1, uncounted_flags=uncounted))
    assert (found.verdict, found.reason) == (verdict, reason)
    assert ("(derived: its base is qwen3-vl-8b)" in found.message) is (model.derived is not None)
    words = "--speculative-config, --enable-lora change memory in ways that the plan does not count"
    assert (words in found.message) is bool(uncounted)
    assert found.hint == (Reason.MODEL_DERIVED.remedy if model.derived is not None else None)
    assert found.remedies == ()


@pytest.mark.parametrize(
    ("read_with", "served_with", "verdict"),
    [
        pytest.param(None, None, Verdict.FITS, id="none"),
        pytest.param('{"a":1}', '{"a":1}', Verdict.FITS, id="read as served"),
        pytest.param(None, '{"a":1}', Verdict.FITS_TIGHT, id="read as published"),
        pytest.param('{"a":2}', '{"a":1}', Verdict.FITS_TIGHT, id="read with others"),
    ],
)
def test_overrides_of_the_config_are_certain_where_it_was_read_with_them(
    read_with: str | None, served_with: str | None, verdict: Verdict
) -> None:
    model = replace(qwen3_vl(), hf_overrides=read_with)
    found = plan(model, gpu("H100"), Intent(gpu_count=1, hf_overrides=served_with))
    assert found.verdict is verdict
    words = "--hf-overrides changes memory in ways that the plan does not count"
    assert (words in found.message) is (verdict is Verdict.FITS_TIGHT)


@pytest.mark.parametrize("model", [DERIVED, QUANTISED], ids=["derived", "quantised"])
def test_what_does_not_fit_is_refused_though_it_is_derived(model: ModelFacts) -> None:
    flags = EngineSettings(max_model_len=262_144, gpu_memory_utilization=0.5)
    asked = Intent(settings=flags, pinned=frozenset({"max_model_len", "gpu_memory_utilization"}), gpu_count=1)
    found = plan(model, gpu("RTX-4090"), asked)
    read = plan(replace(model, derived=None), gpu("RTX-4090"), asked)
    assert (found.verdict, found.reason) == (read.verdict, read.reason)
    assert found.verdict is Verdict.DOES_NOT_FIT
    assert found.message == f"{read.message} (derived: its base is qwen3-vl-8b)"
    assert found.hint == f"{read.hint}; {Reason.MODEL_DERIVED.remedy}"
