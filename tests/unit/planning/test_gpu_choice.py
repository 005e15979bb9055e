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


def test_where_none_fits_not_even_on_fewer_that_are_free_the_whole_offer_is_shown() -> None:
    four = GPUOffer(gpu("T4"), "nvidia.com/gpu", 4, free=1)
    pinned = {"max_model_len": 262_144, "kv_cache_dtype": "auto"}
    assert chosen(four, flags=pinned) == ("Tesla-T4", 4, Verdict.DOES_NOT_FIT)


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


@pytest.mark.parametrize("nodes", [1, 2, None], ids=["one node", "two nodes", "a free number of nodes"])
def test_more_gpus_than_any_nodes_have_are_refused_or_passed_over(nodes: int | None) -> None:
    """With a fixed number of nodes no offer holds them; a free number is refused with what the nodes have."""
    asked = Intent(nodes=nodes, gpu_count=3)
    pair = GPUOffer(gpu("L4"), "nvidia.com/gpu", 1, nodes=2, counts=(1, 1))
    if nodes is None:
        with pytest.raises(InputError, match="gpu-count: 3 GPUs are needed"):
            choose_gpu(qwen3_vl(), (pair,), asked)
    else:
        assert choose_gpu(qwen3_vl(), (pair,), asked) is None


def test_an_offer_that_refuses_does_not_keep_another_from_being_taken() -> None:
    single = GPUOffer(gpu("L4"), "nvidia.com/gpu", 1, nodes=1, counts=(1,))
    found = choose_gpu(qwen3_vl(), (single, offer("T4", 4)), Intent(nodes=None, gpu_count=4))
    assert found is not None
    assert found[1].gpu.product == "Tesla-T4"


def test_the_choice_says_why_and_what_the_runner_up_was() -> None:
    found = choose_gpu(qwen3_vl(), (SMALL, LARGE), Intent(gpu_count=1))
    assert found is not None
    assert found[1].choice == (
        "1x NVIDIA-L4 (free now; gives nothing up); runner-up: 1x NVIDIA-H100-80GB-HBM3 (free now; gives nothing up)"
    )
    alone = choose_gpu(qwen3_vl(), (SMALL,), Intent(gpu_count=1))
    assert alone is not None
    assert alone[1].choice == ""


def test_what_is_free_is_taken_before_what_is_smaller() -> None:
    busy = GPUOffer(gpu("L4"), "nvidia.com/gpu", 1, free=0)
    found = choose_gpu(qwen3_vl(), (busy, LARGE), Intent(gpu_count=1))
    assert found is not None
    assert found[1].choice == (
        "1x NVIDIA-H100-80GB-HBM3 (free now; gives nothing up); "
        "runner-up: 1x NVIDIA-L4 (not free now; gives nothing up)"
    )


def test_fewer_gpus_that_are_free_are_taken_before_more_that_are_not() -> None:
    pair = GPUOffer(gpu("L4"), "nvidia.com/gpu", 4, free=1)
    found = choose_gpu(qwen3_vl(), (pair,), Intent(minimum_context=40_000))
    assert found is not None
    assert (found[0].gpu_count, found[0].fits) == (1, True)


@pytest.mark.parametrize(
    ("nodes", "gpus", "free"),
    [
        pytest.param(1, 2, True, id="two of three"),
        pytest.param(1, 3, True, id="as many as are free"),
        pytest.param(1, 4, False, id="more than are free"),
        pytest.param(2, 1, True, id="one on each of two nodes"),
        pytest.param(2, 2, False, id="two on one node only"),
    ],
)
def test_gpus_are_free_where_enough_nodes_have_as_many(nodes: int, gpus: int, free: bool) -> None:
    counted = GPUOffer(gpu("L4"), "nvidia.com/gpu", 8, nodes=3, free=3, counts=(8, 8, 8), free_counts=(3, 1, 0))
    assert counted.is_free(nodes, gpus) is free


def test_where_nobody_counted_what_is_free_all_is() -> None:
    plain = GPUOffer(gpu("L4"), "nvidia.com/gpu", 8, nodes=3)
    assert [plain.is_free(1, 8), plain.is_free(1, 9), plain.is_free(2, 8)] == [True, False, True]


@pytest.mark.parametrize(
    ("counts", "nodes", "per_node", "asked"),
    [
        pytest.param((8, 4, 4), 1, None, (8, None), id="one node: the most"),
        pytest.param((8, 4, 4), 2, None, (4, 3), id="two nodes: what two have"),
        pytest.param((8, 4, 4), None, None, (8, 1), id="a free number: the most, on as many as have them"),
        pytest.param((8, 4, 4), None, 4, (4, 3), id="fewer of each node"),
        pytest.param((8, 4, 4), 4, None, (8, 1), id="more nodes than there are"),
    ],
)
def test_nodes_bound_an_intent(
    counts: tuple[int, ...], nodes: int | None, per_node: int | None, asked: tuple[int, int | None]
) -> None:
    nodes_of = GPUOffer(gpu("L4"), "nvidia.com/gpu", max(counts), nodes=len(counts), counts=counts)
    bound = nodes_of.asked(Intent(nodes=nodes), per_node)
    assert (bound.gpus_available, bound.nodes_available) == asked


def test_a_gpu_of_which_more_is_known_is_named_where_none_fits() -> None:
    """What does not fit for certain says more than what is not known, and that more than what vLLM refuses."""
    flags = {"dtype": "bfloat16", "max_model_len": 262_144, "gpu_memory_utilization": 0.3}
    too_small, unknown, refused = offer("L4"), offer("MI300X"), offer("T4")
    assert chosen(refused, unknown, too_small, flags=flags, gpu_count=1)[0] == "NVIDIA-L4"
    assert chosen(refused, unknown, flags=flags, gpu_count=1)[2] is Verdict.UNKNOWN
    assert chosen(refused, flags=flags, gpu_count=1)[2] is Verdict.UNSUPPORTED


def test_an_offer_is_of_one_node_where_nobody_says_otherwise() -> None:
    assert (offer("L4", 4).nodes_with(4), offer("L4", 4).nodes_with(5)) == (1, 0)


def test_a_certain_plan_is_taken_before_one_on_a_smaller_gpu_that_is_not() -> None:
    """At 0.99 vLLM's first check passes on an RTX 5090 by the best estimate only."""
    asked = Intent(
        settings=EngineSettings(gpu_memory_utilization=0.99), pinned=frozenset({"gpu_memory_utilization"}), gpu_count=1
    )
    found = choose_gpu(qwen3_vl(), (MIDDLE, LARGE), asked)
    assert found is not None
    assert (found[0].verdict, found[1].gpu.product) == (Verdict.FITS, "NVIDIA-H100-80GB-HBM3")
    assert found[1].choice.endswith(
        "runner-up: 1x NVIDIA-GeForce-RTX-5090 (free now; fits only by the best estimate; gives nothing up)"
    )
    busy = GPUOffer(gpu("H100"), "nvidia.com/gpu", 1, free=0)
    free = choose_gpu(qwen3_vl(), (MIDDLE, busy), asked)
    assert free is not None
    assert (free[0].verdict, free[1].gpu.product) == (Verdict.FITS_TIGHT, "NVIDIA-GeForce-RTX-5090")


def test_the_runner_up_is_the_second_best() -> None:
    found = choose_gpu(qwen3_vl(), (LARGE, MIDDLE, SMALL), Intent(gpu_count=1))
    assert found is not None
    assert found[1].choice.split("runner-up: ")[1].startswith("1x NVIDIA-GeForce-RTX-5090 ")
