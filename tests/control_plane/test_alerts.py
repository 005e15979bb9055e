"""Prometheus' own promtool reads every expression of the alerts and the dashboard, and says when each alert fires."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from kit.control_plane import Cluster

pytestmark = pytest.mark.control_plane

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "vlm-operator"
LABELS = 'job="release-vlm-operator-metrics", namespace="monitored"'
GIB = 2**30


@pytest.fixture(scope="module")
def promtool() -> Path:
    """The binary, where it was built before: that takes minutes."""
    command = [sys.executable, str(ROOT / "hack/tools/get"), "--only", "promtool", "--list"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    _, _, state, path = answer.split()
    if state != "cached":
        pytest.skip("promtool is not there: hack/tools/get --only promtool builds it")
    return Path(path)


@pytest.fixture(scope="module")
def rules(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rendered PrometheusRule as a file of rules."""
    flags = [f"--set=metrics.{name}.enabled=true" for name in ("service", "serviceMonitor", "prometheusRule")]
    flags += ["--set=audit.schedule=0 5 * * *", "--namespace=monitored"]
    documents = yaml.safe_load_all(cluster.helm("template", "release", str(CHART), *flags))
    (rule,) = (document for document in documents if document and document["kind"] == "PrometheusRule")
    path = tmp_path_factory.mktemp("rules") / "rules.yaml"
    path.write_text(yaml.safe_dump(rule["spec"]))
    return path


def ask(promtool: Path, *arguments: str) -> str:
    answer = subprocess.run([str(promtool), *arguments], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout + answer.stderr


def test_every_alert_is_a_valid_rule(promtool: Path, rules: Path) -> None:
    assert "5 rules found" in ask(promtool, "check", "rules", str(rules))


def test_every_panel_of_the_dashboard_asks_a_valid_question(promtool: Path, tmp_path: Path) -> None:
    board = json.loads((CHART / "dashboards" / "gpu-audit.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    recorded = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(asked)]
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    assert f"{len(asked)} rules found" in ask(promtool, "check", "rules", str(path))


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    more = "".join(f', {label}="{value}"' for label, value in labels.items())
    return {"series": f"vlm_operator_{name}{{{LABELS}{more}}}", "values": values}


FINDINGS = {"report": "cluster", "kind": "WouldNotFit", "severity": "error"}
GROUP = {"report": "cluster", "node_group": "8x H100"}
FIRING = [
    pytest.param(
        "VLMServersWouldNotComeBack", "20m", [series("gpu_findings", "2x60", **FINDINGS)], id="servers would not return"
    ),
    pytest.param(
        "VLMGPUMemoryNotNeeded",
        "8d",
        [
            series("gpu_reserved_bytes", f"{80 * GIB}x12000", **GROUP),
            series("gpu_needed_bytes", f"{30 * GIB}x12000", **GROUP),
        ],
        id="a week of memory that nobody needs",
    ),
    pytest.param("VLMAuditOld", "4d", [series("gpu_audit_timestamp_seconds", "0x6000", report="cluster")], id="old"),
    pytest.param("VLMOperatorQueueOld", "10m", [series("queue_oldest_seconds", "400x60")], id="an old queue"),
    pytest.param("VLMOperatorNoLeader", "5m", [series("leader", "0x60")], id="nobody leads"),
    pytest.param("VLMOperatorNoLeader", "5m", [], id="no operator at all"),
]
QUIET = [
    pytest.param(
        "VLMServersWouldNotComeBack",
        "20m",
        [
            series("gpu_findings", "0x60", **FINDINGS),
            series("gpu_findings", "9x60", **{**FINDINGS, "severity": "info"}),
        ],
        id="nothing but information",
    ),
    pytest.param(
        "VLMGPUMemoryNotNeeded",
        "8d",
        [
            series("gpu_reserved_bytes", f"{80 * GIB}x12000", **GROUP),
            series("gpu_needed_bytes", f"{50 * GIB}x12000", **GROUP),
        ],
        id="more than half is needed",
    ),
    pytest.param("VLMGPUMemoryNotNeeded", "8d", [], id="no report"),
    pytest.param("VLMAuditOld", "2d", [series("gpu_audit_timestamp_seconds", "0x6000", report="cluster")], id="recent"),
    pytest.param("VLMOperatorQueueOld", "10m", [series("queue_oldest_seconds", "200x60")], id="a young queue"),
    pytest.param("VLMOperatorNoLeader", "5m", [series("leader", "1x60")], id="a leader"),
]


def is_firing(promtool: Path, rules: Path, folder: Path, alert: str, after: str, given: list[dict[str, str]]) -> bool:
    """Whether the alert fires after so long; promtool is asked for the whole of what fires."""
    asked = {"eval_time": after, "alertname": alert, "exp_alerts": []}
    test: dict[str, Any] = {"interval": "1m", "input_series": given, "alert_rule_test": [asked]}
    path = folder / "test.yaml"
    path.write_text(yaml.safe_dump({"rule_files": [str(rules)], "evaluation_interval": "1m", "tests": [test]}))
    answer = subprocess.run([str(promtool), "test", "rules", str(path)], capture_output=True, text=True, check=False)
    words = answer.stdout + answer.stderr
    assert answer.returncode == 0 or f"alertname: {alert}" in words, words
    return answer.returncode != 0


@pytest.mark.parametrize(("alert", "after", "given"), FIRING)
def test_an_alert_fires(
    promtool: Path, rules: Path, tmp_path: Path, alert: str, after: str, given: list[dict[str, str]]
) -> None:
    assert is_firing(promtool, rules, tmp_path, alert, after, given)


@pytest.mark.parametrize(("alert", "after", "given"), QUIET)
def test_an_alert_stays_quiet(
    promtool: Path, rules: Path, tmp_path: Path, alert: str, after: str, given: list[dict[str, str]]
) -> None:
    assert not is_firing(promtool, rules, tmp_path, alert, after, given)
