"""An audit as a ``GPUFitReport``: counts, memory by node group, the worst findings."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from vlm_operator.api.gpu_fit_report import (
    MOST_FINDINGS,
    MOST_GROUPS,
    MOST_KINDS,
    AuditSummary,
    FindingCounts,
    FitCounts,
    GPUFitReport,
    GPUFitReportSpec,
    GroupUse,
    KindCount,
    ReportedFinding,
    ReportedObject,
)
from vlm_operator.api.vlm_deployment import ObjectMeta
from vlm_operator.audit.audit import Audit
from vlm_operator.audit.finding import Finding
from vlm_operator.audit.fit_matrix import Outcome
from vlm_operator.audit.server import Server

_LONGEST: Final = 512


class _Use(NamedTuple):
    """GPU memory of servers, bytes."""

    servers: int = 0
    planned: int = 0
    reserved: int = 0
    needed: int = 0

    def plus(self, other: _Use) -> _Use:
        return _Use(*map(sum, zip(self, other, strict=True)))


def fit_report(audit: Audit, name: str, audited_at: str) -> dict[str, Any]:
    """The report as a manifest.

    Args:
        audited_at: RFC 3339.
    """
    uses: dict[str, _Use] = defaultdict(_Use)
    for server in audit.servers:
        group = server.group.name if server.group is not None else ""
        uses[group] = uses[group].plus(_use(server))
    total = _Use()
    for use in uses.values():
        total = total.plus(use)
    new = [finding for finding in audit.findings if not finding.known]
    report = GPUFitReport(
        metadata=ObjectMeta(name=name),
        spec=GPUFitReportSpec(
            audited_at=audited_at,
            upgrade_to=None if audit.to is None else str(audit.to),
            summary=_summary(audit, new, total),
            groups=_groups(audit, uses),
            kinds=_kinds(new),
            findings=tuple(_finding(finding) for finding in new[:MOST_FINDINGS]),
            findings_omitted=max(len(new) - MOST_FINDINGS, 0),
        ),
    )
    manifest = report.model_dump(by_alias=True, exclude_none=True, mode="json")
    return {**manifest, "metadata": {"name": name}}


def _use(server: Server) -> _Use:
    """What a server reserves and needs on all of its GPUs, as far as it could be predicted."""
    made = server.plan
    if made is None or made.budget is None or made.cup is None:
        return _Use(servers=1)
    gpus = max(made.gpu_count, 1)
    needed = made.budget.fixed_bytes + made.cup.needed_bytes
    return _Use(1, 1, made.budget.requested_bytes * gpus, needed * gpus)


def _summary(audit: Audit, new: list[Finding], total: _Use) -> AuditSummary:
    severities = Counter(str(finding.severity) for finding in new)
    outcomes = Counter(fit.outcome for fit in audit.fits)
    return AuditSummary(
        models=len({fit.model for fit in audit.fits}),
        node_groups=len(audit.fleet.groups),
        nodes=len(audit.fleet.sites),
        servers=total.servers,
        planned_servers=total.planned,
        findings=FindingCounts(**severities),
        known=len(audit.findings) - len(new),
        fits=FitCounts(
            as_wanted=outcomes[Outcome.AS_WANTED],
            with_levers=outcomes[Outcome.WITH_LEVERS] + outcomes[Outcome.TIGHT],
            not_here=outcomes[Outcome.NEEDS_MORE] + outcomes[Outcome.REFUSED],
            unknown=outcomes[Outcome.UNKNOWN],
        ),
        reserved_bytes=total.reserved,
        needed_bytes=total.needed,
    )


def _groups(audit: Audit, uses: dict[str, _Use]) -> tuple[GroupUse, ...]:
    groups = sorted(audit.fleet.groups, key=lambda group: (-uses[group.name].reserved, group.name))
    return tuple(
        GroupUse(
            name=group.name[:253],
            product=group.gpu.label[:253],
            nodes=len(group.members),
            gpus=len(group.members) * group.count,
            free=group.free,
            servers=uses[group.name].servers,
            reserved_bytes=uses[group.name].reserved,
            needed_bytes=uses[group.name].needed,
        )
        for group in groups[:MOST_GROUPS]
    )


def _kinds(findings: Iterable[Finding]) -> tuple[KindCount, ...]:
    counts = Counter((finding.kind, finding.severity) for finding in findings)
    ordered = sorted(counts.items(), key=lambda item: (item[0][1].rank, str(item[0][0])))
    return tuple(
        KindCount(kind=str(kind), severity=severity.value, count=count)
        for (kind, severity), count in ordered[:MOST_KINDS]
    )


def _finding(finding: Finding) -> ReportedFinding:
    subject = finding.subject
    return ReportedFinding(
        id=finding.id,
        kind=str(finding.kind),
        severity=finding.severity.value,
        object=ReportedObject(kind=subject.kind, namespace=subject.namespace or None, name=subject.name),
        message=_cut(finding.message),
        remedy=_cut(finding.remedy),
    )


def _cut(words: str) -> str:
    return words if len(words) <= _LONGEST else f"{words[: _LONGEST - 2]} …"
