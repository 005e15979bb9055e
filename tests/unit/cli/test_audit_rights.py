"""The chart's ClusterRole for audits grants the rights that an audit names, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from vlm_operator.cli.audit_cluster import RIGHTS

TEMPLATE = Path(__file__).resolve().parents[3] / "charts/vlm-operator/templates/audit.yaml"


def test_the_role_is_what_the_audit_needs() -> None:
    text = re.sub(r"^\s*\{\{.*?\}\}\s*$", "", TEMPLATE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    role = yaml.safe_load(re.sub(r"\{\{.*?\}\}", "x", text.split("---")[0]))
    granted = {(verb, resource) for rule in role["rules"] for resource in rule["resources"] for verb in rule["verbs"]}
    assert granted == {(verb, resource) for verb, resource, _ in RIGHTS}


def test_an_audit_only_reads() -> None:
    assert {verb for verb, _, _ in RIGHTS} <= {"get", "list"}
