"""Everything ``decide`` may know about one VLMDeployment, read by ``controller.gather``.

All of it is values: Kubernetes objects as plain mappings (camelCase, as the API server sent them) or as the few fields
that matter, the time as a parameter. Nothing here reads anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from vlm_operator.errors import VlmOperatorError
from vlm_operator.gpu.devices import Device
from vlm_operator.gpu.measured import MeasuredGPU
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.seen_traffic import SeenTraffic
from vlm_operator.rendering.pod_policy import PodTemplatePolicy

Manifest = Mapping[str, Any]
"""A Kubernetes object as JSON gives it."""


@dataclass(frozen=True, slots=True)
class Target:
    """The VLMDeployment that is reconciled.

    Attributes:
        namespace: its namespace.
        name: its name.
        uid: identity of this very object; a recreated one of the same name has another.
        generation: counts changes of ``spec``; what conditions report as ``observedGeneration``.
        resource_version: what was read; a write that carries it fails with 409 if somebody wrote in between.
        spec: as in the API server, defaults filled in by the CRD.
        status: as in the API server; empty before the first reconcile.
        annotations: for instance ``vlm-operator.dev/paused``.
        labels: the user's labels.
        deleting: True once a deletion timestamp is set.
    """

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    spec: Manifest
    status: Manifest = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    deleting: bool = False


@dataclass(frozen=True, slots=True)
class GpuNode:
    """A node that may hold GPUs: what is planned for is read from its labels and its allocatable resources.

    Attributes:
        name: the node's name.
        labels: those that ``gpu.node_labels`` reads; others are left out so that they change nothing.
        allocatable: GPU resources (``nvidia.com/…``, ``amd.com/…``) as quantities.
        ready: condition Ready is True.
        unschedulable: cordoned.
        devices: of NVIDIA's DRA driver, which claims are given.
        measured: its GPUs as the agent on it last told; empty where there is no agent.
        unheard_since: since when that agent is not heard (RFC 3339), None while it is.
    """

    name: str
    labels: Mapping[str, str]
    allocatable: Mapping[str, str]
    ready: bool
    unschedulable: bool = False
    devices: tuple[Device, ...] = ()
    measured: tuple[MeasuredGPU, ...] = ()
    unheard_since: str | None = None


@dataclass(frozen=True, slots=True)
class AwaitedGPUs:
    """GPUs that another VLMDeployment was given and that no pod of it holds yet.

    Attributes:
        product: as ``status.plan.gpu.product``.
        resource: extended resource, or the one that stands for what is claimed.
        count: GPUs of one node.
        nodes: nodes with so many.
    """

    product: str
    resource: str
    count: int
    nodes: int = 1


@dataclass(frozen=True, slots=True)
class ContainerState:
    """``waiting``, ``running`` or ``terminated``, with what the kubelet says about it."""

    kind: str
    reason: str | None = None
    message: str | None = None
    exit_code: int | None = None
    signal: int | None = None
    started_at: str | None = None
    finished_at: str | None = None


@dataclass(frozen=True, slots=True)
class ContainerStatus:
    """One container of a pod. ``last_state`` is how its previous run ended, None if there was none."""

    name: str
    ready: bool
    started: bool
    restart_count: int
    state: ContainerState
    last_state: ContainerState | None = None


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of the model server.

    Attributes:
        name: its name.
        uid: identity of this very pod.
        created_at: RFC 3339, from the API server.
        phase: Pending, Running, Succeeded, Failed or Unknown.
        reason: why the pod as a whole failed (``Evicted``, ``NodeLost``, …), if it says so.
        message: the words to ``reason``.
        node_name: where it runs; None while it is not scheduled.
        template_hash: label ``pod-template-hash``: which ReplicaSet it belongs to.
        args: arguments of the model server's container, in order: what is really being tried.
        image: image of the model server's container.
        conditions: ``type`` to (status, reason, message), for instance PodScheduled.
        containers: statuses of containers, in the pod's order.
        init_containers: statuses of init containers.
        annotations: for instance the fingerprint of the command that ``rendering`` set.
        deleting: True once a deletion timestamp is set.
        grace_seconds: time that a pod under deletion is given to end, None where it is not being deleted.
        startup_probe_seconds: how long the server's start-up probe lets it start, None without such a probe.
        owner_uid: UID of its controller (a ReplicaSet, or the Job of a dry run).
        group: group of a LeaderWorkerSet that it belongs to, None for a pod that is a replica of its own.
        rank: its place in the group; the leader is 0.
        address: its IP, None before it has one.
    """

    name: str
    uid: str
    created_at: str
    phase: str
    args: tuple[str, ...]
    image: str
    containers: tuple[ContainerStatus, ...] = ()
    init_containers: tuple[ContainerStatus, ...] = ()
    conditions: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    node_name: str | None = None
    template_hash: str | None = None
    reason: str | None = None
    message: str | None = None
    deleting: bool = False
    grace_seconds: int | None = None
    startup_probe_seconds: int | None = None
    owner_uid: str | None = None
    group: str | None = None
    rank: int = 0
    address: str | None = None

    def container(self, name: str) -> ContainerStatus | None:
        """The status of the container of that name, or None while the kubelet has not reported it."""
        return next((status for status in self.containers if status.name == name), None)


@dataclass(frozen=True, slots=True, order=True)
class StartupKey:
    """One run of one container: an outcome is handled once per key.

    Attributes:
        pod_uid: the pod.
        container: the container's name.
        run: 0 for the first start, 1 for the first restart, …; the run before the present one is ``restart_count - 1``.
    """

    pod_uid: str
    container: str
    run: int


@dataclass(frozen=True, slots=True)
class Kill:
    """An event of the kubelet with reason ``Killing``: its words, and when it was last seen (RFC 3339)."""

    message: str
    at: str | None


@dataclass(frozen=True, slots=True)
class StartupLog:
    """What a run printed, or why that cannot be read.

    Attributes:
        key: which run.
        text: the log, bounded in bytes; None where it cannot be read.
        truncated: True where older lines were left out.
        unreadable: why there is no text (API server's words), None where there is.
        gone: True where reading again cannot help: the pod or that run's log no longer exists.
        kills: what the kubelet said about killing containers of the pod, where the request asked for it.
    """

    key: StartupKey
    text: str | None
    truncated: bool = False
    unreadable: str | None = None
    gone: bool = False
    kills: tuple[Kill, ...] = ()


@dataclass(frozen=True, slots=True)
class ServiceLog:
    """What a run that serves has printed since its log was read last.

    Attributes:
        key: which run.
        lines: new lines, bounded in bytes; None where the log cannot be read.
        until: timestamp of the last line that was ever read, None where there was none.
    """

    key: StartupKey
    lines: tuple[str, ...] | None
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """The API server did not take a child.

    Attributes:
        kind: of the child.
        name: of the child.
        message: the API server's words.
        generation: of the VLMDeployment whose child it was; a new one is tried afresh.
        transient: False where it refused: what was wanted is not possible as it stands. True where it could not take
            it at several tries, and may yet.
        digest: of the refused manifest; empty where none was sent.
    """

    kind: str
    name: str
    message: str
    generation: int
    transient: bool = False
    digest: str = ""

    def is_again(self, other: Rejection | None) -> bool:
        """True where the same manifest was not taken for the same kind of reason, whatever the words."""
        return other is not None and replace(self, message="") == replace(other, message="")

    @classmethod
    def of_status(cls, target: Target) -> Rejection | None:
        """The refusal that the status of this generation holds."""
        item, generation = target.status.get("refusal"), target.status.get("observedGeneration")
        if not item or generation != target.generation:
            return None
        return cls(item["kind"], item["name"], item["message"], target.generation, digest=item.get("digest") or "")

    def to_status(self) -> dict[str, str]:
        """As ``status.refusal``."""
        return {"kind": self.kind, "name": self.name, "message": self.message, "digest": self.digest}


@dataclass(frozen=True, slots=True)
class Neighbour:
    """Another VLMDeployment of the group that shares one GPU.

    Attributes:
        target: as the API server has it.
        model: facts of its model, None where they are not known, or not yet.
        model_error: what the model source answered instead.
        pods: of its server, whatever state they are in.
    """

    target: Target
    model: ModelFacts | None = None
    model_error: VlmOperatorError | None = None
    pods: tuple[Pod, ...] = ()


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything one decision rests on.

    Attributes:
        target: the VLMDeployment.
        now: the time of this reconcile, with a time zone.
        nodes: nodes with GPU labels or GPU resources, by name; for the CPU backend no node is needed.
        children: live objects that this VLMDeployment owns (Deployment, Service, …).
        pods: pods of the model server, newest first.
        logs: logs that an earlier round of this reconcile asked for with ``Decision.needs``.
        model: facts of the model, or None where ``model_error`` says why there are none.
        model_error: what the model source answered instead.
        model_config: digest of the ConfigMap that ``spec.model.config`` names, None where there is none.
        observations: ``StartupObservation`` objects of this model as the API server has them; none for a model by path.
        gpus_in_use: by node and resource, GPUs that pods bound to the node ask for, this VLMDeployment's own left out;
            nodes where none are in use are absent. None where the operator may not see the pods of all namespaces.
        pod_template_policy: what ``spec.podTemplate`` may ask for, as the administrator says.
        gpus_awaited: GPUs that other VLMDeployments were given and no pod holds yet.
        rejection: what the API server said when this generation's children were last applied, None where it took them.
        engine_facts: ``EngineFacts`` objects with the label of this model, whoever they are for.
        dry_run_jobs: live Jobs of dry runs that this VLMDeployment owns.
        dry_run_pods: their pods, newest first.
        dry_run_program: text of the program's files by name.
        neighbours: the others of its ``spec.gpu.share.group``, by name.
        missing_kinds: kinds of children that the API server does not have or does not show, with its words.
        service_logs: of runs that serve, where it was time to read them.
        seen: traffic of the pods that run the command in force, as far as it was read; None where none was.
    """

    target: Target
    now: datetime
    nodes: tuple[GpuNode, ...] = ()
    children: tuple[Manifest, ...] = ()
    pods: tuple[Pod, ...] = ()
    logs: tuple[StartupLog, ...] = ()
    model: ModelFacts | None = None
    model_error: VlmOperatorError | None = None
    model_config: str | None = None
    observations: tuple[Manifest, ...] = ()
    gpus_in_use: Mapping[str, Mapping[str, int]] | None = None
    gpus_awaited: tuple[AwaitedGPUs, ...] = ()
    pod_template_policy: PodTemplatePolicy = PodTemplatePolicy.RESTRICTED
    rejection: Rejection | None = None
    engine_facts: tuple[Manifest, ...] = ()
    dry_run_jobs: tuple[Manifest, ...] = ()
    dry_run_pods: tuple[Pod, ...] = ()
    dry_run_program: Mapping[str, str] = field(default_factory=dict)
    missing_kinds: Mapping[str, str] = field(default_factory=dict)
    neighbours: tuple[Neighbour, ...] = ()
    service_logs: tuple[ServiceLog, ...] = ()
    seen: SeenTraffic | None = None

    def log(self, key: StartupKey) -> StartupLog | None:
        """The log of that run, or None if it has not been read yet."""
        return next((log for log in self.logs if log.key == key), None)
