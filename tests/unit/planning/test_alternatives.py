"""What other numbers of GPUs would give is said in one line each."""

from __future__ import annotations

import pytest

from builders import gpu
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Images, Intent, Workload
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.report import plan_to_json
from vlm_operator.planning.verdict import Verdict
from vlm_operator.sources import load_model

FOUR_PHOTOS = Workload(images=Images(4, 1920, 1080))


def planned(model: str, card: str, intent: Intent) -> Plan:
    return plan(load_model(model, offline=True), gpu(card), intent)


def told(found: Plan) -> dict[int, str]:
    return {other.gpu_count: other.message for other in found.alternatives}


@pytest.mark.parametrize(
    ("model", "card", "workload", "expected"),
    [
        pytest.param(
            "Qwen/Qwen3.6-27B-FP8", "H100", None, {2: "2 GPUs: 1,024 sequences at once"}, id="more sequences on two"
        ),
        pytest.param("Qwen/Qwen3-VL-8B-Instruct", "L4", FOUR_PHOTOS, {2: "2 GPUs: no pixel cap"}, id="no cap on two"),
        pytest.param("Qwen/Qwen3-VL-8B-Instruct", "RTX-5090", None, {}, id="one card, nothing gave way"),
    ],
)
def test_where_levers_were_pulled_the_next_number_of_gpus_says_what_it_gives(
    model: str, card: str, workload: Workload | None, expected: dict[int, str]
) -> None:
    assert told(planned(model, card, Intent(workload=workload))) == expected


def test_a_larger_number_than_there_are_is_not_offered() -> None:
    assert told(planned("Qwen/Qwen3.6-27B-FP8", "H100", Intent(gpus_available=1))) == {}


def test_where_one_card_does_not_hold_it_the_plan_says_why() -> None:
    found = planned("Qwen/Qwen3-VL-30B-A3B-Instruct", "RTX-4090", Intent())
    assert found.gpu_count > 1
    assert told(found)[1].startswith("1 GPU: does not fit: weights (")


def test_where_one_card_holds_it_with_dear_levers_they_are_named_with_their_prices() -> None:
    found = planned("Qwen/Qwen3-VL-8B-Instruct", "L4", Intent(minimum_context=32768))
    assert found.gpu_count == 2
    assert told(found)[1].startswith("1 GPU: fits with --gpu-memory-utilization 0.95 (takes ")
    assert "--kv-cache-dtype fp8 (keys and values in eight bits" in told(found)[1]


@pytest.mark.parametrize(
    "intent",
    [
        pytest.param(Intent(gpu_count=2), id="count"),
        pytest.param(
            Intent(settings=EngineSettings(tensor_parallel_size=2), pinned=frozenset({"tensor_parallel_size"})),
            id="tensor-parallel size",
        ),
    ],
)
def test_a_pinned_number_stays_and_is_told_what_one_card_gives(intent: Intent) -> None:
    found = planned("Qwen/Qwen3-VL-8B-Instruct", "RTX-5090", intent)
    assert (found.gpu_count, told(found)) == (2, {1: "1 GPU: fits as well"})


def test_what_is_told_of_another_number_is_what_its_own_plan_does() -> None:
    found = planned("Qwen/Qwen3.6-27B-FP8", "H100", Intent())
    (other,) = found.alternatives
    again = planned("Qwen/Qwen3.6-27B-FP8", "H100", Intent(gpu_count=other.gpu_count))
    assert (again.verdict, again.settings.max_num_seqs) == (other.verdict, 1024)


def test_a_plan_that_does_not_fit_has_remedies_instead() -> None:
    found = planned("Qwen/Qwen3-VL-235B-A22B-Instruct", "T4", Intent())
    assert (found.verdict, found.alternatives) == (Verdict.DOES_NOT_FIT, ())


def test_the_report_holds_them() -> None:
    report = plan_to_json(planned("Qwen/Qwen3.6-27B-FP8", "H100", Intent()))
    expected = {"gpuCount": 2, "verdict": "Fits", "reason": "Fits", "message": "2 GPUs: 1,024 sequences at once"}
    assert report["alternatives"] == [expected]
