"""One running server beside the plan of its own command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vlm_operator.audit.finding import Finding, FindingKind, Severity, Subject
from vlm_operator.audit.node_groups import Fleet, NodeGroup
from vlm_operator.audit.planner import Planner
from vlm_operator.audit.server_pod import ServerPod
from vlm_operator.engine.version import DEFAULT, EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.traffic import Traffic


@dataclass(frozen=True)
class Server:
    """A pod, where it runs, and what a start of its command would find there.

    Attributes:
        model: None where no source knows it.
        group: the GPUs of its node; None where it has none or its node is not known.
        plan: prediction of the very command; None where a fact is missing.
        refusal: vLLM would refuse the flags at once: why, and what to change.
        unknown: why there is no plan.
        traffic: what its metrics say; None where they were not read.
    """

    pod: ServerPod
    model: ModelFacts | None
    group: NodeGroup | None
    plan: Plan | None
    refusal: InputError | None = None
    unknown: str = ""
    traffic: Traffic | None = None

    @property
    def version(self) -> EngineVersion:
        """The release that is planned for: the newest known where the image names none."""
        return self.pod.version or DEFAULT

    def finding(
        self,
        kind: FindingKind,
        severity: Severity,
        message: str,
        *,
        remedy: str | None = None,
        about: str = "",
        **figures: Any,
    ) -> Finding:
        """A finding about the pod's owner."""
        workload = self.pod.workload
        subject = Subject(workload.kind, workload.namespace, workload.name)
        return Finding(kind, severity, subject, message, remedy or kind.remedy, figures, about, (self.pod.name,))


def ranks_here(pod: ServerPod) -> int | None:
    """GPUs that the command uses in this pod; None where other pods may lend theirs (Ray, alone or in a group)."""
    command, settings = pod.command, pod.command.settings
    if (command.value("--distributed-executor-backend") or "") == "ray":
        return None
    if pod.pods_of_group > 1 and not (command.has("--nnodes") or command.has("-n")):
        return None
    replicas = settings.data_parallel_size
    local = command.value("--data-parallel-size-local") or command.value("-dpl") or ""
    if local.isdecimal() and int(local):
        replicas = int(local)
    elif any(map(command.has, ("--data-parallel-external-lb", "--data-parallel-rank", "-dpn", "-dpe"))):
        replicas = 1
    ranks = settings.tensor_parallel_size * settings.pipeline_parallel_size * replicas
    nodes = command.value("--nnodes") or command.value("-n") or ""
    parts = int(nodes) if nodes.isdecimal() and int(nodes) else pod.pods_of_group if nodes else 1
    return max(ranks // parts, 1)


def plan_server(
    pod: ServerPod,
    fleet: Fleet,
    models: Mapping[str, ModelFacts | str],
    planner: Planner,
    traffic: Traffic | None = None,
) -> Server:
    """The server with its prediction, as far as the facts go.

    Args:
        models: facts of each model by name, or why there are none.
    """
    group = fleet.group_of(pod.node, pod.resource) if pod.node and pod.resource else None
    found = models.get(pod.model, "the model is not known") if pod.model else "the command names no model"
    if isinstance(found, str):
        return Server(pod, None, group, None, unknown=found, traffic=traffic)
    if group is None:
        return Server(pod, found, None, None, unknown=_no_group(pod, fleet), traffic=traffic)
    try:
        made = planner.prediction(found, group.gpu, pod.command, pod.version or DEFAULT)
    except InputError as error:
        return Server(pod, found, group, None, refusal=error, traffic=traffic)
    return Server(pod, found, group, made, traffic=traffic)


def _no_group(pod: ServerPod, fleet: Fleet) -> str:
    if not pod.resource:
        return "the pod asks for no GPU"
    if not pod.node:
        return "the pod has no node yet"
    if pod.node not in fleet.sites:
        return f"node {pod.node} is not among the nodes that were read"
    reason = dict(fleet.unreadable).get(pod.node)
    return f"node {pod.node}: {reason}" if reason else f"node {pod.node} offers no {pod.resource}"
