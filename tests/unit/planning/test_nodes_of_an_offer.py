"""Nodes of a cluster bound a plan over nodes: how many there are, what each has, and what is free on them."""

from __future__ import annotations

from typing import Any

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.planning.gpu_choice import GPUOffer, choose_gpu
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.plan import Plan


def offer(*counts: int, free: tuple[int, ...] | None = None, product: str = "L4") -> GPUOffer:
    most_free = None if free is None else max(free)
    return GPUOffer(
        gpu(product), "nvidia.com/gpu", max(counts), nodes=len(counts), free=most_free, counts=counts, free_counts=free
    )


def chosen(*offers: GPUOffer, **intent: Any) -> tuple[Plan, GPUOffer]:
    found = choose_gpu(qwen3_vl(), offers, Intent(**intent))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("counts", "asked", "wanted"),
    [
        pytest.param((1, 1), {"nodes": 2}, (2, 1), id="one each"),
        pytest.param((8, 4, 4), {"nodes": 2, "gpu_count": 8}, (2, 4), id="a count that two nodes share"),
        pytest.param((8, 1, 1), {"nodes": 2}, (2, 1), id="no more than the second has"),
        pytest.param((4, 2), {"nodes": 1}, (1, 1), id="one node takes the fewest"),
    ],
)
def test_a_pod_asks_no_more_than_its_node_has(
    counts: tuple[int, ...], asked: dict[str, Any], wanted: tuple[int, int]
) -> None:
    made, _ = chosen(offer(*counts), **asked)
    assert (made.nodes, made.gpus_per_node) == wanted


def test_a_free_number_of_nodes_is_bounded_by_those_that_are_there() -> None:
    enough, _ = chosen(offer(1, 1), nodes=None, gpu_count=2)
    assert enough.nodes == 2
    alone, _ = chosen(offer(1), nodes=None, minimum_context=131072)
    assert alone.nodes == 1


def test_nodes_with_fewer_gpus_are_taken_where_those_with_the_most_are_too_few() -> None:
    made, _ = chosen(offer(2, 1, 1, 1, product="A10"), nodes=None, minimum_context=250_000)
    assert made.fits
    assert (made.nodes, made.gpus_per_node) == (3, 1)


@pytest.mark.parametrize(
    ("free", "product"),
    [
        pytest.param((1, 1), "A10", id="free on two nodes"),
        pytest.param((1, 0), "L4", id="free on one of them only"),
    ],
)
def test_free_means_free_on_as_many_nodes_as_it_takes(free: tuple[int, ...], product: str) -> None:
    smaller, larger = offer(1, 1, free=free, product="A10"), offer(1, 1, free=(1, 1))
    _, taken = chosen(smaller, larger, nodes=2, minimum_context=65536)
    assert taken.gpu == gpu(product)


@pytest.mark.parametrize(("gpus", "nodes"), [(1, 3), (2, 2), (4, 1), (5, 0)])
def test_nodes_with_at_least_so_many(gpus: int, nodes: int) -> None:
    assert offer(4, 2, 1).nodes_with(gpus) == nodes


def test_an_offer_without_counts_is_of_equal_nodes() -> None:
    plain = GPUOffer(gpu("L4"), "nvidia.com/gpu", 2, nodes=3)
    assert (plain.nodes_with(2), plain.nodes_with(3), plain.sizes) == (3, 0, (2,))
