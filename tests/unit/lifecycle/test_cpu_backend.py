"""The CPU backend learns from its start-ups as GPUs do."""

from __future__ import annotations

from typing import Any

import pytest

from lifecycle_world import MODEL, World, flags_of
from vlm_operator.units import GIB

SPEC = {"model": {"id": MODEL}, "cpu": {"kvCacheSpace": "2Gi"}}

NOT_AVAILABLE = (
    "(EngineCore pid=70) ERROR 11-24 10:01:01 [core.py:1100] ValueError: Available memory on node 0 (12.36/23.54 GiB) "
    "on kv cache allocation is less than requested memory for kv (64.00 GiB). Decrease --kv-cache-memory-bytes, "
    "VLLM_CPU_KVCACHE_SPACE, or reduce CPU memory used by other processes.\n"
)
ABOVE_SHARE = (
    "(EngineCore pid=70) ERROR 11-24 10:01:01 [core.py:1100] ValueError: Available memory on node 0 (12.36/23.54 GiB) "
    "on startup is less than desired CPU memory utilization (0.92, 21.66 GiB). On the CPU backend, the "
    "`--gpu-memory-utilization` flag controls the fraction of CPU memory reserved (despite its name).\n"
)


def cpu_world(**more: Any) -> World:
    return World(spec={**SPEC, "workload": {"promptTokens": 6000, "outputTokens": 1000}}, gpus=0, **more)


def test_less_than_declared_is_one_retune_and_the_next_deployment_is_right_at_once() -> None:
    world = cpu_world(cpu_bytes=GIB)
    assert world.settle() == "Ready"
    assert [flags_of(args)["--max-model-len"] for args in world.commands] == ["8192", "7040"]
    second = cpu_world(cpu_bytes=GIB, observations=world.observations)
    assert second.settle() == "Ready"
    assert second.commands == world.commands[-1:]
    assert "0.98 GiB" in second.status["plan"]["explanation"][0]


def test_less_than_the_request_needs_is_a_stop_with_the_figures_and_no_larger_declaration() -> None:
    world = cpu_world(cpu_bytes=GIB)
    world.spec["context"] = {"minimum": 8000}
    assert world.settle() == "Stalled"
    message = world.condition("Stalled")["message"]
    assert "context.minimum to at most 7,040" in message
    assert "0.98 GiB of the 2.00 GiB declared" in message
    assert "set cpu.kvCacheSpace" not in message
    assert message.casefold().count("lower context.minimum to at most") == 1


def test_the_size_of_the_cache_is_part_of_the_command() -> None:
    world = cpu_world()
    world.settle()
    before = world.status["plan"]["fingerprint"]
    world.spec = {**world.spec, "cpu": {"kvCacheSpace": "3Gi"}}
    world.generation += 1
    world.reconcile()
    assert world.status["plan"]["fingerprint"] != before


def test_the_tokens_shown_are_never_those_of_the_last_server() -> None:
    world = cpu_world()
    world.settle()
    measured = world.status["kvTokens"]
    world.spec = {**world.spec, "cpu": {"kvCacheSpace": "4Gi"}}
    world.generation += 1
    world.reconcile()
    assert world.status["kvTokens"] == world.status["plan"]["container"]["capacityTokens"]
    assert world.status["kvTokens"] > measured


def test_a_cache_that_the_node_cannot_hold_is_refused_with_vllms_figures_and_the_size_that_it_can() -> None:
    world = World(spec={**SPEC, "cpu": {"kvCacheSpace": "64Gi"}}, gpus=0, script=[NOT_AVAILABLE] * 4)
    assert world.settle() == "Stalled"
    assert len(world.commands) == 1
    stalled = world.condition("Stalled")
    assert stalled["reason"] == "FreeMemoryTooLow"
    assert "12.36/23.54 GiB" in stalled["message"]
    assert "cpu.kvCacheSpace to at most 12GiB" in stalled["message"]


def test_a_share_of_memory_that_is_not_available_is_lowered_once() -> None:
    world = World(spec=SPEC, gpus=0, script=[ABOVE_SHARE])
    assert world.settle() == "Ready"
    assert len(world.commands) == 2
    assert world.commands[1][world.commands[1].index("--gpu-memory-utilization") + 1] == "0.52"


def test_pods_ask_for_the_memory_they_hold_and_a_core() -> None:
    world = cpu_world()
    (deployment, _) = world.reconcile().children
    requests = deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["requests"]
    weights = world.status["plan"]["budget"]["weightsBytes"]
    assert requests["cpu"] == "1"
    assert int(requests["memory"].removesuffix("Mi")) * 2**20 == pytest.approx(2 * GIB + weights, abs=2**20)


def test_gpu_pods_ask_for_no_main_memory() -> None:
    (deployment, _) = World().reconcile().children
    assert "requests" not in deployment["spec"]["template"]["spec"]["containers"][0]["resources"]
