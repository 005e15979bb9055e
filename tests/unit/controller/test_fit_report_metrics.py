"""What audits found is exported as the last report says it, and goes with the report."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from live_api_server import LiveApiServer, serving_live

from vlm_operator.controller.fit_reports import FitReports
from vlm_operator.controller.metrics import Metrics
from vlm_operator.controller.watches import Watches, World

ROOT = Path(__file__).resolve().parents[3]
CHART = ROOT / "charts" / "vlm-operator"
PATH = "/apis/vlm-operator.dev/v1alpha1/gpufitreports"
H100 = "8x NVIDIA-H100-80GB-HBM3"


def report(name: str = "cluster", version: int = 7, **spec: Any) -> dict[str, Any]:
    known = {
        "auditedAt": "2026-11-30T05:00:00Z",
        "groups": [{"name": H100, "product": "NVIDIA-H100-80GB-HBM3", "reservedBytes": 80, "neededBytes": 30}],
        "kinds": [{"kind": "WouldNotFit", "severity": "error", "count": 2}],
    }
    metadata = {"name": name, "uid": f"uid-{name}", "resourceVersion": str(version)}
    return {"kind": "GPUFitReport", "metadata": metadata, "spec": {**known, **spec}}


def exported(reports: FitReports) -> list[str]:
    metrics = Metrics()
    metrics.fit_reports = reports.specs
    return [line for line in metrics.text().decode().splitlines() if line.startswith("vlm_operator_gpu_")]


def test_figures_of_a_report_are_gauges() -> None:
    reports = FitReports()
    reports.put(report())
    assert exported(reports) == [
        f'vlm_operator_gpu_reserved_bytes{{node_group="{H100}",report="cluster"}} 80.0',
        f'vlm_operator_gpu_needed_bytes{{node_group="{H100}",report="cluster"}} 30.0',
        'vlm_operator_gpu_findings{kind="WouldNotFit",report="cluster",severity="error"} 2.0',
        'vlm_operator_gpu_findings{kind="",report="cluster",severity="warning"} 0.0',
        'vlm_operator_gpu_findings{kind="",report="cluster",severity="info"} 0.0',
        'vlm_operator_gpu_audit_timestamp_seconds{report="cluster"} 1.7960148e+09',
    ]


def test_a_new_audit_replaces_the_figures_of_the_one_before() -> None:
    reports = FitReports()
    reports.put(report())
    reports.put(report(version=8, kinds=[], groups=[]))
    lines = exported(reports)
    assert not [line for line in lines if "bytes" in line or "WouldNotFit" in line]
    assert 'vlm_operator_gpu_findings{kind="",report="cluster",severity="error"} 0.0' in lines


def test_a_deleted_report_is_not_exported() -> None:
    reports = FitReports()
    reports.put(report())
    reports.put(report("other"))
    reports.drop(report())
    reports.retain(None, set(), 9)
    assert exported(reports) == []


def test_a_report_newer_than_a_listing_stays() -> None:
    reports = FitReports()
    reports.put(report(version=12))
    reports.retain(None, set(), 9)
    assert list(reports.specs()) == ["cluster"]


@pytest.mark.parametrize("refusal", [(403, "Forbidden"), (404, "NotFound")], ids=["no right", "no such kind"])
def test_the_operator_is_ready_without_reports(refusal: tuple[int, str]) -> None:
    server = LiveApiServer()
    server.refused[PATH] = refusal
    synced: list[bool] = []
    with serving_live(server) as client:
        watches = Watches(client, World(lambda keys, delay: None), ("default",), lambda: synced.append(True))
        watches.start()
        deadline = time.monotonic() + 30
        while not synced and time.monotonic() < deadline:
            time.sleep(0.05)
        watches.stop()
    assert synced


def expressions() -> Iterator[tuple[str, str]]:
    board = json.loads((CHART / "dashboards" / "gpu-audit.json").read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"]
    for number, line in enumerate(re.findall(r"expr: (.+)", (CHART / "templates" / "metrics.yaml").read_text())):
        yield f"alert {number}", line


def test_every_metric_and_label_of_the_dashboard_and_the_alerts_exists() -> None:
    metrics = Metrics()
    labels = {collector._name: set(collector._labelnames) for collector in metrics.registry._collector_to_names}  # type: ignore[attr-defined]
    found = list(expressions())
    assert len(found) >= 12
    for where, text in found:
        names = re.findall(r"vlm_operator_\w+", text)
        assert names, where
        assert [name for name in names if name not in labels] == [], where
        selected = re.findall(r"(vlm_operator_\w+)\{([^}]*)", re.sub(r"\{\{.*?\}\}", "", text))
        for name, matchers in selected:
            used = set(re.findall(r"(\w+)\s*[=!]~?=?\"", matchers)) - {"job", "namespace"}
            assert used <= labels[name], where
        grouped = {label.strip() for group in re.findall(r"by \(([^)]*)\)", text) for label in group.split(",")}
        assert grouped <= set().union(*(labels[name] for name in names)), where


def test_the_dashboard_covers_every_metric_of_the_audit() -> None:
    text = " ".join(expression for where, expression in expressions() if not where.startswith("alert"))
    exposed = re.findall(r"# TYPE (vlm_operator_gpu_\w+) gauge", Metrics().text().decode())
    assert len(exposed) == 4
    assert [name for name in exposed if name not in text] == []
