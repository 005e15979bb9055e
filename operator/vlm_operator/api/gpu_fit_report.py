"""``GPUFitReport``: what the last audit of a cluster found, bounded. Written by ``vlmctl audit --write-report``."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import Field

from vlm_operator.api.base import ApiModel, Integer, Listed
from vlm_operator.api.names import API_VERSION
from vlm_operator.api.vlm_deployment import ObjectMeta
from vlm_operator.api.vlm_deployment_status import ByteCount, Name, Timestamp

Count = Annotated[Integer, Field(ge=0, le=2**53)]
Label = Annotated[str, Field(max_length=253)]
Words = Annotated[str, Field(max_length=512)]

MOST_FINDINGS: Final = 50
"""Findings of one report, the worst first."""

MOST_GROUPS: Final = 100
"""Groups of nodes of one report, those with the most reserved memory first."""

MOST_KINDS: Final = 128
"""Kinds of findings by severity that are counted."""


class FindingCounts(ApiModel):
    """Findings that no baseline accepts, by severity."""

    error: Count = Field(default=0, description="Servers that do not serve, or would not after a restart or upgrade.")
    warning: Count = Field(default=0, description="What serves and wastes GPUs or memory, or is at risk.")
    info: Count = Field(default=0, description="Worth knowing; also what could not be audited.")


class FitCounts(ApiModel):
    """Cells of the fit matrix: a model on a group of nodes."""

    as_wanted: Count = Field(default=0, description="Fit, and nothing had to give way.")
    with_levers: Count = Field(
        default=0, description="Fit with flags that cost something, or by the best estimate only."
    )
    not_here: Count = Field(default=0, description="Need more GPUs than a node has, or do not fit.")
    unknown: Count = Field(default=0, description="A fact is not known for certain.")


class AuditSummary(ApiModel):
    """Counts of the whole audit."""

    models: Count = Field(default=0, description="Models that were placed.")
    node_groups: Count = Field(default=0, description="Groups of nodes with the same GPUs.")
    nodes: Count = Field(default=0, description="Nodes.")
    servers: Count = Field(default=0, description="Pods that run vLLM.")
    planned_servers: Count = Field(
        default=0, description="Those whose memory could be predicted: the bytes below are theirs."
    )
    findings: FindingCounts = Field(default_factory=FindingCounts, description="Findings by severity.")
    known: Count = Field(default=0, description="Findings that a baseline accepts.")
    fits: FitCounts = Field(default_factory=FitCounts, description="Cells of the fit matrix.")
    reserved_bytes: ByteCount = Field(default=0, description="GPU memory that servers reserve.")
    needed_bytes: ByteCount = Field(
        default=0, description="What they need of it: weights, start-up peak, one request of the whole context."
    )


class GroupUse(ApiModel):
    """One group of nodes with the same GPUs."""

    name: Label = Field(description="Number of GPUs of a node, and product.")
    product: Label = Field(description="Product as the node label spells it.")
    nodes: Count = Field(default=0, description="Nodes of the group.")
    gpus: Count = Field(default=0, description="GPUs of all of them.")
    free: Count = Field(default=0, description="GPUs that no pod asks for.")
    servers: Count = Field(default=0, description="Pods that run vLLM on them.")
    reserved_bytes: ByteCount = Field(default=0, description="GPU memory that they reserve.")
    needed_bytes: ByteCount = Field(default=0, description="What they need of it.")


class KindCount(ApiModel):
    """Findings of one kind and severity."""

    kind: Name = Field(description="Kind of the finding (docs/reference/audit.md).")
    severity: Literal["error", "warning", "info"] = Field(description="How bad it is.")
    count: Count = Field(description="How many objects it was found on.")


class ReportedObject(ApiModel):
    """The object to change."""

    kind: Label = Field(description="Its kind.")
    namespace: Label | None = Field(default=None, description="Its namespace, if it has one.")
    name: Label = Field(description="Its name.")


class ReportedFinding(ApiModel):
    """One of the worst findings."""

    id: Label = Field(description="The same over audits; a baseline accepts by it.")
    kind: Name = Field(description="Kind of the finding (docs/reference/audit.md).")
    severity: Literal["error", "warning", "info"] = Field(description="How bad it is.")
    object: ReportedObject = Field(description="The object to change.")
    message: Words = Field(description="What is the case, cut where it is too long.")
    remedy: Words = Field(description="What to do, cut where it is too long.")


class GPUFitReportSpec(ApiModel):
    """What an audit found, and when."""

    audited_at: Timestamp = Field(description="When the cluster was read.")
    upgrade_to: Name | None = Field(default=None, description="vLLM release of the upgrade check, if there was one.")
    summary: AuditSummary = Field(default_factory=AuditSummary, description="Counts of the whole audit.")
    groups: Annotated[tuple[GroupUse, ...], Field(max_length=MOST_GROUPS), Listed] = Field(
        default=(), description="Groups of nodes, the most reserved memory first."
    )
    kinds: Annotated[tuple[KindCount, ...], Field(max_length=MOST_KINDS), Listed] = Field(
        default=(), description="Findings counted by kind."
    )
    findings: Annotated[tuple[ReportedFinding, ...], Field(max_length=MOST_FINDINGS), Listed] = Field(
        default=(), description="The worst findings, those accepted by a baseline left out."
    )
    findings_omitted: Count = Field(default=0, description="Findings that are counted and not listed.")


class GPUFitReport(ApiModel):
    """What the last audit of the cluster found: counts, GPU memory by node group, the worst findings.

    The chart's CronJob (audit.schedule) writes it; the operator exports its figures as metrics.
    """

    api_version: Literal["vlm-operator.dev/v1alpha1"] = API_VERSION
    kind: Literal["GPUFitReport"] = "GPUFitReport"
    metadata: ObjectMeta
    spec: GPUFitReportSpec
