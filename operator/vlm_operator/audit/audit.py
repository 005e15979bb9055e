"""Make one audit: from manifests and model facts to the fit matrix and the findings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from vlm_operator.audit import restart_checks, waste_checks
from vlm_operator.audit.container_command import ConfigMaps, Manifest
from vlm_operator.audit.finding import Finding, FindingKind, Severity, Subject
from vlm_operator.audit.fit_matrix import Fit, WantedModel, fit_matrix
from vlm_operator.audit.gpu_objects import GPUObjects
from vlm_operator.audit.node_groups import Fleet, read_fleet
from vlm_operator.audit.planner import Planner
from vlm_operator.audit.server import Server, plan_server
from vlm_operator.audit.server_pod import ServerPod, read_servers
from vlm_operator.audit.upgrade_checks import upgrade
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.traffic import Traffic


@dataclass(frozen=True, slots=True)
class Cluster:
    """What was read of a cluster.

    Attributes:
        servers: its vLLM pods.
        fleet: its GPUs.
        traffic: metrics of pods by namespace and name, as far as they were read.
    """

    servers: tuple[ServerPod, ...]
    fleet: Fleet
    traffic: Mapping[tuple[str, str], Traffic] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Audit:
    """The answer.

    Attributes:
        fits: the matrix, models outermost.
        findings: worst first, those that a baseline accepts last.
        servers: running servers with their plans.
        to: release of the upgrade check, None where none was asked for.
    """

    fits: tuple[Fit, ...]
    findings: tuple[Finding, ...]
    servers: tuple[Server, ...]
    fleet: Fleet
    to: EngineVersion | None = None


def read_cluster(
    nodes: Iterable[Manifest],
    pods: Iterable[Manifest],
    config_maps: ConfigMaps | None = None,
    traffic: Mapping[tuple[str, str], Traffic] | None = None,
    others: GPUObjects | None = None,
) -> Cluster:
    """The facts of manifests as the API server gives them.

    Raises:
        InputError: as ``read_fleet``.
    """
    listed = tuple(pods)
    return Cluster(read_servers(listed, config_maps or {}), read_fleet(nodes, listed, others), traffic or {})


def audit(
    cluster: Cluster,
    models: Mapping[str, ModelFacts | str],
    wanted: Iterable[WantedModel],
    *,
    to: EngineVersion | None = None,
    baseline: frozenset[str] = frozenset(),
    progress: Callable[[], None] = lambda: None,
) -> Audit:
    """The fit matrix of ``wanted``, and what is found about the servers.

    Args:
        models: facts of the servers' models by name, or why there are none.
        baseline: ids of findings that are accepted.
        progress: called after each cell of the matrix and each server.
    """
    planner = Planner()
    fits = fit_matrix(wanted, cluster.fleet.groups, planner, progress)
    servers = []
    for pod in cluster.servers:
        traffic = cluster.traffic.get((pod.workload.namespace, pod.name))
        servers.append(plan_server(pod, cluster.fleet, models, planner, traffic))
        progress()
    found = (*_of_nodes(cluster.fleet), *_of_servers(servers, cluster.fleet, planner, to))
    known = (replace(each, known=each.id in baseline) for each in _merged(found))
    return Audit(fits, tuple(sorted(known, key=_order)), tuple(servers), cluster.fleet, to)


def _of_nodes(fleet: Fleet) -> Iterator[Finding]:
    for node, reason in fleet.unreadable:
        yield Finding(
            FindingKind.NODE_UNREADABLE, Severity.WARNING, Subject("Node", "", node), reason,
            FindingKind.NODE_UNREADABLE.remedy,
        )  # fmt: skip


def _of_servers(servers: list[Server], fleet: Fleet, planner: Planner, to: EngineVersion | None) -> Iterator[Finding]:
    for server in servers:
        for restart_check in restart_checks.CHECKS:
            yield from restart_check(server, fleet)
        for waste_check in waste_checks.CHECKS:
            yield from waste_check(server, planner)
        if to is not None:
            yield from upgrade(server, to, planner)
    yield from restart_checks.shared_gpus(servers, fleet)


def _merged(findings: Iterable[Finding]) -> Iterator[Finding]:
    """One finding for all pods of an object on which it was found."""
    first: dict[str, Finding] = {}
    pods: dict[str, dict[str, None]] = {}
    for finding in findings:
        first.setdefault(finding.id, finding)
        pods.setdefault(finding.id, {}).update(dict.fromkeys(finding.pods))
    for key, finding in first.items():
        yield replace(finding, pods=tuple(pods[key]))


def _order(finding: Finding) -> tuple[Any, ...]:
    return (
        finding.known,
        finding.severity.rank,
        finding.subject.namespace,
        finding.subject.name,
        finding.kind,
        finding.id,
    )
