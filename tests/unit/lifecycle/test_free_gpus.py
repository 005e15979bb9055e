"""What is free on the nodes: allocatable, less what pods ask for, less what others were given and nobody holds yet."""

from __future__ import annotations

import pytest

from vlm_operator.lifecycle.offers import offers, with_free
from vlm_operator.lifecycle.situation import AwaitedGPUs, GpuNode

L4 = "NVIDIA-L4"


def node(name: str, count: int, *, ready: bool = True, cordoned: bool = False) -> GpuNode:
    return GpuNode(name, {"nvidia.com/gpu.product": L4}, {"nvidia.com/gpu": str(count)}, ready, cordoned)


def awaited(count: int, product: str = L4, *, nodes: int = 1) -> AwaitedGPUs:
    return AwaitedGPUs(product, "nvidia.com/gpu", count, nodes)


@pytest.mark.parametrize(
    ("nodes", "in_use", "waiting", "free"),
    [
        pytest.param((node("a", 4),), None, (), None, id="not known"),
        pytest.param((node("a", 4),), {}, (), 4, id="nothing is in use"),
        pytest.param((node("a", 4),), {"a": {"nvidia.com/gpu": 3}}, (), 1, id="pods ask for three"),
        pytest.param((node("a", 4), node("b", 2)), {"a": {"nvidia.com/gpu": 3}}, (), 2, id="the node with the most"),
        pytest.param((node("a", 4, ready=False),), {}, (), 0, id="not ready"),
        pytest.param((node("a", 4, cordoned=True),), {}, (), 0, id="cordoned"),
        pytest.param((node("a", 4),), {"a": {"nvidia.com/gpu": 9}}, (), 0, id="more asked for than there are"),
        pytest.param((node("a", 1),), {}, (awaited(1),), 0, id="another was given the only one"),
        pytest.param((node("a", 4), node("b", 1)), {}, (awaited(1),), 4, id="it goes to the fullest node"),
        pytest.param((node("a", 1),), {}, (awaited(1, "Tesla-T4"),), 1, id="another product is awaited"),
        pytest.param((node("a", 1),), {}, (awaited(4),), 1, id="more awaited than any node has"),
        pytest.param(
            (node("a", 4), node("b", 4), node("c", 2)), {}, (awaited(4, nodes=2),), 2, id="a group takes two nodes"
        ),
    ],
)
def test_free_gpus(
    nodes: tuple[GpuNode, ...],
    in_use: dict[str, dict[str, int]] | None,
    waiting: tuple[AwaitedGPUs, ...],
    free: int | None,
) -> None:
    (found,) = with_free(offers(nodes, None), in_use, waiting).matching
    assert found.free == free
