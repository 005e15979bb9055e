"""A checkpoint that only pods can read: a Job of the server's image asks vLLM, without rights, and the plan follows."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from model_servers import condition, story, vlmd

from kit.control_plane import Cluster
from kit.control_plane.cluster import CommandFailed
from kit.real_node.checkpoints import TEXT, checkpoints
from kit.real_node.images import HUB
from kit.real_node.node import RealNode

pytestmark = [pytest.mark.real, pytest.mark.timeout(1800)]

DRY_RUN_SECONDS = 600


def path_in_the_container() -> str:
    """Where containers find the text checkpoint."""
    folder = f"models--{TEXT.replace('/', '--')}"
    (snapshot,) = (checkpoints() / "hub" / folder / "snapshots").iterdir()
    return f"{HUB}/{folder}/snapshots/{snapshot.name}"


def told(cluster: Cluster, namespace: str) -> str:
    """What a user would look at, and the Jobs' own words."""
    parts = [story(cluster, namespace, "asked")]
    for pod in cluster.get("pods", None, namespace)["items"]:
        parts.append(yaml.safe_dump(pod["status"]))
        try:
            parts.append(cluster.kubectl("logs", pod["metadata"]["name"], "-n", namespace)[-4000:])
        except CommandFailed:
            continue
    return "\n".join(parts)


def test_vllm_is_asked_by_nobody_on_a_read_only_root_and_answers(
    cluster: Cluster, namespace: str, node: RealNode
) -> None:
    node.advertise_gpus("NVIDIA-L4", 23034)
    gpu = {"cpu": None, "gpu": {"product": "NVIDIA-L4", "count": 1}, "model": {"path": path_in_the_container()}}
    seen: dict[str, Any] = {}

    def planned() -> bool:
        item = cluster.get("vlmd", "asked", namespace)
        for pod in cluster.get("pods", None, namespace)["items"]:
            if "dry-run" in pod["metadata"]["name"] and pod["status"].get("containerStatuses"):
                seen.update(pod)
        if condition(item, "Stalled").get("status") == "True":
            pytest.fail(f"it stopped\n{told(cluster, namespace)}")
        return condition(item, "Planned").get("status") == "True"

    cluster.apply(vlmd("asked", namespace, **gpu))
    try:
        cluster.wait("the plan", planned, DRY_RUN_SECONDS)
    except TimeoutError:
        pytest.fail(f"no plan\n{told(cluster, namespace)}")
    security = seen["spec"]["securityContext"] | seen["spec"]["containers"][0]["securityContext"]
    assert security["runAsUser"] == 65_534
    assert security["readOnlyRootFilesystem"] is True
    (facts,) = cluster.get("enginefacts")["items"]
    plan = cluster.get("vlmd", "asked", namespace)["status"]["plan"]
    assert plan["budget"]["weightsBytes"] == facts["spec"]["found"]["weightsBytes"] > 0
