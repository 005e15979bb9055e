"""A server that runs out of GPU memory after a clean start takes one step, and others of its kind know."""

from __future__ import annotations

import pytest
from test_life_of_a_vlmdeployment import arguments, flag, ready
from test_retuning import FREE, node_says, outcomes
from vlmdeployments import vlmd

from kit.control_plane import Cluster, OperatorProcess

pytestmark = [pytest.mark.control_plane, pytest.mark.usefixtures("operator")]


def test_the_utilisation_falls_and_the_next_plan_keeps_the_reserve(
    cluster: Cluster, operator: OperatorProcess, namespace: str
) -> None:
    wanted = {**FREE, "contextLength": 8192}
    with node_says(cluster, dies_with="OutOfMemory-serving", dies_times="1"):
        cluster.apply(vlmd("model", namespace, engine=wanted))
        ready(cluster, namespace, "model", 60)
        before = float(flag(arguments(cluster, namespace, "model"), "--gpu-memory-utilization"))
        item = cluster.wait(
            "one step",
            lambda: next(
                (
                    item
                    for item in [cluster.get("vlmd", "model", namespace)]
                    if outcomes(item) == [("Failed", "OutOfMemoryInService"), ("Started", None)]
                ),
                None,
            ),
            60,
        )
    after = float(flag(arguments(cluster, namespace, "model"), "--gpu-memory-utilization"))
    assert after == pytest.approx(before - 0.05)  # 1.94 GiB tried, 412 MiB free, of 31.36 GiB
    events = [event["reason"] for event in cluster.get("event", None, namespace)["items"]]
    assert events.count("OutOfMemoryInService") == 1
    assert "StartupFailed" not in events
    assert item["status"]["plan"]["flags"]["max_model_len"] == 8192

    cluster.apply(vlmd("other", namespace, engine=wanted))
    ready(cluster, namespace, "other", 60)
    assert float(flag(arguments(cluster, namespace, "other"), "--gpu-memory-utilization")) == after
