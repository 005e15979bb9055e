"""What vLLM said in a dry run replaces our estimates for those very flags, and is a plan where we have none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from builders import QWEN3_VL
from vlm_operator.capacity.startup.regimes import regime_of
from vlm_operator.capacity.startup.uncertainty import PEER_GRAPHS_SHARE, UNMET_ENCODER_SHARE
from vlm_operator.engine.budget_rules import Formula
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
ENCODER_PEAK, TEXT_PEAK = 2_358_247_936, 1_509_955_072
"""What the recorded dry run took in the encoder's and in the language model's pass."""
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
    with pytest.raises(InputError, match=r'the model with --hf-overrides \{\}, the plan is for \{"a":1\}'):
        require_about(facts(), "Qwen/Qwen3-VL-8B-Instruct", H100, RELEASE, '{"a":1}')


def test_a_model_that_nobody_knows_is_planned_by_what_vllm_said() -> None:
    found = facts_plan(facts(), H100, RELEASE)
    assert (str(found.verdict), found.weights_bytes) == ("Fits", 18_053_990_400)
    spent = found.weights_bytes + found.activation_peak_bytes + found.non_torch_bytes + found.cuda_graph_bytes
    assert found.kv_cache_bytes == found.requested_bytes - spent
    assert found.needed_bytes == 4_831_838_208 + found.bytes_per_block
    assert found.longest_context == 32_768
    assert found.activation_peak_bytes == ENCODER_PEAK + 15 * 2**20  # and small buffers


def test_the_message_names_need_and_container_with_its_bounds() -> None:
    found = facts_plan(facts(), H100, RELEASE, measured_bytes=10 * 2**30)
    assert found.message == (
        "one request of 32,768 tokens needs 4.50 GiB of KV cache; 10.00 GiB are left (10.00 GiB to 10.00 GiB), by "
        "vLLM's own weights and start-up peak"
    )


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


def half_width(tensor_parallel_size: int = 1, *, text: int = TEXT_PEAK, unmodelled: bool = False) -> int:
    """The bounds by their terms: the regime's, 0.15 of the text pass, a fifth of graphs that ranks share, 0.22 GiB."""
    graphs = facts_plan(facts(FLAGS.with_(tensor_parallel_size=tensor_parallel_size)), H100, RELEASE).cuda_graph_bytes
    assert graphs > 0
    terms = (
        regime_of(None, H100, Formula.CONSUMED).half_width_bytes,
        0.15 * text,
        UNMET_ENCODER_SHARE * ENCODER_PEAK,
        PEER_GRAPHS_SHARE * graphs if tensor_parallel_size > 1 else 0.0,
        0.22 * 2**30 if unmodelled else 0.0,
    )
    return int(sum(term * term for term in terms) ** 0.5)


@pytest.mark.parametrize(
    ("ranks", "unmodelled"),
    [
        pytest.param(1, False, id="one rank: no graphs in which ranks talk"),
        pytest.param(2, False, id="two ranks"),
        pytest.param(1, True, id="operators that are not modelled"),
        pytest.param(2, True, id="both"),
    ],
)
def test_the_bounds_are_as_wide_as_what_no_start_up_has_shown(ranks: int, unmodelled: bool) -> None:
    document = json.loads(REPORT.read_text())
    document["simulated"]["unmodelledOperations"] = {"vllm::new_kernel": 3} if unmodelled else {}
    told = replace(facts(FLAGS.with_(tensor_parallel_size=ranks)), report=read_report(document))
    found = facts_plan(told, H100, RELEASE)
    width = half_width(ranks, unmodelled=unmodelled)
    assert found.kv_cache_bytes - found.kv_cache_low_bytes == pytest.approx(width, abs=2)
    assert found.kv_cache_high_bytes - found.kv_cache_bytes == pytest.approx(width, abs=2)


def test_bounds_of_a_release_that_nobody_has_read_are_twice_as_wide() -> None:
    found = facts_plan(facts(), H100, EngineVersion(0, 40))
    assert found.kv_cache_high_bytes - found.kv_cache_bytes == pytest.approx(2 * half_width(), abs=4)


def test_a_pass_that_was_not_measured_widens_nothing() -> None:
    document = json.loads(REPORT.read_text())
    document["moments"]["textBytes"] = None
    told = replace(facts(), report=read_report(document))
    found = facts_plan(told, H100, RELEASE)
    assert found.kv_cache_bytes - found.kv_cache_low_bytes == pytest.approx(half_width(text=0), abs=2)


def test_a_measured_container_has_no_bounds() -> None:
    found = facts_plan(facts(), H100, RELEASE, measured_bytes=10 * 2**30)
    assert (found.kv_cache_bytes, found.kv_cache_low_bytes, found.kv_cache_high_bytes) == (10 * 2**30,) * 3


def test_what_is_taken_outside_pytorch_holds_the_runners_buffers_from_0_27_on() -> None:
    buffers = 33_692_160
    document = json.loads(REPORT.read_text())
    document["runnerBufferBytes"] = None
    without = replace(facts(), report=read_report(document))
    for version, more in ((RELEASE, buffers), (EngineVersion(0, 25), 0)):
        found, less = facts_plan(facts(), H100, version), facts_plan(without, H100, version)
        assert found.non_torch_bytes - less.non_torch_bytes == more


def test_without_graphs_none_are_set_aside() -> None:
    assert facts_plan(facts(FLAGS.with_(enforce_eager=True)), H100, RELEASE).cuda_graph_bytes == 0


@pytest.mark.parametrize(
    ("asked", "served", "length"),
    [
        pytest.param(4096, 32_768, 4096, id="one of the lengths that were asked"),
        pytest.param(None, 4096, 4096, id="else the one that was served"),
        pytest.param(None, None, 32_768, id="else the last that was asked"),
    ],
)
def test_the_request_that_is_judged(asked: int | None, served: int | None, length: int) -> None:
    document = json.loads(REPORT.read_text())
    document["requests"] = [{"maxModelLen": each, "neededBytes": each * 147_456} for each in (2048, 4096, 32_768)]
    if served is None:
        del document["settings"]["max_model_len"]
    else:
        document["settings"]["max_model_len"] = served
    told = replace(facts(), report=read_report(document))
    found = facts_plan(told, H100, RELEASE, max_model_len=asked)
    assert found.max_model_len == length
    assert found.needed_bytes == length * 147_456 + found.bytes_per_block


@pytest.mark.parametrize(
    ("more", "verdict", "reason", "longest"),
    [
        pytest.param(0, "DoesNotFit", "NoKVCacheMemory", 0, id="nothing is left"),
        pytest.param(1, "DoesNotFit", "KVCacheTooSmall", 0, id="a byte"),
        pytest.param(4096 * 147_456 + 2_359_296 - 1, "DoesNotFit", "KVCacheTooSmall", 0, id="a byte too little"),
        pytest.param(4096 * 147_456 + 2_359_296, "Fits", "Fits", 4096, id="to the byte"),
    ],
)
def test_a_measured_container_is_judged_to_the_byte(more: int, verdict: str, reason: str, longest: int) -> None:
    found = facts_plan(facts(), H100, RELEASE, max_model_len=4096, measured_bytes=more)
    assert (str(found.verdict), str(found.reason), found.longest_context) == (verdict, reason, longest)


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param({}, id="one rank"),
        pytest.param({"tensor_parallel_size": 2}, id="two ranks"),
        pytest.param({"max_cudagraph_capture_size": 8}, id="few sizes"),
    ],
)
def test_graphs_are_estimated_as_for_a_model_that_is_known(flags: dict[str, int]) -> None:
    settings = FLAGS.with_(**flags)
    asked = replace(intent(settings), pinned=PINNED | flags.keys(), gpu_count=flags.get("tensor_parallel_size", 1))
    known = plan(read_model_facts(QWEN3_VL, model="m", source="test"), H100, asked).budget
    assert known is not None
    assert facts_plan(facts(settings), H100, RELEASE).cuda_graph_bytes == known.cuda_graph_bytes > 0
