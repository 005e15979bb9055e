"""An audit as a GPUFitReport: bounded, valid for its CRD, with the figures of the audit."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import jsonschema

from kit.audit_cluster import simulated_cluster
from vlm_operator.api.base import parse
from vlm_operator.api.gpu_fit_report import MOST_FINDINGS, GPUFitReport
from vlm_operator.audit.audit import Audit, audit, read_cluster
from vlm_operator.audit.fit_matrix import WantedModel
from vlm_operator.audit.fit_report import fit_report
from vlm_operator.audit.report import audit_to_json
from vlm_operator.cli.audit_models import facts_of_servers
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.facts import ModelFacts

ROOT = Path(__file__).resolve().parents[3]
AT = "2026-11-30T05:00:00Z"


@lru_cache(maxsize=1)
def audited() -> Audit:
    simulated = simulated_cluster()
    cluster = read_cluster(simulated.nodes, simulated.pods)
    models = facts_of_servers(cluster.servers, offline=True)
    wanted = [WantedModel(name, facts) for name, facts in models.items() if isinstance(facts, ModelFacts)]
    return audit(cluster, models, wanted[:2], to=EngineVersion.parse("0.33.0"))


def test_the_report_is_what_its_kind_takes() -> None:
    report = fit_report(audited(), "cluster", AT)
    schema = json.loads((ROOT / "docs/schemas/gpufitreport.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(report)
    assert parse(GPUFitReport, report).spec.audited_at == AT
    assert report["metadata"] == {"name": "cluster"}
    assert report["spec"]["upgradeTo"] == "0.33.0"


def test_counts_are_those_of_the_audit() -> None:
    made, summary = audited(), fit_report(audited(), "cluster", AT)["spec"]["summary"]
    severities = Counter(str(finding.severity) for finding in made.findings)
    assert summary["findings"] == {name: severities[name] for name in ("error", "warning", "info")}
    assert (summary["nodes"], summary["servers"], summary["models"]) == (60, 120, 2)
    assert sum(summary["fits"].values()) == len(made.fits)
    kinds = fit_report(made, "cluster", AT)["spec"]["kinds"]
    assert sum(row["count"] for row in kinds) == len(made.findings)


def test_reserved_and_needed_memory_are_those_of_all_gpus_of_the_servers() -> None:
    made = audited()
    spec = fit_report(made, "cluster", AT)["spec"]
    rows = [row for row in audit_to_json(made)["servers"] if row["reservedBytes"] is not None]
    gpus = {server.pod.name: server.plan.gpu_count for server in made.servers if server.plan is not None}
    assert spec["summary"]["plannedServers"] == len(rows)
    assert spec["summary"]["reservedBytes"] == sum(row["reservedBytes"] * gpus[row["pod"]] for row in rows)
    assert spec["summary"]["neededBytes"] == sum(row["neededBytes"] * gpus[row["pod"]] for row in rows)
    in_groups = {row["name"]: row for row in spec["groups"]}
    assert set(in_groups) == {group.name for group in made.fleet.groups}
    on_groups = [row for row in rows if row["nodeGroup"] is not None]
    assert sum(row["reservedBytes"] for row in spec["groups"]) == sum(
        row["reservedBytes"] * gpus[row["pod"]] for row in on_groups
    )


def test_findings_beyond_the_bound_are_counted_and_words_are_cut() -> None:
    made = audited()
    first = made.findings[0]
    many = tuple(replace(first, about=str(number), message="x" * 5000) for number in range(2 * MOST_FINDINGS))
    spec = fit_report(replace(made, findings=many), "cluster", AT)["spec"]
    assert (len(spec["findings"]), spec["findingsOmitted"]) == (MOST_FINDINGS, MOST_FINDINGS)
    assert max(len(row["message"]) for row in spec["findings"]) <= 512
    assert len(json.dumps(spec)) < 256 * 1024


def test_accepted_findings_are_counted_apart_and_not_listed() -> None:
    made = audited()
    known = tuple(replace(finding, known=True) for finding in made.findings)
    spec = fit_report(replace(made, findings=known), "cluster", AT)["spec"]
    assert (spec["findings"], spec["summary"]["known"]) == ([], len(known))
    assert spec["summary"]["findings"] == {"error": 0, "warning": 0, "info": 0}
