"""Which releases serve a model's class, and on which generations of GPUs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import gpu, qwen3, qwen3_vl
from vlm_operator.engine.architectures import Releases, releases_of, serves
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.feasibility import InfeasibleReason, refusals
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.verdict import Verdict

PLAIN = EngineSettings()


@pytest.mark.parametrize(
    ("architecture", "runs"),
    [
        pytest.param("Qwen3_5ForConditionalGeneration", [(17, 33)], id="came with 0.17"),
        pytest.param("Gemma4ForConditionalGeneration", [(19, 33)], id="came with 0.19"),
        pytest.param("MiniCPMV4_6ForConditionalGeneration", [(22, 33)], id="came with 0.22"),
        pytest.param("AyaVisionForConditionalGeneration", [(11, 24)], id="removed after 0.24"),
        pytest.param("Qwen3ForSequenceClassification", [(11, 33)], id="served as another of that name"),
        pytest.param("FromAPluginForCausalLM", [], id="not in any registry"),
    ],
)
def test_releases_of_a_class_are_those_whose_registry_holds_it(architecture: str, runs: list[tuple[int, int]]) -> None:
    assert list(releases_of(architecture)) == [Releases(*run) for run in runs]


def test_every_class_is_in_unbroken_runs_of_known_releases() -> None:
    for first, last in releases_of("Qwen3VLForConditionalGeneration"):
        assert 11 <= first <= last <= 33
    assert serves(EngineVersion(0, 33), "Qwen3VLForConditionalGeneration")


@pytest.mark.parametrize(
    ("architecture", "version", "words"),
    [
        pytest.param("Qwen3_5ForConditionalGeneration", EngineVersion(0, 11), "0.17.0", id="not yet"),
        pytest.param("MiniMaxM1ForCausalLM", EngineVersion(0, 33), "0.23", id="no longer"),
    ],
)
def test_a_class_that_the_release_does_not_hold_is_refused(
    architecture: str, version: EngineVersion, words: str
) -> None:
    found = refusals(replace(qwen3_vl(), architecture=architecture), PLAIN, gpu("B200"), version)
    assert [refusal.reason for refusal in found] == [InfeasibleReason.ARCHITECTURE_NOT_IN_RELEASE]
    assert words in found[0].message
    assert words.removesuffix(".0") in found[0].remedy


@pytest.mark.parametrize(
    ("architecture", "minor", "verdict"),
    [
        pytest.param("AyaVisionForConditionalGeneration", 33, Verdict.UNKNOWN, id="left to Transformers' class"),
        pytest.param("AyaVisionForConditionalGeneration", 24, Verdict.FITS, id="a class of its own"),
        pytest.param("Lfm2VlForConditionalGeneration", 13, Verdict.UNKNOWN, id="Transformers had it first"),
        pytest.param("Qwen3_5ForConditionalGeneration", 16, Verdict.UNSUPPORTED, id="nor had Transformers then"),
        pytest.param("InternVLChatModel", 33, Verdict.FITS, id="private code, but vLLM's own class"),
    ],
)
def test_what_the_transformers_backend_may_run_is_not_known_rather_than_refused(
    architecture: str, minor: int, verdict: Verdict
) -> None:
    model = replace(qwen3_vl(), architecture=architecture)
    found = plan(model, gpu("H100"), Intent(version=EngineVersion(0, minor)))
    assert found.verdict is verdict
    if verdict is Verdict.UNKNOWN:
        assert "Transformers" in found.message


def test_a_class_that_no_registry_holds_is_left_to_the_readers() -> None:
    unlisted = replace(qwen3_vl(), architecture="FromAPluginForCausalLM")
    assert refusals(unlisted, PLAIN, gpu("B200"), EngineVersion(0, 33)) == ()


@pytest.mark.parametrize(
    ("product", "version", "refused"),
    [
        pytest.param("V100-32GB", EngineVersion(0, 19), False, id="Volta until 0.19"),
        pytest.param("V100-32GB", EngineVersion(0, 20), True, id="Volta from 0.20"),
        pytest.param("T4", EngineVersion(0, 33), False, id="Turing"),
        pytest.param("RTX-PRO-6000", EngineVersion(0, 33), False, id="Blackwell"),
    ],
)
def test_builds_have_no_kernels_for_older_generations(product: str, version: EngineVersion, refused: bool) -> None:
    found = refusals(qwen3(), PLAIN, gpu(product), version)
    assert [refusal.reason for refusal in found] == [InfeasibleReason.COMPUTE_CAPABILITY_TOO_LOW] * refused


def test_a_plan_is_unsupported_before_memory_is_counted() -> None:
    found = plan(qwen3(), gpu("V100-32GB"), Intent(version=EngineVersion(0, 32)))
    assert (found.verdict, found.reason) == (Verdict.UNSUPPORTED, InfeasibleReason.COMPUTE_CAPABILITY_TOO_LOW)
    assert "7.0" in found.message
    assert "0.19" in (found.hint or "")
    assert found.evaluation is None


def test_a_prediction_of_refused_flags_is_unsupported() -> None:
    found = plan(qwen3(), gpu("V100-32GB"), Intent(version=EngineVersion(0, 32), is_prediction=True))
    assert found.verdict is Verdict.UNSUPPORTED
