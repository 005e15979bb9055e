"""Whatever breaks, nothing is lost or doubled: nodes come and go, the API server restarts, the operator is killed."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from conftest import OPERATOR
from test_life_of_a_vlmdeployment import arguments, flag, planned_as, ready
from vlmdeployments import SERVES, condition, engine, vlmd

from kit.control_plane import RTX_5090, Cluster, OperatorProcess, SimulatedGpuNode

pytestmark = pytest.mark.control_plane

A100 = SimulatedGpuNode("simulated-a100", "NVIDIA-A100-SXM4-80GB", 81920, (8, 0))


@pytest.mark.usefixtures("operator")
def test_a_gpu_nobody_has_waits_for_a_node_that_has_it(cluster: Cluster, namespace: str) -> None:
    wanted = vlmd("model", namespace, gpu={"product": A100.product})
    cluster.apply(wanted)
    item = planned_as(cluster, namespace, "model", "False", "NoMatchingGPU")
    assert "NVIDIA-L4" in condition(item, "Planned")["message"]
    cluster.add_nodes([A100])
    planned_as(cluster, namespace, "model", "True", "Fits")
    cluster.kubectl("label", "node", A100.name, "nvidia.com/gpu.product=NVIDIA-A30", "--overwrite")
    planned_as(cluster, namespace, "model", "False", "NoMatchingGPU")
    cluster.kubectl("label", "node", A100.name, f"nvidia.com/gpu.product={A100.product}", "--overwrite")
    planned_as(cluster, namespace, "model", "True", "Fits")
    cluster.kubectl("delete", "node", A100.name)
    planned_as(cluster, namespace, "model", "False", "NoMatchingGPU")


@pytest.mark.usefixtures("operator")
def test_a_node_without_labels_is_no_gpu_that_can_be_planned_for(cluster: Cluster, namespace: str) -> None:
    bare = replace(RTX_5090, name="simulated-bare").manifest()
    bare["metadata"]["labels"] = {"kubernetes.io/hostname": "simulated-bare"}
    cluster.add_nodes([bare])
    try:
        cluster.apply(vlmd("model", namespace))
        ready(cluster, namespace, "model")
    finally:
        cluster.kubectl("delete", "node", "simulated-bare")


def test_what_was_applied_before_the_operator_ran_is_found(
    cluster: Cluster, operator: OperatorProcess, namespace: str
) -> None:
    operator.kill()
    cluster.apply(vlmd("model", namespace))
    operator.start()
    ready(cluster, namespace, "model")


def test_killed_and_started_again_it_tells_the_truth_within_five_seconds(
    cluster: Cluster, operator: OperatorProcess, namespace: str
) -> None:
    cluster.apply(vlmd("kept", namespace), vlmd("changed", namespace))
    ready(cluster, namespace, "kept")
    ready(cluster, namespace, "changed")
    before = cluster.get("vlmd", "kept", namespace)
    operator.kill()
    cluster.apply(vlmd("changed", namespace, engine=engine(contextLength=8192)))
    cluster.kubectl("delete", "deployment", "kept", "-n", namespace)
    operator.start()
    back = time.monotonic()
    cluster.wait("a deployment again", lambda: cluster.get("deployment", "kept", namespace), 5)
    cluster.wait("the new plan", lambda: flag(arguments(cluster, namespace, "changed"), "--max-model-len") == "8192", 5)
    cluster.wait(
        "a status about the new spec",
        lambda: cluster.get("vlmd", "changed", namespace)["status"]["observedGeneration"] == 2,
        max(0.1, 5 - (time.monotonic() - back)),
    )
    ready(cluster, namespace, "kept")
    after = cluster.get("vlmd", "kept", namespace)
    assert after["status"]["plan"] == before["status"]["plan"]


EPISODES = int(os.environ.get("KILLED_EPISODES", "1"))
"""Episodes with three kills of six start-ups; ``KILLED_EPISODES=24`` meets about 100 in the middle."""


@pytest.mark.parametrize("seed", range(EPISODES))
def test_killed_at_any_point_of_a_start_up_it_goes_on_where_it_was(
    cluster: Cluster,
    operator: OperatorProcess,
    namespace: str,
    seed: int,
) -> None:
    """Start-ups that fail and are retuned, each at another point when the operator is killed: none lost or doubled."""
    _forget_what_earlier_tests_taught(cluster)
    dice = random.Random(20261125 + seed)
    flags = {key: SERVES["engine"][key] for key in ("image", "limitMMPerPrompt")}
    names = [f"model-{number}" for number in range(6)]
    waiting, points = list(names), 0
    for _ in range(3):
        for name in [waiting.pop() for _ in range(2)]:
            cluster.apply(vlmd(name, namespace, goal="SingleUser", engine=flags))
            time.sleep(dice.uniform(0.0, 0.8))
        operator.kill()
        applied = cluster.get("vlmd", None, namespace)["items"]  # as the killed operator left them
        points += sum(condition(item, "Ready").get("status") != "True" for item in applied)
        operator.start()
    print(f"{points} start-ups were not at their end when the operator was killed")
    assert points, "nothing was met in the middle: the episode says nothing"
    first = [ready(cluster, namespace, name, 90)["status"]["attempts"] for name in names]
    for attempts in first:
        outcomes = [attempt["outcome"] for attempt in attempts]
        assert outcomes in (["Failed", "Started"], ["Started"]), "at most one retune, none where another's was known"
        assert len({attempt["fingerprint"] for attempt in attempts}) == len(attempts)
    assert any(len(attempts) == 2 for attempts in first)
    assert len(cluster.get("deployment", None, namespace)["items"]) == len(names)
    regarding = Counter(
        (event["regarding"]["name"], event["reason"], event["note"]) for event in _events(cluster, namespace)
    )
    assert [event for event, times in regarding.items() if times > 1] == []


def test_the_api_server_restarts_and_work_goes_on(cluster: Cluster, operator: OperatorProcess, namespace: str) -> None:
    cluster.apply(vlmd("before", namespace))
    ready(cluster, namespace, "before")
    cluster.restart_api_server()
    cluster.apply(vlmd("after", namespace))
    cluster.kubectl("delete", "deployment", "before", "-n", namespace)
    ready(cluster, namespace, "after", 60)
    cluster.wait("a deployment again", lambda: cluster.get("deployment", "before", namespace))
    assert operator.running


def test_what_was_deleted_while_the_watches_were_down_is_forgotten(
    cluster: Cluster, operator: OperatorProcess, namespace: str
) -> None:
    """A watch that begins anew lists what is there and says nothing of what is gone."""
    cluster.add_nodes([A100])
    cluster.apply(vlmd("model", namespace, gpu={"product": A100.product}), vlmd("first", namespace))
    planned_as(cluster, namespace, "model", "True", "Fits")
    ready(cluster, namespace, "first")
    with operator.frozen():
        cluster.restart_api_server()
        cluster.kubectl("delete", "node", A100.name)
        cluster.kubectl("delete", "startupobservations", "--all")
    planned_as(cluster, namespace, "model", "False", "NoMatchingGPU")
    cluster.apply(vlmd("second", namespace))
    item = ready(cluster, namespace, "second", 60)
    assert not any("earlier start-up" in sentence for sentence in item["status"]["plan"]["explanation"])


def test_fifty_at_once_are_all_applied_and_then_nothing_is_written_for_a_minute(
    cluster: Cluster, operator: OperatorProcess, namespace: str
) -> None:
    """Steady state costs the API server reads only, heartbeats of nodes and waiting pods notwithstanding."""
    names = [f"model-{number}" for number in range(50)]
    cluster.apply(*(vlmd(name, namespace) for name in names))

    def settled() -> bool:
        items = cluster.get("vlmd", None, namespace)["items"]
        deployments = cluster.get("deployment", None, namespace)["items"]
        serving = sum(condition(item, "Ready").get("status") == "True" for item in items)
        planned = sum(condition(item, "Planned").get("status") == "True" for item in items)
        return (len(deployments), planned, serving) == (50, 50, 8)

    cluster.wait("50 planned and applied, as many serving as there are GPUs", settled, 90)
    time.sleep(3)
    mark = cluster.audit.mark()
    time.sleep(60)
    assert cluster.audit.since(mark, user=OPERATOR) == []
    assert operator.get("/healthz")[0] == 200


def _forget_what_earlier_tests_taught(cluster: Cluster) -> None:
    """Servers that are still being deleted may teach after their test: a start-up that is known of does not fail."""
    cluster.wait("the pods of earlier tests are gone", lambda: not cluster.get("pods", None, None, "-A")["items"])
    cluster.kubectl("delete", "startupobservations", "--all", "--ignore-not-found")


def _events(cluster: Cluster, namespace: str) -> list[dict[str, Any]]:
    events = cluster.get("events.events.k8s.io", None, namespace)["items"]
    return [event for event in events if event["regarding"]["kind"] == "VLMDeployment"]
