"""A plan over nodes is run as a LeaderWorkerSet, with the lifecycle of a Deployment: a group is one start-up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from group_world import PEER_LOST, TWO_NODES, GroupWorld, ended, l4, running
from lifecycle_world import UNKNOWN_LOG, UNSUPPORTED_LOG, capacity_log, flags_of, started_log
from vlm_operator.lifecycle.situation import ContainerState, ContainerStatus
from vlm_operator.units import GIB

NOT_FOUND = "GET /apis/leaderworkerset.x-k8s.io/v1/leaderworkersets: 404 NotFound: the server could not find it"
FORBIDDEN = "GET …/leaderworkersets: 403 Forbidden: leaderworkersets.leaderworkerset.x-k8s.io is forbidden"
WORKER_ONLY = "(EngineCore pid=70) INFO 11-24 10:01:00 [gpu_worker.py:480] Available KV cache memory: 1.25 GiB\n"


def planned() -> GroupWorld:
    world = GroupWorld()
    world.reconcile()
    return world


def length(world: GroupWorld) -> int:
    return int(flags_of(world.pods[0].args)["--max-model-len"])


def too_small(world: GroupWorld) -> str:
    """The check of what was planned finds a quarter of what it needs."""
    return capacity_log(length(world), 4 * GIB, 1 * GIB, length(world) // 4)


def test_a_leader_worker_set_runs_it_and_the_service_asks_the_leader() -> None:
    world = planned()
    assert list(world.children) == ["LeaderWorkerSet", "Service"]
    assert world.children["LeaderWorkerSet"]["spec"]["leaderWorkerTemplate"]["size"] == 2
    assert world.children["Service"]["spec"]["selector"]["leaderworkerset.sigs.k8s.io/worker-index"] == "0"
    assert (
        world.status["plan"]["gpu"] | {"product": "NVIDIA-L4", "count": 2, "nodesPerReplica": 2}
        == (world.status["plan"]["gpu"])
    )
    assert world.reconcile().children == world.decide().children  # the remembered plan is the same


def test_a_group_serves_once_its_leader_does() -> None:
    world = planned()
    world.group(running(ready=False), None)
    assert world.reconcile().needs == ()
    assert world.condition("CapacityVerified")["reason"] == "Starting"
    world.group(running(), running())
    world.logs = {0: started_log(length(world), 5 * GIB, 50_000), 1: WORKER_ONLY}
    world.reconcile()
    assert world.condition("Ready")["status"] == "True"
    assert world.outcomes == [("Started", None)]
    assert world.status["observed"]["kvTokens"] == 50_000
    assert world.status["observed"]["kvCacheBytes"] == round(1.25 * GIB)  # of the rank that found least
    assert world.decide().events == ()


@pytest.mark.parametrize("culprit", [0, 1])
@pytest.mark.parametrize("noticed_first", [True, False], ids=["it ended first", "the other ended first"])
def test_the_root_cause_is_that_of_the_rank_that_has_it(culprit: int, noticed_first: bool) -> None:
    world = planned()
    statuses = [ended(5), ended(5)]
    statuses[culprit] = ended(1 if noticed_first else 9)
    world.group(*statuses)
    world.logs = {culprit: too_small(world), 1 - culprit: PEER_LOST}
    before = length(world)
    world.reconcile()
    assert world.outcomes == [("Failed", "KVCacheTooSmall"), ("Starting", None)]
    assert f"rank {culprit} (pod demo-0{'-1' if culprit else ''})" in world.status["attempts"][0]["message"]
    leader = world.children["LeaderWorkerSet"]["spec"]["leaderWorkerTemplate"]["leaderTemplate"]
    assert int(flags_of(tuple(leader["spec"]["containers"][0]["args"]))["--max-model-len"]) < before


def test_a_cause_is_found_on_a_rank_that_the_kubelet_still_calls_running() -> None:
    world = planned()
    world.group(ended(1), running())
    world.logs = {0: PEER_LOST, 1: UNSUPPORTED_LOG}
    world.reconcile()
    assert world.outcomes == [("Failed", "ArchitectureUnsupported")]


def test_a_failed_group_is_counted_once_whatever_its_ranks_end_with_after_that() -> None:
    world = planned()
    world.group(ended(1), ended(2))
    world.logs = {0: UNSUPPORTED_LOG, 1: PEER_LOST}
    world.reconcile()
    events = list(world.events)
    world.deleting()
    for _ in range(2):
        world.reconcile()
    world.pods = tuple(pod for pod in world.pods if pod.rank == 1)  # the leader has gone first
    world.logs = {1: UNKNOWN_LOG}
    world.reconcile()
    assert world.outcomes == [("Failed", "ArchitectureUnsupported")]
    assert world.events == events


def test_a_group_under_deletion_is_still_read() -> None:
    """LeaderWorkerSet deletes a group as soon as one of its containers was started again."""
    world = planned()
    world.group(ended(1), ended(2))
    world.deleting()
    world.logs = {0: PEER_LOST, 1: too_small(world)}
    world.reconcile()
    assert world.outcomes[0] == ("Failed", "KVCacheTooSmall")


def test_retuned_once_within_the_bounds_then_it_serves() -> None:
    world = planned()
    world.group(ended(1), ended(2))
    world.logs = {0: too_small(world), 1: PEER_LOST}
    decision = world.reconcile()
    assert {(each.kind, each.grace_seconds) for each in decision.delete} == {("Pod", 1)}
    assert {each.name for each in decision.delete} == {"demo-0", "demo-0-1"}
    world.group(running(), running())
    world.logs = {0: started_log(length(world), 2 * GIB, length(world)), 1: WORKER_ONLY}
    world.reconcile()
    assert world.outcomes == [("Failed", "KVCacheTooSmall"), ("Started", None)]
    assert [event.reason for event in world.events].count("StartupFailed") == 1
    assert [event.reason for event in world.events].count("Retuned") == 1


def test_out_of_bounds_it_stops_with_what_to_change_and_gives_its_gpus_back() -> None:
    world = GroupWorld(spec={**TWO_NODES, "retune": {"maxAttempts": 0}})
    world.reconcile()
    world.group(ended(1), ended(2))
    world.logs = {0: PEER_LOST, 1: too_small(world)}
    world.reconcile()
    stalled = world.condition("Stalled")
    assert stalled["reason"] == "RetuneDisabled"
    assert "rank 1" in stalled["message"]
    assert "--max-model-len" in stalled["message"]
    assert world.children["LeaderWorkerSet"]["spec"]["replicas"] == 0


@pytest.mark.parametrize(
    ("statuses", "logs", "reason", "words"),
    [
        pytest.param((ended(1), ended(2)), {0: PEER_LOST, 1: PEER_LOST}, "NodeFault", "no rank", id="only symptoms"),
        pytest.param(
            (ended(1, exit_code=143), ended(2)), {0: PEER_LOST, 1: PEER_LOST}, "NodeFault", "demo-0", id="terminated"
        ),
    ],
)
def test_a_broken_connection_alone_counts_against_nobody(
    statuses: tuple[ContainerStatus, ...], logs: dict[int, str], reason: str, words: str
) -> None:
    world = planned()
    world.group(*statuses)
    world.logs = logs
    world.reconcile()
    assert world.outcomes == [("Starting", None)]
    verified = world.condition("CapacityVerified")
    assert verified["reason"] == reason
    assert words in verified["message"]
    assert world.condition("Reconciling")["status"] == "True"


def test_a_lost_node_is_the_cause_of_lost_connections() -> None:
    world = planned()
    world.group(ended(1), running())
    world.pods = (
        world.pods[0],
        replace(world.pods[1], phase="Failed", reason="Evicted", message="disk", containers=()),
    )
    world.logs = {0: PEER_LOST}
    world.reconcile()
    assert world.condition("CapacityVerified")["message"].startswith("rank 1 (pod demo-0-1): Evicted: disk")


def test_a_rank_that_no_node_takes_is_waited_for() -> None:
    world = planned()
    world.group(running(ready=False), None)
    waits = {"PodScheduled": ("False", "Unschedulable", "0/2 nodes are available: 1 Insufficient nvidia.com/gpu.")}
    world.pods = (world.pods[0], replace(world.pods[1], conditions=waits))
    world.reconcile()
    assert world.condition("CapacityVerified")["reason"] == "Unschedulable"
    assert "rank 1" in world.condition("CapacityVerified")["message"]


def test_an_unknown_failure_of_one_rank_stops_with_its_line() -> None:
    world = planned()
    world.group(ended(9), ended(1))
    world.logs = {0: UNKNOWN_LOG, 1: PEER_LOST}
    world.reconcile()
    assert world.outcomes == [("Failed", "Unknown")]
    assert "ZeroDivisionError" in world.condition("Stalled")["message"]


def test_of_several_groups_the_one_that_failed_is_looked_at() -> None:
    world = GroupWorld(spec={**TWO_NODES, "replicas": 2}, nodes=tuple(l4(name) for name in "abcd"))
    world.reconcile()
    world.group(ended(1), ended(2))
    failed = world.pods
    world.group(running(ready=False), running())
    starting = tuple(replace(pod, group="1", uid=f"{pod.uid}-1") for pod in world.pods)
    world.pods = (*starting, *failed)
    world.logs = {0: PEER_LOST, 1: UNSUPPORTED_LOG}
    world._read = lambda key: _log_of(world, failed, key)  # type: ignore[method-assign]
    world.reconcile()
    assert world.outcomes == [("Failed", "ArchitectureUnsupported")]


def _log_of(world: GroupWorld, failed: tuple[Any, ...], key: Any) -> Any:
    from vlm_operator.lifecycle.situation import StartupLog

    (rank,) = (pod.rank for pod in failed if pod.uid == key.pod_uid)
    return StartupLog(key, world.logs[rank])


def test_scaled_to_zero_it_keeps_the_set_without_a_group() -> None:
    world = GroupWorld(spec={**TWO_NODES, "replicas": 0})
    world.reconcile()
    assert world.children["LeaderWorkerSet"]["spec"]["replicas"] == 0
    assert world.condition("Available")["reason"] == "ScaledToZero"


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        pytest.param(NOT_FOUND, "kubectl apply --server-side -f https://github.com/kubernetes-sigs/lws", id="no CRD"),
        pytest.param(FORBIDDEN, "--set leaderWorkerSets.enabled=true", id="no right"),
    ],
)
def test_without_the_kind_it_says_how_to_get_it_and_goes_on_by_itself(refusal: str, words: str) -> None:
    world = GroupWorld(missing=refusal)
    decision = world.reconcile()
    assert (decision.children, decision.superseded) == ((), ())
    assert world.condition("Stalled")["reason"] == "LeaderWorkerSetMissing"
    assert words in world.condition("Stalled")["message"]
    assert world.decide().events == ()
    world.missing = None
    world.reconcile()
    assert list(world.children) == ["LeaderWorkerSet", "Service"]
    assert not world.condition("Stalled")


def test_a_kind_that_goes_while_it_serves_is_reported() -> None:
    world = planned()
    world.missing, world.children = NOT_FOUND, {}
    world.reconcile()
    assert world.condition("Stalled")["reason"] == "LeaderWorkerSetMissing"
    world.missing = None
    world.reconcile()
    assert "LeaderWorkerSet" in world.children


def test_what_fits_one_node_needs_no_such_kind() -> None:
    world = GroupWorld(spec={**TWO_NODES, "topology": {"nodes": 1}}, missing=NOT_FOUND)
    world.reconcile()
    assert list(world.children) == ["Deployment", "Service"]


@pytest.mark.parametrize(("before", "after"), [("Deployment", "LeaderWorkerSet"), ("LeaderWorkerSet", "Deployment")])
def test_another_number_of_nodes_replaces_the_child(before: str, after: str) -> None:
    nodes = {"Deployment": 1, "LeaderWorkerSet": 2}
    world = GroupWorld(spec={**TWO_NODES, "topology": {"nodes": nodes[before]}})
    world.reconcile()
    assert before in world.children
    world.spec, world.generation = {**TWO_NODES, "topology": {"nodes": nodes[after]}}, 2
    decision = world.reconcile()
    assert [(each.kind, each.uid) for each in decision.superseded] == [(before, f"uid-{before}")]
    assert set(world.children) == {after, "Service"}
    assert world.reconcile().superseded == ()


def test_a_waiting_container_does_not_ask_for_logs() -> None:
    world = planned()
    world.group(ContainerStatus("vllm", False, False, 0, ContainerState("waiting", reason="ContainerCreating")), None)
    assert world.decide().needs == ()


@pytest.mark.parametrize(
    ("nodes", "spec", "fits"),
    [
        pytest.param(("a", "b"), {}, True, id="enough"),
        pytest.param(("a",), {}, False, id="one node of the product"),
        pytest.param(
            ("a", "b"), {"topology": {"nodes": "auto"}, "gpu": {"product": "NVIDIA-L4", "count": 2}}, True, id="auto"
        ),
        pytest.param(
            ("a",),
            {"topology": {"nodes": "auto"}, "gpu": {"product": "NVIDIA-L4", "count": 2}},
            False,
            id="auto, one node",
        ),
    ],
)
def test_enough_nodes_must_have_the_gpus(nodes: tuple[str, ...], spec: dict[str, Any], fits: bool) -> None:
    world = GroupWorld(spec=TWO_NODES | spec, nodes=tuple(l4(name) for name in nodes))
    world.reconcile()
    if fits:
        assert "LeaderWorkerSet" in world.children
    else:
        assert world.condition("Stalled")["reason"] == "NoMatchingGPU"
        assert "the cluster has 1x NVIDIA-L4 on one node" in world.condition("Stalled")["message"]
