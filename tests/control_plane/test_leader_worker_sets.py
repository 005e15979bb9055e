"""A model over two nodes, on a real API server with the real manager of LeaderWorkerSet: formed, retuned, removed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from test_life_of_a_vlmdeployment import flag, ready
from test_retuning import require_outcomes
from vlmdeployments import condition

from kit.control_plane import H100_OCTET, Cluster, LeaderWorkerSetManager, OperatorProcess
from vlm_operator.cli.render import command as render_command

pytestmark = [
    pytest.mark.control_plane,
    pytest.mark.skipif(shutil.which("go") is None, reason="the manager comes from its Go module, and there is no `go`"),
]

NODES = tuple(replace(H100_OCTET, name=f"{H100_OCTET.name}-{letter}") for letter in "ab")
KINDS = ("leaderworkersets", "statefulsets", "deployments", "services", "pods", "controllerrevisions")
"""What a VLMDeployment over nodes leads to."""


def large(name: str, namespace: str, **changes: Any) -> dict[str, Any]:
    """Qwen3-VL-235B-A22B in BF16 over 2 x 8 H100."""
    spec = {
        "model": {"id": "Qwen/Qwen3-VL-235B-A22B-Instruct"},
        "gpu": {"product": "NVIDIA-H100-80GB-HBM3"},
        "topology": {"nodes": 2},
        **changes,
    }
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "vlm-operator.dev/v1alpha1", "kind": "VLMDeployment", "metadata": metadata, "spec": spec}


@pytest.fixture(scope="module")
def manager(cluster: Cluster, running_operator: OperatorProcess) -> Iterator[LeaderWorkerSetManager]:
    """Not yet started, no kind of it there; two nodes with eight H100s, gone afterwards."""
    assert running_operator.running
    manager = LeaderWorkerSetManager(cluster)
    manager.stop()  # whatever another module installed
    cluster.add_nodes(NODES)
    yield manager
    manager.stop()
    cluster.kubectl("delete", "node", *(node.name for node in NODES))


@pytest.fixture
def groups(cluster: Cluster, namespace: str) -> Iterator[str]:
    """The namespace of a test; its groups give their GPUs back at once."""
    yield namespace
    cluster.kubectl("delete", "vlmd", "--all", "-n", namespace)
    cluster.kubectl("delete", "statefulset,pod", "--all", "-n", namespace, "--grace-period=0", "--force")


def pods(cluster: Cluster, namespace: str) -> list[dict[str, Any]]:
    return cluster.get("pod", None, namespace)["items"]


def names(items: list[dict[str, Any]]) -> list[str]:
    return sorted(item["metadata"]["name"] for item in items)


def left(cluster: Cluster, namespace: str, *kinds: str) -> list[str]:
    found = cluster.kubectl("get", ",".join(kinds or KINDS), "-n", namespace, "-o", "name").split()
    return [name for name in found if name != "service/kubernetes"]


def services(cluster: Cluster, namespace: str) -> dict[str, bool]:
    """Names of Services, and which are headless: the one by which ranks find their leader has no address."""
    found = cluster.get("service", None, namespace)["items"]
    return {item["metadata"]["name"]: item["spec"]["clusterIP"] == "None" for item in found}


def rendered(manifest: dict[str, Any], tmp_path: Path) -> list[dict[str, Any]]:
    """What `vlmctl render -o leaderworkerset` prints for it."""
    file = tmp_path / "large.yaml"
    file.write_text(yaml.safe_dump(manifest))
    arguments = ["-f", str(file), "-o", "leaderworkerset", "--offline"]
    result = CliRunner().invoke(render_command, arguments, standalone_mode=False, catch_exceptions=False)
    assert result.return_value == 0, result.stderr
    return list(yaml.safe_load_all(result.stdout))


def holds(wanted: Any, live: Any) -> bool:
    """Every field of ``wanted`` stands in ``live``."""
    if isinstance(wanted, dict):
        return isinstance(live, dict) and all(key in live and holds(value, live[key]) for key, value in wanted.items())
    if isinstance(wanted, list):
        return len(wanted) == len(live) and all(map(holds, wanted, live))
    return bool(wanted == live)


def test_without_the_kind_it_says_so_and_serves_once_it_is_there(
    cluster: Cluster, manager: LeaderWorkerSetManager, groups: str, tmp_path: Path
) -> None:
    manifest = large("large", groups)
    cluster.apply(manifest)
    cluster.kubectl("wait", "--for=condition=Stalled", "vlmd/large", "-n", groups, "--timeout=30s")
    stalled = condition(cluster.get("vlmd", "large", groups), "Stalled")
    assert stalled["reason"] == "LeaderWorkerSetMissing"
    assert "kubectl apply --server-side -f https://" in stalled["message"]
    assert not left(cluster, groups, "deployments", "services", "pods")

    manager.install()
    manager.start()
    item = ready(cluster, groups, "large", 60)
    require_outcomes(item, [("Started", None)])
    gpu = item["status"]["plan"]["gpu"]
    assert (gpu["count"], gpu["nodesPerReplica"]) == (16, 2)

    found = pods(cluster, groups)
    assert names(found) == ["large-0", "large-0-1"]
    assert {pod["spec"]["nodeName"] for pod in found} == {node.name for node in NODES}
    for pod in found:
        (server,) = pod["spec"]["containers"]
        assert server["resources"]["limits"]["nvidia.com/gpu"] == "8"
        told = {entry["name"]: entry.get("value") for entry in server["env"]}
        assert told["LWS_LEADER_ADDRESS"] == f"large-0.large-0.{groups}"
    assert services(cluster, groups) == {"large": False, "large-0": True}
    slices = cluster.get("endpointslice", None, groups, "-l", "kubernetes.io/service-name=large")["items"]
    targets = [end["targetRef"]["name"] for each in slices for end in each["endpoints"]]
    assert targets == ["large-0"]

    for wanted in rendered(manifest, tmp_path):
        live = cluster.get(wanted["kind"].lower(), "large", groups)
        assert holds(wanted["spec"], live["spec"])
        assert holds(wanted["metadata"]["labels"], live["metadata"]["labels"])

    cluster.kubectl("delete", "vlmd/large", "-n", groups)
    cluster.wait("nothing is left", lambda: not left(cluster, groups), 60)


def test_a_check_that_fails_on_another_rank_is_mended_by_one_retune(
    cluster: Cluster, manager: LeaderWorkerSetManager, groups: str
) -> None:
    """Somebody else holds memory of the second node's GPUs; the leader only says that its connection was closed."""
    notes = ("simulated-node/used-by-others-gib=10", "simulated-node/rank=1")
    for node in NODES:
        cluster.kubectl("annotate", "node", node.name, "--overwrite", *notes)
    try:
        cluster.apply(large("model", groups))
        item = ready(cluster, groups, "model", 90)
    finally:
        for node in NODES:
            cluster.kubectl("annotate", "node", node.name, *(f"{note.partition('=')[0]}-" for note in notes))
    require_outcomes(item, [("Failed", "FreeMemoryTooLow"), ("Started", None)])
    assert item["status"]["attempts"][0]["message"].startswith("rank 1 (pod model-0-1): ")
    told = [event["reason"] for event in json.loads(events(cluster, groups))["items"]]
    assert (told.count("StartupFailed"), told.count("Retuned")) == (1, 1)  # the group was made anew, and counted once
    for pod in pods(cluster, groups):
        utilization = float(flag(pod["spec"]["containers"][0]["args"], "--gpu-memory-utilization"))
        assert utilization <= (78.6 - 10) / 79.18

    drifts_are_repaired(cluster, groups)
    scaled_to_zero(cluster, groups)
    one_node_takes_its_place(cluster, groups)


def test_a_cache_too_small_on_another_rank_is_mended_by_one_retune(
    cluster: Cluster, manager: LeaderWorkerSetManager, groups: str
) -> None:
    """The start-up takes 32 GiB more on the second node; the leader, which has room enough, refuses for both."""
    notes = ("simulated-node/takes-more-gib=32", "simulated-node/rank=1")
    for node in NODES:
        cluster.kubectl("annotate", "node", node.name, "--overwrite", *notes)
    try:
        cluster.apply(large("model", groups))
        item = ready(cluster, groups, "model", 90)
    finally:
        for node in NODES:
            cluster.kubectl("annotate", "node", node.name, *(f"{note.partition('=')[0]}-" for note in notes))
    require_outcomes(item, [("Failed", "KVCacheTooSmall"), ("Started", None)])
    first, second = item["status"]["attempts"]
    assert "5.88 GiB" in first["message"]
    assert first["fingerprint"] != second["fingerprint"]
    told = [event["reason"] for event in json.loads(events(cluster, groups))["items"]]
    assert (told.count("StartupFailed"), told.count("Retuned")) == (1, 1)


def events(cluster: Cluster, namespace: str) -> str:
    return cluster.kubectl(
        "get", "events.events.k8s.io", "-n", namespace, "-o", "json", "--field-selector=regarding.kind=VLMDeployment"
    )


def drifts_are_repaired(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl(
        "patch", "lws/model", "-n", namespace, "--type=merge", "-p", '{"spec": {"startupPolicy": "LeaderReady"}}'
    )
    cluster.wait(
        "what somebody changed is put back",
        lambda: cluster.get("lws", "model", namespace)["spec"]["startupPolicy"] == "LeaderCreated",
        30,
    )


def scaled_to_zero(cluster: Cluster, namespace: str) -> None:
    cluster.apply(large("model", namespace, replicas=0))
    cluster.wait("no group is left", lambda: not pods(cluster, namespace), 60)
    item = cluster.wait(
        "it says so",
        lambda: next(
            (
                item
                for item in [cluster.get("vlmd", "model", namespace)]
                if condition(item, "Available").get("reason") == "ScaledToZero"
            ),
            None,
        ),
    )
    assert not condition(item, "Stalled")


def one_node_takes_its_place(cluster: Cluster, namespace: str) -> None:
    cluster.apply(large("model", namespace, replicas=0, topology={"nodes": 1}))
    cluster.wait("a Deployment", lambda: left(cluster, namespace, "deployments"), 30)
    cluster.wait(
        "the LeaderWorkerSet is gone", lambda: not left(cluster, namespace, "leaderworkersets", "statefulsets"), 60
    )
    assert (
        "leaderworkerset.sigs.k8s.io/worker-index"
        not in (cluster.get("service", "model", namespace)["spec"]["selector"])
    )
