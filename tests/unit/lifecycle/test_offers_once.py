"""A thousand VLMDeployments do not each read the labels of every node."""

from __future__ import annotations

import pytest

from vlm_operator.api.gpu_spec import GPUSpec
from vlm_operator.lifecycle import offers as module
from vlm_operator.lifecycle.offers import offers
from vlm_operator.lifecycle.situation import GpuNode

LABELS = {"nvidia.com/gpu.product": "NVIDIA-L4", "nvidia.com/gpu.memory": "23034"}


def nodes() -> tuple[GpuNode, ...]:
    return tuple(GpuNode(f"n{number}", LABELS, {"nvidia.com/gpu": "1"}, ready=True) for number in range(5))


def test_the_same_nodes_are_read_once_for_equal_specs_and_again_when_they_change(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[str] = []
    original = module.node_gpus

    def counted(labels: dict[str, str], allocatable: dict[str, str], *more: tuple[object, ...]) -> object:
        read.append("node")
        return original(labels, allocatable, *more)

    monkeypatch.setattr(module, "node_gpus", counted)
    snapshot = nodes()
    first = offers(snapshot, GPUSpec(product="NVIDIA-L4"))
    assert offers(snapshot, GPUSpec(product="NVIDIA-L4")) is first
    assert len(read) == 5
    assert offers(snapshot, None) is not first
    assert offers(nodes(), GPUSpec(product="NVIDIA-L4")).matching == first.matching
    assert len(read) == 15
