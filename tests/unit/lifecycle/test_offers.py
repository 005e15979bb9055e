"""Which GPUs of a cluster's nodes a spec may be planned on."""

from __future__ import annotations

from typing import Any

import pytest

from vlm_operator.api.gpu_spec import GPUSpec
from vlm_operator.api.topology_spec import TopologySpec
from vlm_operator.gpu.facts import Platform
from vlm_operator.lifecycle.offers import Offers, find_product, offers
from vlm_operator.lifecycle.situation import GpuNode


def node(name: str, product: str, count: int = 1, *, ready: bool = True) -> GpuNode:
    labels = {"nvidia.com/gpu.product": product, "nvidia.com/gpu.count": str(count)}
    return GpuNode(name, labels, {"nvidia.com/gpu": str(count)}, ready=ready)


L4, L4_PAIR = node("a", "NVIDIA-L4"), node("b", "NVIDIA-L4", 2)
CARD = node("c", "NVIDIA-GeForce-RTX-5090")
SHARED = node("d", "NVIDIA-L4-SHARED", 4)


def found(*nodes: GpuNode, **spec: Any) -> Offers:
    return offers(nodes, GPUSpec.model_validate(spec) if spec else None)


def kinds(offered: Offers) -> list[tuple[str, int, int]]:
    return [(each.gpu.label, each.count, each.nodes) for each in offered.matching]


def test_nodes_of_one_kind_are_one_offer_with_the_most_that_one_node_has() -> None:
    assert kinds(found(L4, L4_PAIR, CARD)) == [("NVIDIA-L4", 2, 2), ("NVIDIA-GeForce-RTX-5090", 1, 1)]
    assert kinds(found(L4_PAIR, L4)) == [("NVIDIA-L4", 2, 2)]
    assert [(each.node_label, each.resource) for each in found(L4, CARD).matching] == [
        ("NVIDIA-L4", "nvidia.com/gpu"),
        ("NVIDIA-GeForce-RTX-5090", "nvidia.com/gpu"),
    ]


@pytest.mark.parametrize(
    ("wish", "topology", "words"),
    [
        pytest.param({}, {"nodes": 2}, "resource nvidia.com/gpu on 2 nodes", id="two nodes"),
        pytest.param(None, {"nodes": 2}, "any product on 2 nodes", id="two nodes, nothing else is said"),
        pytest.param({"product": "NVIDIA-L4", "count": 4}, {"nodes": 2}, "at least 4 on 2 nodes", id="four on two"),
        pytest.param({"count": 4}, {"nodes": "auto"}, "at least 4 on nodes that share them evenly", id="on any number"),
        pytest.param(None, {"nodes": 1}, None, id="one node"),
    ],
)
def test_a_refusal_names_what_nodes_were_looked_for(
    wish: dict[str, Any] | None, topology: dict[str, Any], words: str | None
) -> None:
    spec = None if wish is None else GPUSpec.model_validate(wish)
    said = Offers(()).refusal(spec, TopologySpec.model_validate(topology))
    assert said.startswith(f"no node offers a GPU{' with ' if words else ''}")
    assert words is None or words in said


def test_a_node_that_is_not_ready_counts() -> None:
    assert kinds(found(node("a", "NVIDIA-L4", ready=False))) == [("NVIDIA-L4", 1, 1)]


def test_without_a_wish_shared_gpus_are_left_out() -> None:
    assert kinds(found(SHARED)) == []


@pytest.mark.parametrize(
    ("spec", "products"),
    [
        pytest.param({"product": "NVIDIA-L4"}, ["NVIDIA-L4"], id="as the label spells it"),
        pytest.param({"product": "RTX-5090"}, ["NVIDIA-GeForce-RTX-5090"], id="as the catalogue abbreviates it"),
        pytest.param({"product": "no-such-card"}, [], id="a product that nobody has"),
        pytest.param({"count": 2}, ["NVIDIA-L4"], id="two on one node"),
        pytest.param({"count": 3}, [], id="three on one node"),
        pytest.param({"resource": "nvidia.com/mig-1g.10gb"}, [], id="another resource"),
    ],
)
def test_a_wish_narrows_them(spec: dict[str, Any], products: list[str]) -> None:
    assert [each.gpu.label for each in found(L4, L4_PAIR, CARD, **spec).matching] == products


def test_a_refusal_names_the_wish_and_what_there_is() -> None:
    wish = GPUSpec.model_validate({"product": "NVIDIA-H100-80GB-HBM3", "count": 2})
    words = offers((L4, CARD), wish).refusal(wish)
    assert "product NVIDIA-H100-80GB-HBM3" in words
    assert "at least 2 on one node" in words
    assert "the cluster has 1x NVIDIA-L4, 1x NVIDIA-GeForce-RTX-5090" in words


def test_a_refusal_without_a_wish_says_that_there_is_no_gpu() -> None:
    words = offers((), None).refusal(None)
    assert words == "no node offers a GPU: the cluster has no GPU that is known"


def test_a_wish_for_no_count_names_none() -> None:
    wish = GPUSpec.model_validate({"product": "NVIDIA-H100-80GB-HBM3"})
    assert "on one node" not in offers((L4,), wish).refusal(wish)


def test_a_product_that_no_node_was_read_for_is_the_catalogues() -> None:
    assert find_product("H100", "nvidia.com/gpu", 2).gpu.mig_profile is None
    sliced = find_product("H100", "nvidia.com/mig-3g.40gb", 1)
    assert sliced.gpu.mig_profile == "3g.40gb"
    assert (sliced.resource, sliced.count, sliced.node_label) == ("nvidia.com/mig-3g.40gb", 1, "NVIDIA-H100-80GB-HBM3")


def test_a_stated_platform_changes_the_total() -> None:
    (offer,) = found(CARD, platform="wsl2").matching
    assert (offer.gpu.platform, offer.gpu.total_bytes) == (Platform.WSL2, offer.gpu.nvml_total_bytes)
    (linux,) = found(CARD).matching
    assert linux.gpu.total_bytes < offer.gpu.total_bytes
    assert find_product("NVIDIA-GeForce-RTX-5090", "nvidia.com/gpu", 1, "wsl2").gpu == offer.gpu


@pytest.mark.parametrize(
    ("nodes", "count", "enough"),
    [
        pytest.param(1, None, True, id="one node"),
        pytest.param(2, None, True, id="two nodes with a GPU each"),
        pytest.param(3, None, False, id="three nodes, and there are two"),
        pytest.param(2, 2, True, id="two GPUs on two nodes"),
        pytest.param(2, 3, False, id="three GPUs: one node would need two"),
        pytest.param("auto", None, True, id="as many as it takes"),
        pytest.param("auto", 2, True, id="two GPUs on as many as it takes"),
        pytest.param("auto", 3, False, id="three GPUs are not there"),
    ],
)
def test_enough_nodes_have_the_gpus_that_each_of_them_must_have(
    nodes: int | str, count: int | None, enough: bool
) -> None:
    pair = (node("a", "NVIDIA-L4"), node("b", "NVIDIA-L4"))
    wanted = GPUSpec.model_validate({"product": "NVIDIA-L4", **({"count": count} if count else {})})
    offered = offers(pair, wanted, TopologySpec.model_validate({"nodes": nodes}))
    assert bool(offered.matching) is enough
