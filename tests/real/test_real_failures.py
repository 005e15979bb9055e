"""Start-ups that no change of flags mends, on a real kubelet: named, with the next step, or waited for."""

from __future__ import annotations

from typing import Any

import pytest
from model_servers import condition, container, engine, outcomes, pods, stalled, story, until, vlmd

from kit.control_plane import Cluster
from kit.real_node.checkpoints import UNKNOWN
from kit.real_node.images import ABSENT, SLOW

pytestmark = [pytest.mark.real, pytest.mark.timeout(900), pytest.mark.usefixtures("operator")]


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        pytest.param(
            {"engine": engine(extraArgs=["--frobnicate=7"])},
            "UnknownArgument",
            ["--frobnicate=7", "does not know"],
            id="a flag that vLLM does not know",
        ),
        pytest.param(
            {"model": {"id": UNKNOWN}},
            "ArchitectureUnsupported",
            ["FrobnicatorForCausalLM"],
            id="an architecture that vLLM does not have",
        ),
        pytest.param(
            {"podTemplate": container(resources={"limits": {"memory": "1100Mi"}})},
            "HostOutOfMemory",
            ["memory limit"],
            id="a memory limit below what vLLM takes",
        ),
    ],
)
def test_it_stops_at_once_with_the_cause_and_the_next_step(
    cluster: Cluster, namespace: str, changes: dict[str, Any], reason: str, words: list[str]
) -> None:
    cluster.apply(vlmd("model", namespace, **changes))
    item = stalled(cluster, namespace, "model")
    assert outcomes(item) == [("Failed", reason)], story(cluster, namespace, "model")
    message = condition(item, "Stalled")["message"]
    assert [word for word in words if word not in message] == [], message
    assert cluster.get("deployment", "model", namespace)["spec"]["replicas"] == 0
    until(cluster, namespace, "model", "its pod is gone", lambda: not pods(cluster, namespace, "model"), 30)


def test_an_image_that_is_in_no_registry_is_waited_for_and_named(cluster: Cluster, namespace: str) -> None:
    cluster.apply(vlmd("model", namespace, engine=engine(image=ABSENT)))

    def told() -> dict[str, Any] | None:
        found = condition(cluster.get("vlmd", "model", namespace), "CapacityVerified")
        return found if found.get("reason") == "ImagePullFailed" else None

    found = until(cluster, namespace, "model", "the missing image is told", told, 60)
    assert ABSENT in found["message"]
    item = cluster.get("vlmd", "model", namespace)
    assert condition(item, "Ready")["status"] == "False"
    assert condition(item, "Stalled").get("status") != "True"


def test_a_startup_probe_that_is_too_short_stops_after_the_bound(cluster: Cluster, namespace: str) -> None:
    short = container(startupProbe={"periodSeconds": 1, "failureThreshold": 3}, livenessProbe={"periodSeconds": 1})
    changes = {"engine": engine(image=SLOW.name), "podTemplate": short, "retune": {"maxAttempts": 2}}
    cluster.apply(vlmd("model", namespace, **changes))
    item = stalled(cluster, namespace, "model")
    assert outcomes(item) == [("Failed", "StartupProbeFailed")], story(cluster, namespace, "model")
    assert item["status"]["attempts"][0]["startupProbeFailures"] == 2
    assert "startupProbe.failureThreshold" in condition(item, "Stalled")["message"]
