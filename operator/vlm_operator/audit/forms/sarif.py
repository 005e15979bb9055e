"""An audit as SARIF 2.1.0, for code-scanning pages: one rule for each kind, one result for each finding."""

from __future__ import annotations

from typing import Any, Final

from vlm_operator.audit.audit import Audit
from vlm_operator.audit.finding import Finding, FindingKind, Severity

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_PAGE: Final = "docs/reference/audit.md"


def audit_to_sarif(audit: Audit, version: str) -> dict[str, Any]:
    """The log of one run; findings that a baseline accepts are suppressed.

    Args:
        version: of this project.
    """
    used = [kind for kind in FindingKind if any(finding.kind is kind for finding in audit.findings)]
    rules = [
        {
            "id": str(kind),
            "shortDescription": {"text": kind.meaning},
            "help": {"text": f"{kind.remedy} See {_PAGE}."},
        }
        for kind in used
    ]
    driver = {"name": "vlmctl audit", "semanticVersion": version, "rules": rules}
    results = [_result(finding, used.index(finding.kind)) for finding in audit.findings]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    subject = finding.subject
    name = "/".join(part for part in (subject.namespace, subject.kind, subject.name) if part)
    location = {
        "physicalLocation": {
            "artifactLocation": {"uri": f"cluster/{name}"},
            "region": {"startLine": 1},  # code-scanning pages refuse results without one
        },
        "logicalLocations": [{"name": subject.name, "fullyQualifiedName": name, "kind": "resource"}],
    }
    known = (
        {"suppressions": [{"kind": "external", "justification": "accepted by the baseline"}]} if finding.known else {}
    )
    return {
        "ruleId": str(finding.kind),
        "ruleIndex": rule,
        "level": _LEVELS[finding.severity],
        "message": {"text": f"{subject}: {finding.message}. {finding.remedy}"},
        "locations": [location],
        "partialFingerprints": {"findingId/v1": finding.id},
        "properties": {"figures": dict(finding.figures), "pods": list(finding.pods)},
        **known,
    }
