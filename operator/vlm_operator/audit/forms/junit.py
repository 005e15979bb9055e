"""An audit as JUnit XML, for pipelines: one test case for each finding, and one for each object without any."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from xml.etree import ElementTree

from vlm_operator.audit.audit import Audit
from vlm_operator.audit.finding import Finding, Severity, Subject

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML 1.0 cannot hold, not even escaped."""


def audit_to_junit(audit: Audit, fail_on: Severity | None) -> str:
    """The document.

    Args:
        fail_on: findings at least as severe are failures, others pass with their words in ``system-out``; None: none
            is one.
    """
    cases = [_case(finding, fail_on) for finding in audit.findings]
    found = {finding.subject for finding in audit.findings}
    servers = dict.fromkeys(
        Subject(server.pod.workload.kind, server.pod.workload.namespace, server.pod.workload.name)
        for server in audit.servers
    )
    cases += [
        ElementTree.Element("testcase", {"classname": _text(str(subject)), "name": "nothing found", "time": "0"})
        for subject in servers
        if subject not in found
    ]
    counts = {
        "tests": str(len(cases)),
        "failures": str(_having(cases, "failure")),
        "errors": "0",
        "skipped": str(_having(cases, "skipped")),
        "time": "0",
    }
    root = ElementTree.Element("testsuites", {"name": "vlmctl audit", **counts})
    suite = ElementTree.SubElement(root, "testsuite", {"name": "servers and nodes", **counts})
    suite.extend(cases)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _having(cases: Iterable[ElementTree.Element], child: str) -> int:
    return sum(case.find(child) is not None for case in cases)


def _case(finding: Finding, fail_on: Severity | None) -> ElementTree.Element:
    name = f"{finding.kind} {finding.about}".strip()
    case = ElementTree.Element("testcase", {"classname": _text(str(finding.subject)), "name": _text(name), "time": "0"})
    words = _text(f"{finding.message}\n{finding.remedy}\nid: {finding.id}")
    if finding.known:
        ElementTree.SubElement(case, "skipped", {"message": "accepted by the baseline"})
    elif fail_on is not None and finding.severity.rank <= fail_on.rank:
        attributes = {"type": str(finding.severity), "message": _text(finding.message)}
        ElementTree.SubElement(case, "failure", attributes).text = words
    else:
        ElementTree.SubElement(case, "system-out").text = words
    return case


def _text(text: str) -> str:
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
