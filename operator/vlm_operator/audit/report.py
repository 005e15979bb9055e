"""An audit as JSON: the fields of ``vlmctl audit -o json``. Fields may be added, never renamed."""

from __future__ import annotations

from collections import Counter
from typing import Any

from vlm_operator.audit.audit import Audit
from vlm_operator.audit.finding import Finding, Severity
from vlm_operator.audit.fit_matrix import Fit
from vlm_operator.audit.node_groups import NodeGroup
from vlm_operator.audit.server import Server
from vlm_operator.engine.flags import shown_flags


def audit_to_json(audit: Audit) -> dict[str, Any]:
    """The audit as plain data, keys in the contract's order."""
    return {
        "fits": [fit_to_json(fit) for fit in audit.fits],
        "findings": [finding_to_json(finding) for finding in audit.findings],
        "nodeGroups": [_group(group) for group in audit.fleet.groups],
        "servers": [_server(server) for server in audit.servers],
        "upgradeTo": None if audit.to is None else str(audit.to),
        "summary": summary(audit),
    }


def summary(audit: Audit) -> dict[str, Any]:
    """Counts of the whole audit."""
    new = [finding for finding in audit.findings if not finding.known]
    severities = Counter(str(finding.severity) for finding in new)
    return {
        "models": len({fit.model for fit in audit.fits}),
        "nodeGroups": len(audit.fleet.groups),
        "nodes": len(audit.fleet.sites),
        "servers": len(audit.servers),
        "findings": {str(severity): severities[str(severity)] for severity in Severity},
        "known": len(audit.findings) - len(new),
    }


def fit_to_json(fit: Fit) -> dict[str, Any]:
    """One cell of the matrix."""
    return {
        "model": fit.model,
        "nodeGroup": fit.group.name,
        "verdict": str(fit.verdict),
        "gpus": fit.gpus,
        "maxModelLen": fit.max_model_len,
        "reason": fit.reason,
        "outcome": str(fit.outcome),
        "message": fit.message,
        "levers": list(fit.levers),
        "idleShare": fit.idle_share,
        "startable": fit.startable,
    }


def finding_to_json(finding: Finding) -> dict[str, Any]:
    """One finding."""
    subject = finding.subject
    return {
        "id": finding.id,
        "kind": str(finding.kind),
        "severity": str(finding.severity),
        "object": {"kind": subject.kind, "namespace": subject.namespace, "name": subject.name},
        "message": finding.message,
        "remedy": finding.remedy,
        "figures": dict(finding.figures),
        "pods": list(finding.pods),
        "known": finding.known,
    }


def _group(group: NodeGroup) -> dict[str, Any]:
    return {
        "name": group.name,
        "product": group.gpu.label,
        "resource": group.resource,
        "gpusPerNode": group.count,
        "nodes": len(group.members),
        "free": group.free,
        "mostFreeOnOneNode": group.most_free,
        "totalBytes": group.gpu.total_bytes,
        "shared": group.gpu.shared,
    }


def _server(server: Server) -> dict[str, Any]:
    pod, made = server.pod, server.plan
    budget, cup = (made.budget, made.cup) if made is not None else (None, None)
    return {
        "object": {"kind": pod.workload.kind, "namespace": pod.workload.namespace, "name": pod.workload.name},
        "pod": pod.name,
        "node": pod.node,
        "model": pod.model,
        "vllmVersion": None if pod.version is None else str(pod.version),
        "gpus": pod.gpus,
        "resource": pod.resource,
        "nodeGroup": server.group.name if server.group is not None else None,
        "flags": shown_flags(pod.command.settings),
        "verdict": None if made is None else str(made.verdict),
        "reservedBytes": None if budget is None else budget.requested_bytes,
        "kvCacheBytes": None if budget is None else budget.kv_cache_bytes,
        "neededBytes": None if budget is None or cup is None else _needed(budget.fixed_bytes, cup.needed_bytes),
    }


def _needed(fixed_bytes: int, cup_bytes: int) -> int:
    """Memory that weights, peak and one request of the context take, bytes per GPU."""
    return fixed_bytes + cup_bytes
