"""Where a MIG slice is too small, the profile that fits is named, and whether any node has it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from claim_world import claimed_node, mig_device
from lifecycle_world import MODEL, World
from vlm_operator.lifecycle.situation import GpuNode, Situation, StartupLog

H100 = "NVIDIA-H100-80GB-HBM3"
SMALL = {"model": {"id": MODEL}, "gpu": {"resource": "nvidia.com/mig-1g.10gb"}}


def mixed(*profiles: str) -> GpuNode:
    """A node with strategy ``mixed``."""
    return GpuNode(
        "mixed", {"nvidia.com/gpu.product": H100}, {f"nvidia.com/mig-{each}": "2" for each in profiles}, ready=True
    )


def single(profile: str, name: str = "single") -> GpuNode:
    """A node with strategy ``single``: all of one profile, under the name of whole GPUs."""
    return GpuNode(name, {"nvidia.com/gpu.product": f"{H100}-MIG-{profile}"}, {"nvidia.com/gpu": "7"}, ready=True)


@dataclass
class SlicedWorld(World):
    """A cluster of such nodes."""

    sliced: tuple[GpuNode, ...] = field(default_factory=tuple)

    def situation(self, logs: tuple[StartupLog, ...] = ()) -> Situation:
        """What gather would read."""
        return replace(super().situation(logs), nodes=self.sliced)


def refusal(spec: dict[str, Any], *nodes: GpuNode) -> str:
    status = SlicedWorld(spec=spec, sliced=nodes).decide().status
    assert status is not None
    planned = next(each for each in status["conditions"] if each["type"] == "Planned")
    assert planned["status"] == "False"
    return str(planned["message"])


SINGLE = {"model": {"id": MODEL}, "gpu": {"product": f"{H100}-MIG-1g.10gb"}}
CLAIMED = {"model": {"id": MODEL}, "gpu": {"claim": {}, "resource": "nvidia.com/mig-1g.10gb"}}
TEN = mig_device(0, "1g.10gb", "9728Mi")


@pytest.mark.parametrize(
    ("spec", "nodes", "words"),
    [
        pytest.param(SMALL, [mixed("1g.10gb")], "1g.20gb fits; none is configured", id="mixed"),
        pytest.param(
            SMALL, [mixed("1g.10gb", "2g.20gb")], "2g.20gb fits: set spec.gpu.resource to nvidia.com/mig-2g.20gb",
            id="mixed, and another is there",
        ),
        pytest.param(SINGLE, [single("1g.10gb")], "1g.20gb fits; none is configured", id="single"),
        pytest.param(
            SINGLE, [single("1g.10gb"), single("2g.20gb", "other")], f"set spec.gpu.product to {H100}-MIG-2g.20gb",
            id="single, and another node has it",
        ),
        pytest.param(CLAIMED, [claimed_node("n", TEN)], "1g.20gb fits; none is configured", id="claimed"),
        pytest.param(
            CLAIMED, [claimed_node("n", TEN, mig_device(1, "2g.20gb", "20096Mi"))],
            "2g.20gb fits: set spec.gpu.resource to nvidia.com/mig-2g.20gb", id="claimed, and another is there",
        ),
    ],
)  # fmt: skip
def test_the_smallest_profile_that_fits_is_named(spec: dict[str, Any], nodes: list[GpuNode], words: str) -> None:
    assert words in refusal(spec, *nodes)


def test_a_whole_gpu_has_no_such_step() -> None:
    t4 = GpuNode("t4", {"nvidia.com/gpu.product": "Tesla-T4"}, {"nvidia.com/gpu": "1"}, ready=True)
    assert "none is configured" not in refusal({"model": {"id": MODEL}}, t4)
