"""What one plan's judge says of flags: whether they fit for certain, may hold, and which described item is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.planning.evidence import Evidence, MeasuredContainer, MemoryShortage
from vlm_operator.planning.intent import Images, Intent, Videos, Workload
from vlm_operator.planning.judge import Judge
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.sources import load_model
from vlm_operator.units import GIB

FLAGS = EngineSettings(max_model_len=16_384, gpu_memory_utilization=0.9, max_num_seqs=16)
LIMITS = {"image": ModalityLimit(4), "video": ModalityLimit(0)}
PHOTOS = Workload(images=Images(2))


def judge(on: GPUFacts | None = None, evidence: Evidence | None = None, **intent: Any) -> Judge:
    given = Intent(**intent)
    return Judge(qwen3_vl(), on or gpu("H100"), given, *([evidence] if evidence else []))


@pytest.mark.parametrize(
    ("card", "fits"), [pytest.param("H100", True, id="enough"), pytest.param("T4", False, id="not")]
)
def test_flags_that_fit_are_those_whose_evaluation_says_so(card: str, fits: bool) -> None:
    asked = judge(gpu(card))
    full = asked.evaluate(FLAGS)
    assert (full.verdict is Verdict.FITS) is asked.fits(FLAGS) is fits
    assert asked.lacks_memory(FLAGS) is asked.weights_exceed_memory(FLAGS) is not fits
    assert asked.outlook(FLAGS) == (full.settings, full.headroom_bytes)
    assert (full.headroom_bytes >= 0) is fits


def test_what_vllm_refuses_does_not_fit_whatever_the_memory() -> None:
    """Turing has no BF16 (0.32: ``platforms/cuda.py: check_if_supports_dtype``)."""
    asked = judge(gpu("T4").with_(total_bytes=80 * GIB))
    plain, refused = FLAGS.with_(dtype="half"), FLAGS.with_(dtype="bfloat16")
    assert asked.fits(plain)
    assert not asked.fits(refused)
    assert not asked.lacks_memory(refused)
    found = asked.evaluate(refused)
    assert (found.verdict, found.reason) == (Verdict.UNSUPPORTED, found.infeasible[0].reason)
    assert str(found.reason) == "DtypeUnsupported"


def test_ranks_that_do_not_divide_the_heads_do_not_fit() -> None:
    asked, three = judge(), FLAGS.with_(tensor_parallel_size=3)
    assert not asked.fits(three)


def test_given_flags_are_judged_in_full_though_weights_are_too_much() -> None:
    assert not judge(gpu("T4"), is_prediction=True).weights_exceed_memory(FLAGS)
    assert not judge(gpu("T4"), Evidence(total_bytes=15 * GIB)).weights_exceed_memory(FLAGS)


MINUTE = Workload(videos=Videos(1))
LITTLE = EngineSettings(
    mm_processor_kwargs=json.dumps({"videos_kwargs": {"size": {"longest_edge": 234_416, "shortest_edge": 3136}}})
)


@pytest.mark.parametrize(
    ("batch", "rejected"),
    [
        pytest.param(16_559, True, id="a token less than the item has"),
        pytest.param(16_560, False, id="as many as the item has"),
    ],
)
def test_an_item_is_refused_by_a_batch_that_does_not_hold_it(batch: int, rejected: bool) -> None:
    model = load_model("Qwen/Qwen2.5-VL-7B-Instruct", offline=True)
    asked = Judge(model, gpu("A100-80GB"), Intent(workload=MINUTE, settings=LITTLE))
    requested = asked.start.with_(max_model_len=32_768, max_num_batched_tokens=batch, gpu_memory_utilization=0.9)
    found = asked.evaluate(requested)
    assert (found.rejected is not None) is rejected
    assert (found.reason is Reason.ITEM_REJECTED) is rejected
    assert asked.fits(requested) is not rejected
    assert not asked.lacks_memory(requested)


def test_an_item_that_is_refused_does_not_hide_that_memory_is_not_enough() -> None:
    model = load_model("Qwen/Qwen2.5-VL-7B-Instruct", offline=True)
    asked = Judge(model, gpu("T4"), Intent(workload=MINUTE, settings=LITTLE))
    found = asked.evaluate(asked.start.with_(max_model_len=32_768, max_num_batched_tokens=2048))
    assert found.verdict is Verdict.DOES_NOT_FIT
    assert found.reason is not Reason.ITEM_REJECTED
    assert found.rejected is not None


@pytest.mark.parametrize(
    ("intent", "limits", "told"),
    [
        pytest.param({"workload": PHOTOS}, LIMITS, 2, id="chosen for the workload"),
        pytest.param({}, None, 0, id="none without a workload"),
        pytest.param({"workload": PHOTOS, "pinned": frozenset({"limit_mm_per_prompt"})}, None, 0, id="left as pinned"),
        pytest.param({"workload": PHOTOS, "reserve_bytes": GIB}, LIMITS, 3, id="a reserve is told after them"),
        pytest.param({"reserve_bytes": GIB}, None, 1, id="a reserve alone"),
    ],
)
def test_limits_are_chosen_and_told(intent: dict[str, Any], limits: dict[str, Any] | None, told: int) -> None:
    asked = judge(**intent)
    assert (dict(asked.start.limit_mm_per_prompt) if asked.start.limit_mm_per_prompt else None) == limits
    assert len(asked.limit_sentences) == told
    if "reserve_bytes" in intent:
        assert asked.limit_sentences[-1].startswith("1.00 GiB of each GPU stays free for others")


def test_a_context_follows_the_caps_on_described_items_and_is_worked_out_once() -> None:
    asked = judge(workload=Workload(images=Images(2, 3840, 2160)))
    small = FLAGS.with_(mm_processor_kwargs='{"size":{"longest_edge":262144,"shortest_edge":65536}}')
    assert asked.context_of(asked.start) is asked.context
    assert asked.context_of(small).least < asked.context.least
    assert asked.context_of(small) is asked.context_of(small.with_(max_num_seqs=3))
    undescribed = judge()
    assert undescribed.context_of(small) is undescribed.context


def test_what_was_measured_replaces_the_estimate() -> None:
    assert not judge().is_measured
    found = judge(evidence=Evidence(containers=(MeasuredContainer(FLAGS, 3 * GIB),)))
    assert found.is_measured
    assert found.evaluate(FLAGS).budget.kv_cache_bytes == 3 * GIB
    assert found.outlook(FLAGS)[1] == found.evaluate(FLAGS).headroom_bytes
    # 16,384 tokens of 147,456 bytes and the null block are 2.25 GiB; twice as many are not held.
    assert found.fits(FLAGS)
    assert not found.fits(FLAGS.with_(max_model_len=32_768))
    assert found.lacks_memory(FLAGS.with_(max_model_len=32_768))
    assert not found.lacks_memory(FLAGS)


def test_a_start_up_that_ran_out_of_memory_rules_its_flags_out() -> None:
    short = Evidence(shortages=(MemoryShortage(FLAGS, GIB, outside_budget=False),))
    found = judge(evidence=short)
    assert not found.fits(FLAGS)
    assert found.lacks_memory(FLAGS)
    assert found.evaluate(FLAGS).reason is Reason.OUT_OF_MEMORY
    failed = judge(evidence=Evidence(failed=frozenset({FLAGS})))
    assert not failed.fits(FLAGS)
    assert failed.evaluate(FLAGS).reason is Reason.ALREADY_FAILED
