"""A reserve bounds what vLLM asks for, and a pinned utilisation that takes it is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.errors import InputError
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.gpu.facts import context_bytes, custom_gpu
from vlm_operator.planning.choose import plan
from vlm_operator.planning.intent import Goal, Intent
from vlm_operator.planning.report import plan_to_json
from vlm_operator.sources import load_model
from vlm_operator.units import GIB

MODEL = load_model("Qwen/Qwen3-VL-2B-Instruct", offline=True)
CARD = find_gpu("RTX-4090")
THROUGHPUT = Intent(gpus_available=1)


@pytest.mark.parametrize("reserve_gib", [1, 4, 8])
@pytest.mark.parametrize("goal", list(Goal))
def test_vllm_asks_for_no_more_than_the_rest(goal: Goal, reserve_gib: int) -> None:
    found = plan(MODEL, CARD, replace(THROUGHPUT, goal=goal, reserve_bytes=reserve_gib * GIB))
    assert found.fits
    assert found.budget is not None
    assert found.budget.requested_bytes + context_bytes(CARD.total_bytes) <= CARD.total_bytes - reserve_gib * GIB


def test_a_small_reserve_does_not_lower_a_utilisation_that_leaves_it_anyway() -> None:
    single = replace(THROUGHPUT, goal=Goal.SINGLE_USER)
    assert plan(MODEL, CARD, replace(single, reserve_bytes=4 * GIB)).settings == plan(MODEL, CARD, single).settings


def test_the_plan_says_what_stays_free() -> None:
    found = plan(MODEL, CARD, replace(THROUGHPUT, reserve_bytes=4 * GIB))
    said = " ".join(found.explanation)
    assert "4.00 GiB of each GPU stays free for others: vLLM asks for at most 19.52 GiB of 23.52 GiB" in said
    assert "4.00 GiB stays free for others" in " ".join(found.summary)
    assert plan_to_json(found)["gpu"]["reserveBytes"] == 4 * GIB
    assert "reserveBytes" not in plan_to_json(plan(MODEL, CARD, THROUGHPUT))["gpu"]


@pytest.mark.parametrize(("utilization", "is_refused"), [(0.9, True), (0.84, True), (0.8, False)])
def test_a_pinned_utilisation_that_takes_the_reserve_is_refused(utilization: float, is_refused: bool) -> None:
    settings = EngineSettings(gpu_memory_utilization=utilization)
    intent = replace(THROUGHPUT, reserve_bytes=4 * GIB, settings=settings, pinned=frozenset({"gpu_memory_utilization"}))
    if not is_refused:
        assert plan(MODEL, CARD, intent).fits
        return
    with pytest.raises(InputError, match=r"a reserve of 4\.00 GiB leaves 19\.52 GiB") as refused:
        plan(MODEL, CARD, intent)
    assert "at most 0.82" in (refused.value.hint or "")


def test_a_model_that_needs_the_reserve_does_not_fit() -> None:
    large = load_model("Qwen/Qwen3-VL-8B-Instruct", offline=True)
    found = plan(large, CARD, replace(THROUGHPUT, reserve_bytes=10 * GIB))
    assert not found.fits


@pytest.mark.parametrize("goal", list(Goal))
def test_the_gpu_that_a_refusal_names_holds_the_model_beside_the_reserve(goal: Goal) -> None:
    intent = replace(THROUGHPUT, goal=goal, gpu_count=1, reserve_bytes=20 * GIB)
    refused = plan(load_model("Qwen/Qwen2.5-VL-3B-Instruct", offline=True), CARD, intent)
    assert refused.hint is not None
    named = float(refused.hint.partition("at least ")[2].partition(" GiB")[0])
    assert named < 36
    larger = plan(refused.model, custom_gpu(int(named * GIB)), intent)
    assert larger.fits
