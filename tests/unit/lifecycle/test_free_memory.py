"""What agents measure: a plan is for the memory that is free, and a refusal names who holds the rest."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from lifecycle_world import MODEL, World
from vlm_operator.api.gpu_spec import GPUSpec
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.gpu.facts import FactSource
from vlm_operator.gpu.measured import GPUProcess, MeasuredGPU, MigInstance
from vlm_operator.gpu.node_gpus import node_gpus
from vlm_operator.lifecycle.free_memory import UNTOLD_BYTES, with_free_memory
from vlm_operator.lifecycle.offers import offers
from vlm_operator.lifecycle.situation import GpuNode, Situation, StartupLog
from vlm_operator.units import GIB, MIB

NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
RTX_5090 = find_gpu("RTX-5090")
LABELS = {"nvidia.com/gpu.product": RTX_5090.product}
GPU = "nvidia.com/gpu"
DESKTOP = GPUProcess(4242, "/usr/bin/blender", 12 * GIB)


def card(index: int = 0, *processes: GPUProcess) -> MeasuredGPU:
    """An RTX 5090 with these processes on it and nothing else."""
    total, reserved = 32607 * MIB, 494 * MIB
    free = total - reserved - sum(each.used_bytes or 0 for each in processes)
    return MeasuredGPU(
        index, f"GPU-{index}", "NVIDIA GeForce RTX 5090", total, free, (12, 0), reserved, processes=tuple(processes)
    )


def node(name: str, *cards: MeasuredGPU, ready: bool = True) -> GpuNode:
    return GpuNode(name, LABELS, {GPU: str(len(cards) or 1)}, ready=ready, measured=cards)


def held(*nodes: GpuNode, in_use: dict[str, dict[str, int]] | None = None, own: frozenset[str] = frozenset()) -> float:
    """GiB that others hold of the GPU that is planned for."""
    (offer,) = with_free_memory(offers(nodes, None), nodes, in_use, own, NOW).matching
    return (RTX_5090.free_estimate_bytes - offer.gpu.free_estimate_bytes) / GIB


POD = GPUProcess(7, "python3", 20 * GIB, "pod-of-another")
OWN = GPUProcess(8, "python3", 20 * GIB, "mine")
SLACK = UNTOLD_BYTES / GIB


@pytest.mark.parametrize(
    ("nodes", "in_use", "expected"),
    [
        pytest.param([node("a", card())], None, 0, id="an idle card is the catalogue's"),
        pytest.param([node("a", card(0, replace(DESKTOP, used_bytes=200 * MIB)))], None, 0, id="less than is told of"),
        pytest.param([node("a", card(0, DESKTOP))], None, 12 + SLACK, id="a process of the host"),
        pytest.param([node("a", card(0, DESKTOP), card(1))], None, 12 + SLACK, id="either card may be given"),
        pytest.param([node("a", card(0, DESKTOP), card(1, POD))], {"a": {GPU: 1}}, 12 + SLACK, id="another pod's card"),
        pytest.param(
            [node("a", card(0, GPUProcess(7, "", 20 * GIB)), card(1))], {"a": {GPU: 1}}, 0,
            id="a pod whose processes are not told apart",
        ),
        pytest.param([node("a", card(0, DESKTOP)), node("b", card())], None, 0, id="an emptier node"),
        pytest.param([node("a", card(0, DESKTOP)), node("b", card(), ready=False)], None, 12 + SLACK, id="not ready"),
        pytest.param([node("a", card(0, DESKTOP)), node("b")], None, 0, id="a node without an agent"),
        pytest.param([node("a", card(0, OWN))], None, 0, id="its own pod ends before"),
        pytest.param([node("a", card(0, OWN, DESKTOP))], None, 12 + SLACK, id="its own pod beside another process"),
    ],
)  # fmt: skip
def test_the_memory_planned_for_is_what_a_pod_will_find(
    nodes: list[GpuNode], in_use: dict[str, dict[str, int]] | None, expected: float
) -> None:
    assert held(*nodes, in_use=in_use, own=frozenset({"mine"})) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("since", "expected"),
    [
        pytest.param("2026-12-01T11:59:10Z", 12 + SLACK, id="for less than a minute: it is started again"),
        pytest.param("2026-12-01T11:58:59Z", 0, id="for longer"),
        pytest.param("", 0, id="nobody knows since when"),
    ],
)
def test_what_an_agent_that_is_not_heard_has_measured_is_not_believed_for_ever(since: str, expected: float) -> None:
    silent = replace(node("a", card(0, DESKTOP)), unheard_since=since)
    assert held(silent) == pytest.approx(expected)
    (offer,) = with_free_memory(offers((silent,), None), (silent,), None, (), NOW).matching
    told = [note for note in offer.gpu.notes if "the agent of node a has not been heard" in note]
    assert bool(told) == (expected == 0)


TRAINER = GPUProcess(77, "/usr/bin/trainer", 6 * GIB)
SLICE = "NVIDIA-H100-80GB-HBM3-MIG-3g.40gb"


def sliced(*held: tuple[GPUProcess, ...], single: bool = False) -> GpuNode:
    """An H100 with an instance 3g.40gb for each of these groups of processes."""
    total, reserved = 40448 * MIB, 64 * MIB
    instances = tuple(
        MigInstance(
            f"MIG-{number}", "3g.40gb", total, total - reserved - sum(each.used_bytes or 0 for each in processes),
            reserved, processes,
        )
        for number, processes in enumerate(held)
    )  # fmt: skip
    measured = MeasuredGPU(
        0, "GPU-0", "NVIDIA H100 80GB HBM3", 81559 * MIB, 0, (9, 0), 600 * MIB, mig=instances, mig_enabled=True
    )
    labels = {"nvidia.com/gpu.product": SLICE if single else "NVIDIA-H100-80GB-HBM3"}
    resource = GPU if single else "nvidia.com/mig-3g.40gb"
    return GpuNode("a", labels, {resource: str(len(held))}, ready=True, measured=(measured,))


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize(
    ("instances", "in_use", "expected"),
    [
        pytest.param(((), ()), 0, 0, id="idle"),
        pytest.param(((TRAINER,), ()), 0, 6 + SLACK, id="either may be given"),
        pytest.param(((replace(TRAINER, pod_uid="another"),), ()), 1, 0, id="another pod has it"),
        pytest.param(((replace(TRAINER, pod_uid="mine"),), ()), 0, 0, id="its own pod ends before"),
    ],
)
def test_what_is_free_of_a_mig_instance_is_planned_for(
    instances: tuple[tuple[GPUProcess, ...], ...], in_use: int, expected: float, *, single: bool
) -> None:
    node = sliced(*instances, single=single)
    resource = GPU if single else "nvidia.com/mig-3g.40gb"
    spec = GPUSpec(resource=resource, product=SLICE) if single else GPUSpec(resource=resource)
    (idle,) = offers((node,), spec).matching
    (offer,) = with_free_memory(offers((node,), spec), (node,), {"a": {resource: in_use}}, {"mine"}, NOW).matching
    assert (idle.gpu.free_estimate_bytes - offer.gpu.free_estimate_bytes) / GIB == pytest.approx(expected)
    assert ("trainer (pid 77)" in offer.gpu.held_by) == (expected > 0)


def test_nvml_wins_over_labels_and_says_so() -> None:
    smaller = replace(card(), total_bytes=24564 * MIB, free_bytes=24070 * MIB)
    (offered,) = node_gpus({**LABELS, "nvidia.com/gpu.memory": "32607"}, {GPU: "1"}, (), (smaller,))
    assert offered.gpu.nvml_total_bytes == 24564 * MIB
    assert offered.gpu.source_of("memory") is FactSource.AGENT


@dataclass
class MeasuredWorld(World):
    """A cluster of one node with an agent."""

    cards: tuple[MeasuredGPU, ...] = field(default_factory=lambda: (card(),))

    def situation(self, logs: tuple[StartupLog, ...] = ()) -> Situation:
        """What gather would read."""
        return replace(super().situation(logs), nodes=(node("node-1", *self.cards),), gpus_in_use={})


def planned(world: World) -> dict[str, Any]:
    status = world.reconcile().status
    assert status is not None
    return dict(status)


def condition(status: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in status["conditions"] if each["type"] == "Planned")
    return found


PINNED = {"model": {"id": MODEL}, "engine": {"gpuMemoryUtilization": 0.9, "contextLength": 8192}}


def test_free_memory_that_is_too_low_is_predicted_and_the_holder_named() -> None:
    status = planned(MeasuredWorld(spec=PINNED, cards=(card(0, DESKTOP),)))
    found = condition(status)
    assert (found["status"], found["reason"]) == ("False", "FreeMemoryTooLow")
    assert "others hold 12.00 GiB of GPU 0 of node node-1: blender (pid 4242) holds 12.00 GiB" in found["message"]


def test_a_plan_that_waits_for_memory_is_made_when_it_is_free() -> None:
    world = MeasuredWorld(spec=PINNED, cards=(card(0, DESKTOP),))
    assert condition(planned(world))["status"] == "False"
    world.cards = (card(),)
    assert condition(planned(world))["status"] == "True"
    assert world.deployment is not None


def test_where_the_utilisation_is_free_it_is_chosen_for_what_is_left() -> None:
    spec = {"model": {"id": MODEL}, "workload": {"promptTokens": 2000, "outputTokens": 500}}
    held_status = planned(MeasuredWorld(spec=spec, cards=(card(0, replace(DESKTOP, used_bytes=6 * GIB)),)))
    plan = held_status["plan"]
    assert condition(held_status)["status"] == "True"
    assert plan["budget"]["requestedBytes"] <= RTX_5090.free_estimate_bytes - 6 * GIB
    assert plan["gpu"]["sources"]["free"] == "agent"


def test_a_plan_in_force_stays_whatever_is_held_by_now() -> None:
    world = MeasuredWorld(spec=PINNED)
    before = planned(world)["plan"]
    world.cards = (card(0, DESKTOP),)
    assert planned(world)["plan"] == before
