"""Which of a cluster's GPUs a plan takes, where the user named none."""

from __future__ import annotations

from typing import Any

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.errors import InputError
from vlm_operator.planning.evidence import NOTHING, Evidence
from vlm_operator.planning.gpu_choice import GPUOffer, choose_gpu
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.verdict import Verdict
from vlm_operator.units import GIB


def offer(name: str, count: int = 1) -> GPUOffer:
    return GPUOffer(gpu(name), "nvidia.com/gpu", count)


def chosen(*offers: GPUOffer, flags: dict[str, Any] | None = None, **more: Any) -> tuple[str, int, Verdict]:
    given = flags or {}
    intent = Intent(settings=EngineSettings(**given), pinned=frozenset(given), **more)
    found = choose_gpu(qwen3_vl(), offers, intent)
    assert found is not None
    plan, taken = found
    return taken.gpu.product, plan.gpu_count, plan.verdict


SMALL, MIDDLE, LARGE = offer("L4"), offer("RTX-5090"), offer("H100")


@pytest.mark.parametrize("offers", [(SMALL, MIDDLE, LARGE), (LARGE, MIDDLE, SMALL), (MIDDLE, SMALL, LARGE)])
def test_the_smallest_gpu_that_fits_is_taken_in_whatever_order_they_come(offers: tuple[GPUOffer, ...]) -> None:
    assert chosen(*offers) == ("NVIDIA-L4", 1, Verdict.FITS)
    assert chosen(*offers, gpu_count=1, minimum_context=50_000, allow_fp8_kv_cache=False) == (
        "NVIDIA-GeForce-RTX-5090",
        1,
        Verdict.FITS,
    )
    assert chosen(*offers, gpu_count=1, minimum_context=200_000, allow_fp8_kv_cache=False) == (
        "NVIDIA-H100-80GB-HBM3",
        1,
        Verdict.FITS,
    )


def test_where_none_fits_the_largest_is_named() -> None:
    model, count, verdict = chosen(SMALL, MIDDLE, flags={"max_model_len": 262144}, gpu_count=1)
    assert (model, count, verdict) == ("NVIDIA-GeForce-RTX-5090", 1, Verdict.DOES_NOT_FIT)


def test_no_more_gpus_are_taken_than_a_node_has() -> None:
    pair = offer("T4", 2)
    assert chosen(pair, LARGE, gpu_count=2)[0] == "Tesla-T4"
    with_too_few = choose_gpu(qwen3_vl(), (offer("T4", 1),), Intent(gpu_count=2))
    assert with_too_few is None


def test_where_there_is_no_offer_there_is_no_choice() -> None:
    assert choose_gpu(qwen3_vl(), (), Intent()) is None


def test_an_intent_that_every_offer_refuses_is_refused() -> None:
    flags = EngineSettings(gpu_memory_utilization=1.5)
    intent = Intent(settings=flags, pinned=frozenset({"gpu_memory_utilization"}))
    with pytest.raises(InputError, match="gpu-memory-utilization"):
        choose_gpu(qwen3_vl(), (SMALL, LARGE), intent)


def test_each_offer_is_planned_with_what_was_measured_on_it() -> None:
    measured = {"NVIDIA-L4": Evidence(total_bytes=10 * GIB)}
    found = choose_gpu(
        qwen3_vl(), (SMALL, MIDDLE), Intent(gpu_count=1), lambda each: measured.get(each.gpu.product, Evidence())
    )
    assert found is not None
    assert found[1].gpu.product == "NVIDIA-GeForce-RTX-5090"


def test_one_larger_gpu_is_taken_before_two_smaller_ones() -> None:
    assert chosen(offer("T4", 4), offer("H100", 1)) == ("NVIDIA-H100-80GB-HBM3", 1, Verdict.FITS)


def test_where_none_fits_the_most_memory_is_named_whatever_the_number_of_gpus() -> None:
    flags = {"max_model_len": 262_144, "gpu_memory_utilization": 0.3}
    model, count, verdict = chosen(offer("L4", 2), MIDDLE, flags=flags)
    assert (model, count, verdict) == ("NVIDIA-L4", 2, Verdict.DOES_NOT_FIT)


def test_equal_intents_share_their_plan_unless_something_was_measured() -> None:
    def made(evidence: Evidence | None = None) -> Plan:
        chosen = choose_gpu(qwen3_vl(), (SMALL,), Intent(gpu_count=1), lambda each: evidence or NOTHING)
        assert chosen is not None
        return chosen[0]

    assert made() is made()
    assert made(Evidence(total_bytes=20 * GIB)) is not made()
