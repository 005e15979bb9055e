"""The chart's ClusterRole for audits grants the rights that an audit names, and no others."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from vlm_operator.cli.audit_cluster import RIGHTS

TEMPLATES = Path(__file__).resolve().parents[3] / "charts/vlm-operator/templates"
HELPER = "vlm-operator.auditRules"


def test_the_role_is_what_the_audit_needs() -> None:
    helpers = (TEMPLATES / "_helpers.tpl").read_text(encoding="utf-8")
    rules = helpers.split(f'define "{HELPER}" -}}}}\n')[1].split("{{- define")[0]
    found = yaml.safe_load(re.sub(r"^\s*\{\{.*?\}\}\s*$", "", rules, flags=re.MULTILINE))
    granted = {(verb, resource) for rule in found for resource in rule["resources"] for verb in rule["verbs"]}
    assert granted == {(verb, resource) for verb, resource, _ in RIGHTS}


def test_the_role_for_people_has_these_rules_and_no_others() -> None:
    role = (TEMPLATES / "audit.yaml").read_text(encoding="utf-8").split("kind: ClusterRole\n")[1].split("---")[0]
    assert f'include "{HELPER}"' in role
    assert "verbs" not in role


def test_an_audit_only_reads() -> None:
    assert {verb for verb, _, _ in RIGHTS} <= {"get", "list"}
