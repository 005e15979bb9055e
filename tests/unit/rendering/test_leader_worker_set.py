"""A replica over several nodes: LeaderWorkerSet and Service."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import yaml
from server_requests import request
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from vlm_operator.errors import InputError
from vlm_operator.rendering import leader_worker_set, render, to_yaml


class YamlFile(SingleFileSnapshotExtension):
    """One file per case, so that a reviewer reads a manifest."""

    _write_mode = WriteMode.TEXT
    file_extension = "yaml"


def objects(nodes: int, spec: dict[str, Any] | None = None) -> tuple[dict[str, Any], ...]:
    return leader_worker_set(replace(request(spec, gpus=8), nodes=nodes))


def pods(nodes: int, spec: dict[str, Any] | None = None) -> tuple[dict[str, Any], dict[str, Any]]:
    group = objects(nodes, spec)[0]["spec"]["leaderWorkerTemplate"]
    return group["leaderTemplate"], group["workerTemplate"]


def container(pod: dict[str, Any]) -> dict[str, Any]:
    (server,) = (each for each in pod["spec"]["containers"] if each["name"] == "vllm")
    return server


@pytest.mark.parametrize(
    ("nodes", "spec"),
    [
        pytest.param(2, {"replicas": 3, "cacheClaim": "models"}, id="two nodes"),
        pytest.param(1, {}, id="one node"),
    ],
)
def test_manifests_are_as_reviewed(nodes: int, spec: dict[str, Any], snapshot: SnapshotAssertion) -> None:
    assert to_yaml(objects(nodes, spec)) == snapshot(extension_class=YamlFile)


def test_every_rank_runs_the_command_of_the_plan_with_its_own_place() -> None:
    leader, worker = (container(each)["args"] for each in pods(2))
    planned = container(render(request(gpus=8))[0]["spec"]["template"])["args"]
    assert leader[: len(planned)] == worker[: len(planned)] == planned
    assert worker == [*leader, "--headless"]
    ranks = dict(zip(leader[len(planned) :: 2], leader[len(planned) + 1 :: 2], strict=True))
    assert ranks == {
        "--distributed-executor-backend": "mp",
        "--nnodes": "$(LWS_GROUP_SIZE)",
        "--node-rank": "$(LWS_WORKER_INDEX)",
        "--master-addr": "$(LWS_LEADER_ADDRESS)",
        "--master-port": "29501",
    }


def test_only_the_leader_is_asked() -> None:
    leader, worker = pods(2)
    assert {"startupProbe", "readinessProbe", "livenessProbe", "ports"} <= container(leader).keys()
    assert not {"startupProbe", "readinessProbe", "livenessProbe", "ports"} & container(worker).keys()
    assert "prometheus.io/scrape" in leader["metadata"]["annotations"]
    assert "prometheus.io/scrape" not in worker["metadata"]["annotations"]
    service = objects(2)[1]
    assert service["spec"]["selector"]["leaderworkerset.sigs.k8s.io/worker-index"] == "0"


def test_the_overlay_holds_for_every_rank() -> None:
    overlay = {
        "podTemplate": {"spec": {"containers": [{"name": "vllm", "env": [{"name": "NCCL_DEBUG", "value": "INFO"}]}]}}
    }
    for pod in pods(2, overlay):
        assert {"name": "NCCL_DEBUG", "value": "INFO"} in container(pod)["env"]


def test_a_pod_asks_for_the_gpus_of_its_node() -> None:
    for pod in pods(2):
        assert container(pod)["resources"]["limits"] == {"nvidia.com/gpu": "8"}


def test_a_deployment_of_several_nodes_is_refused() -> None:
    with pytest.raises(InputError, match="a pod of a Deployment has the GPUs of one"):
        render(replace(request(gpus=8), nodes=2))


def test_the_text_is_yaml_that_reads_as_written() -> None:
    made = objects(2)
    assert list(yaml.safe_load_all(to_yaml(made))) == list(made)
