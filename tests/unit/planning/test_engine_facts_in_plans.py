"""What vLLM said in a dry run replaces our estimates for those very flags, and is a plan where we have none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from builders import QWEN3_VL
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.engine.version import EngineVersion
from vlm_operator.engine_facts import read_report
from vlm_operator.engine_facts.document import EngineFacts, facts_of
from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.model.reader import read_model_facts
from vlm_operator.planning.choose import plan
from vlm_operator.planning.engine_evidence import evidence_of, require_about
from vlm_operator.planning.facts_plan import facts_plan
from vlm_operator.planning.intent import Intent

RELEASE = EngineVersion(0, 32)
H100 = find_gpu("H100")
REPORT = Path(__file__).parents[2] / "data" / "dry_runs" / "qwen3-vl-8b-h100-0.32.0.json"
FLAGS = EngineSettings(
    max_model_len=32_768,
    gpu_memory_utilization=0.9,
    max_num_seqs=256,
    max_num_batched_tokens=8192,
    limit_mm_per_prompt=(("image", ModalityLimit(1)), ("video", ModalityLimit(0))),
)
PINNED = frozenset(
    {"max_model_len", "gpu_memory_utilization", "max_num_seqs", "max_num_batched_tokens", "limit_mm_per_prompt"}
)


def facts(settings: EngineSettings = FLAGS) -> EngineFacts:
    return facts_of("Qwen/Qwen3-VL-8B-Instruct", None, H100, settings, read_report(json.loads(REPORT.read_text())))


def intent(settings: EngineSettings) -> Intent:
    return Intent(settings=settings, pinned=PINNED, version=RELEASE, gpu_count=1, is_prediction=True)


def test_weights_and_peak_of_the_simulated_flags_are_vllms_own() -> None:
    model = read_model_facts(QWEN3_VL, model="m", source="test")
    estimated = plan(model, H100, intent(FLAGS)).budget
    found = plan(model, H100, intent(FLAGS), evidence_of(facts())).budget
    assert estimated is not None
    assert found is not None
    assert (found.weights_bytes, found.activation_peak_bytes) == (18_053_990_400, 2_358_247_936 + 15 * 2**20)
    assert found.requested_bytes - found.fixed_bytes == found.kv_cache_bytes
    assert found.kv_cache_bytes - found.kv_cache_low_bytes == estimated.kv_cache_bytes - estimated.kv_cache_low_bytes


def test_other_flags_keep_the_estimate() -> None:
    model = read_model_facts(QWEN3_VL, model="m", source="test")
    others = FLAGS.with_(max_num_batched_tokens=2048)
    found = plan(model, H100, intent(others), evidence_of(facts()))
    assert found.budget == plan(model, H100, intent(others)).budget


def test_the_plan_says_that_its_figures_come_from_a_dry_run() -> None:
    model = read_model_facts(QWEN3_VL, model="m", source="test")
    found = plan(model, H100, intent(FLAGS), evidence_of(facts()))
    assert any("from a dry run" in sentence for sentence in found.explanation)


def test_facts_of_another_model_gpu_or_release_are_refused() -> None:
    with pytest.raises(InputError, match="the model Qwen/Qwen3-VL-8B-Instruct, the plan is for other"):
        require_about(facts(), "other", H100, RELEASE)
    with pytest.raises(InputError, match="the GPU NVIDIA-H100-80GB-HBM3, the plan is for NVIDIA-L4"):
        require_about(facts(), "Qwen/Qwen3-VL-8B-Instruct", find_gpu("NVIDIA-L4"), RELEASE)
    with pytest.raises(InputError, match=r"the vLLM release 0\.32\.0, the plan is for 0\.31"):
        require_about(facts(), "Qwen/Qwen3-VL-8B-Instruct", H100, EngineVersion(0, 31))


def test_a_model_that_nobody_knows_is_planned_by_what_vllm_said() -> None:
    found = facts_plan(facts(), H100, RELEASE)
    assert (str(found.verdict), found.weights_bytes) == ("Fits", 18_053_990_400)
    spent = found.weights_bytes + found.activation_peak_bytes + found.non_torch_bytes + found.cuda_graph_bytes
    assert found.kv_cache_bytes == found.requested_bytes - spent
    assert found.needed_bytes == 4_831_838_208 + found.bytes_per_block
    assert found.longest_context == 32_768


def test_it_does_not_fit_where_vllms_own_weights_leave_too_little() -> None:
    small = replace(H100, total_bytes=25 * 2**30)
    found = facts_plan(facts(), small, RELEASE)
    assert (str(found.verdict), str(found.reason)) == ("DoesNotFit", "KVCacheTooSmall")
    assert found.longest_context in {0, 4096}


def test_operators_that_are_not_modelled_widen_the_bounds() -> None:
    document = json.loads(REPORT.read_text())
    document["simulated"]["unmodelledOperations"] = {"vllm::new_kernel": 3}
    wide = facts_plan(replace(facts(), report=read_report(document)), H100, RELEASE)
    narrow = facts_plan(facts(), H100, RELEASE)
    assert wide.kv_cache_bytes == narrow.kv_cache_bytes
    assert wide.kv_cache_low_bytes < narrow.kv_cache_low_bytes


def test_a_release_newer_than_what_was_read_is_planned_with_wider_bounds() -> None:
    known, newer = facts_plan(facts(), H100, RELEASE), facts_plan(facts(), H100, EngineVersion(0, 40))
    assert newer.kv_cache_high_bytes - newer.kv_cache_bytes > known.kv_cache_high_bytes - known.kv_cache_bytes


def test_a_run_without_a_profile_is_no_plan() -> None:
    document = json.loads(REPORT.read_text())
    document["moments"] = None
    with pytest.raises(UnknownFact, match="did not end"):
        facts_plan(replace(facts(), report=read_report(document)), H100, RELEASE)


@pytest.mark.parametrize(
    ("flags", "hundredths"),
    [
        pytest.param(FLAGS.with_(gpu_memory_utilization=0.5), 50, id="as pinned"),
        pytest.param(FLAGS.with_(gpu_memory_utilization=None), 92, id="as the release has it by default"),
    ],
)
def test_as_much_is_requested_as_the_dry_runs_flags_say(flags: EngineSettings, hundredths: int) -> None:
    found = facts_plan(facts(flags), H100, RELEASE)
    assert found.requested_bytes == pytest.approx(H100.total_bytes * hundredths / 100, abs=1)


def test_the_bounds_keep_their_width_around_vllms_own_figures() -> None:
    model = read_model_facts(QWEN3_VL, model="m", source="test")
    estimated = plan(model, H100, intent(FLAGS)).budget
    found = plan(model, H100, intent(FLAGS), evidence_of(facts())).budget
    assert estimated is not None
    assert found is not None
    assert found.kv_cache_bytes != estimated.kv_cache_bytes
    assert found.kv_cache_high_bytes - found.kv_cache_bytes == estimated.kv_cache_high_bytes - estimated.kv_cache_bytes
