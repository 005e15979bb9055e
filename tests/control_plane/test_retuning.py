"""A failed start-up ends in a serving model or in a sentence that says what to change, on a real API server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml
from test_life_of_a_vlmdeployment import arguments, flag, ready
from vlmdeployments import condition, engine, vlmd

from kit.control_plane import Cluster, OperatorProcess

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("operator")]

NODE = "simulated-rtx-5090"
FREE = {"limitMMPerPrompt": {"image": 2, "video": 0}, "image": "vllm/vllm-openai:v0.11.0"}
"""Flags that the record was published with; everything else is left to the plan."""


@contextmanager
def node_says(cluster: Cluster, **notes: str) -> Iterator[None]:
    """The node plays something else meanwhile."""
    names = [f"simulated-node/{name.replace('_', '-')}" for name in notes]
    cluster.kubectl(
        "annotate", "node", NODE, "--overwrite", *(f"{n}={v}" for n, v in zip(names, notes.values(), strict=True))
    )
    try:
        yield
    finally:
        cluster.kubectl("annotate", "node", NODE, *(f"{name}-" for name in names))


def stalled(cluster: Cluster, namespace: str, name: str, seconds: int = 60) -> dict[str, Any]:
    cluster.kubectl("wait", "--for=condition=Stalled", f"vlmd/{name}", "-n", namespace, f"--timeout={seconds}s")
    return cluster.get("vlmd", name, namespace)


def outcomes(item: dict[str, Any]) -> list[tuple[str, str | None]]:
    return [(attempt["outcome"], attempt.get("reason")) for attempt in (item.get("status") or {}).get("attempts", ())]


def require_outcomes(item: dict[str, Any], expected: list[tuple[str, str | None]]) -> None:
    """Exactly these outcomes; where they are others, the whole status says how it came to them."""
    assert outcomes(item) == expected, yaml.safe_dump(item["status"])


def commands(item: dict[str, Any]) -> list[str]:
    return [attempt["fingerprint"] for attempt in (item.get("status") or {}).get("attempts", ())]


def test_a_container_that_is_too_small_is_mended_by_one_retune(cluster: Cluster, namespace: str) -> None:
    """The record finds half of what the plan predicts at 0.9: the log says how much, and the context gives way."""
    wanted = {"promptTokens": 20000, "outputTokens": 20000}
    pinned = {**FREE, "gpuMemoryUtilization": 0.9}
    cluster.apply(vlmd("model", namespace, engine=pinned, workload=wanted))
    item = ready(cluster, namespace, "model", 60)
    require_outcomes(item, [("Failed", "KVCacheTooSmall"), ("Started", None)])
    args = arguments(cluster, namespace, "model")
    assert flag(args, "--gpu-memory-utilization") == "0.9"
    assert int(flag(args, "--max-model-len")) >= 40000


def test_no_memory_for_the_cache_is_mended_by_one_retune(cluster: Cluster, namespace: str) -> None:
    cluster.apply(vlmd("model", namespace, goal="SingleUser", engine=FREE))
    item = ready(cluster, namespace, "model", 60)
    require_outcomes(item, [("Failed", "NoKVCacheMemory"), ("Started", None)])
    assert "measured" in condition(item, "CapacityVerified")["message"]


def test_what_one_learnt_another_knows(cluster: Cluster, namespace: str) -> None:
    cluster.apply(vlmd("first", namespace, goal="SingleUser", engine=FREE))
    ready(cluster, namespace, "first", 60)
    cluster.apply(vlmd("second", namespace, goal="SingleUser", engine=FREE))
    item = ready(cluster, namespace, "second", 60)
    require_outcomes(item, [("Started", None)])
    assert any("earlier start-up" in sentence for sentence in item["status"]["plan"]["explanation"])


def test_another_process_on_the_gpu_is_planned_around(cluster: Cluster, namespace: str) -> None:
    with node_says(cluster, used_by_others_gib="4"):
        cluster.apply(vlmd("model", namespace, engine={**FREE, "contextLength": 4096}))
        item = ready(cluster, namespace, "model", 60)
    assert outcomes(item)[0] == ("Failed", "FreeMemoryTooLow")
    assert outcomes(item)[-1] == ("Started", None)
    assert float(flag(arguments(cluster, namespace, "model"), "--gpu-memory-utilization")) <= (30.86 - 4) / 31.36


@pytest.mark.parametrize("stage", ["profile", "capture"])
def test_out_of_memory_is_tried_again_with_other_flags_only(cluster: Cluster, namespace: str, stage: str) -> None:
    with node_says(cluster, fails_with=f"OutOfMemory-{stage}", fails_times="1"):
        cluster.apply(vlmd("model", namespace, engine={**FREE, "contextLength": 8192}))
        cluster.wait("an outcome", lambda: outcomes(cluster.get("vlmd", "model", namespace))[:1])
        item = cluster.wait(
            "settled",
            lambda: next(
                (
                    item
                    for item in [cluster.get("vlmd", "model", namespace)]
                    if condition(item, "Ready").get("status") == "True" or condition(item, "Stalled")
                ),
                None,
            ),
            60,
        )
    assert outcomes(item)[0] == ("Failed", "OutOfMemory")
    assert len(set(commands(item))) == len(commands(item))


def test_weights_that_do_not_fit_stop_with_what_would(cluster: Cluster, namespace: str) -> None:
    with node_says(cluster, fails_with="OutOfMemory-load"):
        cluster.apply(vlmd("model", namespace))
        item = stalled(cluster, namespace, "model", 60)
    assert outcomes(item)[0] == ("Failed", "OutOfMemory")
    assert len(set(commands(item))) == len(commands(item))
    assert condition(item, "Stalled")["message"]


@pytest.mark.parametrize(
    ("failure", "reason", "words"),
    [
        pytest.param("Unknown", "Unknown", "flux capacitor", id="nobody knows the failure"),
        pytest.param("ArchitectureUnsupported", "ArchitectureUnsupported", "not supported", id="model cannot work"),
    ],
)
def test_what_no_flag_mends_stops_at_once_with_the_line_quoted(
    cluster: Cluster, namespace: str, failure: str, reason: str, words: str
) -> None:
    with node_says(cluster, fails_with=failure):
        cluster.apply(vlmd("model", namespace))
        item = stalled(cluster, namespace, "model")
    require_outcomes(item, [("Failed", reason)])
    assert words in condition(item, "Stalled")["message"]
    assert cluster.get("deployment", "model", namespace)["spec"]["replicas"] == 0


def test_an_evicted_pod_counts_against_nobody(cluster: Cluster, namespace: str) -> None:
    with node_says(cluster, evicts="Evicted"):
        cluster.apply(vlmd("model", namespace))
        cluster.wait(
            "the eviction is reported",
            lambda: condition(cluster.get("vlmd", "model", namespace), "CapacityVerified").get("reason") == "NodeFault",
        )
    item = ready(cluster, namespace, "model", 60)
    require_outcomes(item, [("Started", None)])


def test_a_log_that_was_rotated_away_is_reported_never_guessed(
    cluster: Cluster, operator: OperatorProcess, namespace: str
) -> None:
    """The operator was away while it happened; what the kubelet kept of the log's end names no cause."""

    def restarted() -> bool:
        pods = cluster.get("pod", None, namespace)["items"]
        statuses = [status for pod in pods for status in pod["status"].get("containerStatuses", ())]
        return any(status["restartCount"] > 0 for status in statuses)

    with node_says(cluster, fails_with="ArchitectureUnsupported", loses_logs="true"):
        cluster.apply(vlmd("model", namespace))
        cluster.wait("a pod", lambda: cluster.get("pod", None, namespace)["items"])
        operator.kill()
        cluster.wait("a restart", restarted)
        operator.start()
        item = stalled(cluster, namespace, "model", 90)
    require_outcomes(item, [("Failed", "LogUnreadable")])
    assert "names no cause" in condition(item, "Stalled")["message"]


def test_a_pinned_context_that_is_too_long_is_refused_with_remedies_that_work(cluster: Cluster, namespace: str) -> None:
    pinned = engine(contextLength=131072, gpuMemoryUtilization=0.75, kvCacheDtype="auto", image=FREE["image"])
    cluster.apply(vlmd("model", namespace, engine=pinned))
    item = stalled(cluster, namespace, "model")
    message = condition(item, "Planned")["message"]
    require_outcomes(item, [])
    assert "--max-model-len" in message
    shorter = int(message.partition("set --max-model-len to ")[2].split()[0])
    cluster.apply(
        vlmd("model", namespace, engine={**pinned, "contextLength": min(shorter, 4096), "gpuMemoryUtilization": 0.9})
    )
    ready(cluster, namespace, "model", 60)
