"""Every documented reason and event is produced by some case: what the reference lists, users can meet."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dry_run_world import DryRunWorld, recorded
from group_world import GroupWorld
from lifecycle_world import MODEL, TOO_LONG, UNKNOWN_LOG, World
from share_world import LARGE, group, member, sliced_node
from vlm_operator.api.conditions import CONDITION_REASONS, EventReason
from vlm_operator.engine.log_wordings import KINDS, Scope
from vlm_operator.errors import ModelNotFound, SourceUnavailable, VlmOperatorError
from vlm_operator.lifecycle.decide import decide
from vlm_operator.lifecycle.events import applied_event, observed_event
from vlm_operator.lifecycle.situation import ContainerState, ContainerStatus, Pod, Rejection
from vlm_operator.planning.seen_traffic import SeenTraffic
from vlm_operator.planning.verdict import Reason, Verdict
from vlm_operator.units import GIB

sys.path.append(str(Path(__file__).parents[1] / "diagnosis"))
from rendered_wordings import render

PINNED = {"contextLength": 65536, "gpuMemoryUtilization": 0.92, "maxNumSeqs": 4, "maxNumBatchedTokens": 2048,
          "kvCacheDtype": "auto", "enforceEager": False, "limitMMPerPrompt": {"image": 1, "video": 0},
          "mmProcessorKwargs": {"max_pixels": 1000000}}  # fmt: skip


def spec(**more: Any) -> dict[str, Any]:
    return {"model": {"id": MODEL}, **more}


def settled(**more: Any) -> World:
    world = World(**more)
    world.settle()
    return world


def printed(line: str) -> World:
    """A server that serves, and what it says of a request."""
    world = settled()
    world.printed = [line]
    world.reconcile()
    return world


def refused_without_a_word() -> World:
    """A server whose metrics count client errors that its log does not name."""
    world = settled()
    world.printed, world.seen = ["INFO: 400 Bad Request"], SeenTraffic(refused=3)
    world.reconcile()
    return world


def ran_out_in_service() -> World:
    """A server that runs out of memory after a clean start."""
    world = settled()
    world.runs_out_in_service()
    world.reconcile()
    return world


def waiting(reason: str, **pod: Any) -> World:
    """A pod that Kubernetes cannot start."""
    world = World()
    world.reconcile()
    assert world.pod is not None
    state = ContainerState("waiting", reason=reason, message="words")
    status = ContainerStatus("vllm", False, False, 0, state)
    world.pod = replace(world.pod, **({"containers": (status,)} | pod))
    world.reconcile()
    return world


def without_model(error: VlmOperatorError | None = None) -> World:
    world = World()
    decision = decide(replace(world.situation(), model=None, model_error=error))
    world._apply_status(decision)
    world._apply_events(decision)
    return world


def ended(state: ContainerState) -> World:
    world = World()
    world.reconcile()
    world._set(state, restart=True)
    world.reconcile()
    return world


def not_applied() -> World:
    world = World()
    away = Rejection("Deployment", "demo", "503", 1, transient=True)
    world._apply_status(decide(replace(world.situation(), rejection=away)))
    return world


CASES: dict[str, Callable[[], World]] = {
    "Serving": settled,
    "CapacityCheckPassed": settled,
    "MinimumReplicasAvailable": settled,
    "Starting": lambda: _once(World()),
    "ReplicasUnavailable": lambda: _once(World()),
    "ScaledToZero": lambda: _once(World(spec=spec(replicas=0))),
    "Planning": without_model,
    "ModelNotFound": lambda: without_model(ModelNotFound("nowhere")),
    "ModelSourceUnavailable": lambda: without_model(SourceUnavailable("away")),
    "InvalidSpec": lambda: _once(World(spec=spec(engine={"contextLength": 0}))),
    "EngineVersionUnknown": lambda: _once(World(spec=spec(engine={"image": "example/vllm:nightly"}, dryRun="Never"))),
    "PodTemplateClash": lambda: _once(World(spec=spec(podTemplate={"spec": {"containers": [
        {"name": "vllm", "image": "mine"}]}}))),
    "NoMatchingGPU": lambda: _once(World(spec=spec(gpu={"product": "NVIDIA-H200"}))),
    "LeaderWorkerSetMissing": lambda: _without_leader_worker_sets(),  # noqa: PLW0108 - defined below
    "GPUUnknown": lambda: _once(World(product="NVIDIA-Never-Heard-Of")),
    "Retuning": lambda: _retuning(),  # noqa: PLW0108 - defined below
    "RetuneDisabled": lambda: settled(spec=spec(goal="SingleUser", retune={"maxAttempts": 0}), error_bytes=GIB),
    "RetuneExhausted": lambda: settled(spec=spec(goal="SingleUser", retune={"maxAttempts": 1}),
                                       script=[_too_small(), _too_small()]),
    "PinnedFlagsStandInTheWay": lambda: settled(spec=spec(engine=PINNED), error_bytes=3 * GIB),
    "LogUnreadable": lambda: settled(script=["unreadable"]),
    "HostOutOfMemory": lambda: ended(ContainerState("terminated", reason="OOMKilled", exit_code=137)),
    "NodeFault": lambda: _node_fault(),  # noqa: PLW0108 - defined below
    "Unschedulable": lambda: waiting("", containers=(), conditions={"PodScheduled": ("False", "Unschedulable", "0/3")}),
    "ImagePullFailed": lambda: waiting("ErrImagePull"),
    "ContainerConfigInvalid": lambda: waiting("CreateContainerConfigError"),
    "StartupProbeFailed": lambda: settled(script=["probe"] * 3),
    "ApplyFailed": not_applied,
    "Unknown": lambda: settled(script=[UNKNOWN_LOG]),
    "NoRequestRefused": lambda: printed("INFO:     10.0.0.1:1 - \"GET /health HTTP/1.1\" 200 OK"),
    "ContextTooShort": lambda: printed(TOO_LONG.format(20_000)),
    "OutOfMemoryInService": lambda: ran_out_in_service(),  # noqa: PLW0108 - defined above
    "RefusalsUnnamed": lambda: refused_without_a_word(),  # noqa: PLW0108 - defined below
    "ItemsRefused": lambda: printed("ValueError: At most 4 image(s) may be provided in one prompt."),
    "DryRunning": lambda: _once(DryRunWorld()),
    "ConfigurationRejected": lambda: dry_run(lambda world: world.answers(recorded() | REJECTED)),
    "ModelUnreadable": lambda: dry_run(lambda world: world.answers(NO_MODEL)),
    "SimulationCannotTell": lambda: dry_run(lambda world: world.answers(recorded("cannot-tell-0.33.0"))),
    "DryRunOutOfMemory": lambda: dry_run(lambda world: world.fails("OOMKilled", 137)),
    "DryRunDeadlineExceeded": lambda: dry_run(DryRunWorld.exceeds_deadline),
    "DryRunFailed": lambda: dry_run(DryRunWorld.fails),
    "DryRunRejected": lambda: _job_rejected(),  # noqa: PLW0108 - defined below
    "GPUShareTooSmall": lambda: _second_of_a_group("NVIDIA-GeForce-RTX-4090"),
    "GPUShareImpossible": lambda: _second_of_a_group(gpus=8),
    "GPUShareWaiting": lambda: _second_of_a_group(gpus=1),
}  # fmt: skip
"""One case for each reason that the lifecycle itself gives."""

_ERROR = {"raisedIn": "vllm.config", "trace": "", "simulationLimit": False}
REJECTED = {"error": {**_ERROR, "stage": "configure", "type": "ValueError", "message": "a check that nobody has read"}}
NO_MODEL = {"error": {**_ERROR, "stage": "model", "type": "NoModel", "message": "GatedRepoError: 403"}}

BY_THE_COMMAND_ITSELF = {"NotConverging"}
"""Given where a new plan is a command that failed; ``test_messages_of_failures`` produces it."""


def _once(world: World) -> World:
    world.reconcile()
    return world


def dry_run(ends: Callable[[DryRunWorld], None]) -> World:
    """A model that only vLLM knows, and what becomes of its dry run."""
    world = DryRunWorld()
    world.reconcile()
    ends(world)
    world.reconcile()
    return world


def _job_rejected() -> World:
    world = DryRunWorld()
    world._apply_status(decide(replace(world.situation(), rejection=Rejection("Job", "demo", "quota", 1))))
    return world


def _too_small() -> str:
    kind = next(kind for kind in KINDS if kind.name == "kv_cache_too_small")
    return f"(EngineCore pid=2) ERROR 11-23 22:03:13 [core.py:9] ValueError: {render(kind.wordings[1])[0]}\n"


def _retuning() -> World:
    world = World(spec=spec(goal="SingleUser"), error_bytes=GIB)
    world.reconcile()
    world.start_up()
    world.reconcile()
    return world


def _node_fault() -> World:
    world = World(script=["node"])
    world.reconcile()
    world.start_up()
    world.reconcile()
    return world


def _without_leader_worker_sets() -> World:
    world, over_nodes = World(), GroupWorld(missing="404 NotFound")
    over_nodes.reconcile()
    world.status = over_nodes.status
    return world


def _second_of_a_group(product: str = "NVIDIA-H100-80GB-HBM3", *, gpus: int = 1) -> World:
    cluster = (sliced_node(product=product, gpus=gpus),)
    first, second = group(member("first", LARGE), member("second", LARGE), cluster=cluster)
    first.reconcile()
    second.reconcile()
    return second


def reasons_of(world: World) -> set[str]:
    """Every reason that stands in a status."""
    status = world.status
    found = {item["reason"] for item in status.get("conditions", ())}
    found |= {item["reason"] for item in status.get("attempts", ()) if item.get("reason")}
    return found | {status["plan"]["reason"]} if status.get("plan") else found


@pytest.mark.parametrize("reason", CASES)
def test_a_reason_of_the_lifecycle_is_produced(reason: str) -> None:
    assert reason in reasons_of(CASES[reason]())


STARTUP_REASONS = sorted({kind.reason for kind in KINDS if kind.scope is not Scope.REQUEST})


@pytest.mark.parametrize("reason", STARTUP_REASONS)
def test_a_reason_that_a_log_names_is_produced(reason: str) -> None:
    kind = next(kind for kind in KINDS if kind.reason == reason and kind.scope is not Scope.REQUEST)
    log = f"(EngineCore pid=2) ERROR 11-23 22:03:13 [core.py:9] ValueError: {render(kind.wordings[0])[0]}\n"
    world = World(script=[log])
    world.reconcile()
    world.start_up()
    world.reconcile()
    assert reason in reasons_of(world)


def test_every_documented_reason_has_its_case() -> None:
    planned = {str(reason) for reason in Reason} | {str(verdict) for verdict in Verdict}
    feasible = (Path(decide.__code__.co_filename).parents[1] / "feasibility").glob("*.py")
    refused = "".join(path.read_text() for path in feasible)
    missing = {str(reason) for reason in CONDITION_REASONS} - planned - set(CASES) - set(STARTUP_REASONS)
    assert {reason for reason in missing if f'"{reason}"' not in refused} == BY_THE_COMMAND_ITSELF


def told(world: World) -> set[str]:
    return {event.reason for event in world.events}


def paused() -> World:
    world = World(annotations={"vlm-operator.dev/paused": "true"})
    world.reconcile()
    world.annotations = {}
    world.reconcile()
    world.reconcile()
    return world


def not_ready() -> World:
    world = settled()
    assert world.deployment is not None
    assert isinstance(world.pod, Pod)
    world.deployment["status"] = {"readyReplicas": 0}
    world.reconcile()
    return world


EVENTS: dict[str, Callable[[], set[str]]] = {
    "Planned": lambda: told(settled()),
    "CapacityVerified": lambda: told(settled()),
    "Ready": lambda: told(settled()),
    "NotReady": lambda: told(not_ready()),
    "DoesNotFit": lambda: told(settled(spec=spec(engine={"contextLength": 262144, "gpuMemoryUtilization": 0.6}))),
    "PlanUnknown": lambda: told(_once(World(spec=spec(engine={"image": "example/vllm:nightly"}, dryRun="Never")))),
    "StartupFailed": lambda: told(_retuning()),
    "Retuned": lambda: told(_retuning()),
    "Stopped": lambda: told(settled(script=[UNKNOWN_LOG])),
    "NodeFault": lambda: told(_node_fault()),
    "Paused": lambda: told(paused()),
    "Resumed": lambda: told(paused()),
    "DryRunStarted": lambda: told(dry_run(DryRunWorld.fails)),
    "DryRunEnded": lambda: told(dry_run(DryRunWorld.fails)),
    "Deployed": lambda: {_applied(None, "Starting")},
    "Repaired": lambda: {_applied(None, "Started")},
    "Observed": lambda: {_observed()},
    "OutOfMemoryInService": lambda: told(ran_out_in_service()),
    "RequestsRefused": lambda: told(printed(TOO_LONG.format(20_000))),
}


def _applied(live: dict[str, Any] | None, outcome: str, **status: Any) -> str:
    world = World()
    (deployment, _) = world.reconcile().children
    situation = world.situation()
    target = replace(situation.target, status={"observedGeneration": 1, "attempts": [{"outcome": outcome}], **status})
    event = applied_event(deployment, live, target)
    return event.reason if event else ""


def _observed() -> str:
    world = settled(spec=spec(goal="SingleUser"))
    (observation,) = world.observations.values()
    event = observed_event(observation, ())
    assert observed_event(observation, (observation,)) is None, "told once"
    return event.reason if event else ""


@pytest.mark.parametrize("reason", EventReason, ids=str)
def test_every_documented_event_is_sent(reason: EventReason) -> None:
    assert str(reason) in EVENTS[str(reason)]()


def _edited(manager: str, fingerprint: str | None = None) -> dict[str, Any]:
    (deployment, _) = World().reconcile().children
    annotations = dict(deployment["metadata"]["annotations"])
    if fingerprint is not None:
        annotations = dict.fromkeys(annotations, fingerprint)
    managers = [
        {"manager": "vlm-operator", "operation": "Apply", "fieldsV1": {"f:spec": {}}},
        {"manager": "kube-controller-manager", "operation": "Update", "fieldsV1": {"f:metadata": {}}},
        {"manager": manager, "operation": "Update", "fieldsV1": {"f:spec": {}}},
    ]
    return {**deployment, "metadata": {"annotations": annotations, "managedFields": managers}}


@pytest.mark.parametrize(
    ("live", "outcome", "generation", "reason"),
    [
        pytest.param(None, "Starting", 1, "Deployed", id="created"),
        pytest.param(None, "Started", 1, "Repaired", id="deleted by hand"),
        pytest.param(None, "Started", 0, "Deployed", id="the spec changed and it is not there"),
        pytest.param(_edited("kubectl-edit"), "Started", 1, "Repaired", id="edited by hand"),
        pytest.param(_edited("kubectl-edit", "0"), "Started", 1, "Deployed", id="another command"),
        pytest.param(_edited("vlm-operator"), "Started", 1, "Deployed", id="an update of the operator"),
    ],
)
def test_what_the_application_of_a_deployment_means(
    live: dict[str, Any] | None, outcome: str, generation: int, reason: str
) -> None:
    assert _applied(live, outcome, observedGeneration=generation) == reason


def test_a_fault_of_the_node_is_told_once() -> None:
    world = _node_fault()
    for _ in range(3):
        world.reconcile()
    assert [event.reason for event in world.events].count("NodeFault") == 1
    assert "terminated from outside" in world.condition("Available")["message"]
