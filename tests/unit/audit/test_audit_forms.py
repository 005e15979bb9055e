"""SARIF, JUnit and Markdown say what the audit found, whatever characters stand in names."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any
from xml.etree import ElementTree

import pytest

from kit.audit_manifests import node, pod
from vlm_operator.audit.audit import Audit, audit, read_cluster
from vlm_operator.audit.finding import Severity
from vlm_operator.audit.fit_matrix import WantedModel
from vlm_operator.audit.forms.junit import audit_to_junit
from vlm_operator.audit.forms.markdown import LARGEST, audit_to_markdown
from vlm_operator.audit.forms.sarif import audit_to_sarif
from vlm_operator.sources import catalogue

VLM = "Qwen/Qwen3-VL-8B-Instruct"
FLAGS = [VLM, "--max-model-len", "32768", "--limit-mm-per-prompt", '{"image": 4, "video": 0}']
HOSTILE = "a|b <i>&\x07 `c`"
NODES = [node("h100", "NVIDIA-H100-80GB-HBM3", 8), node("l4", "NVIDIA-L4", 1)]
PODS = [
    pod("healthy", "h100", args=FLAGS),
    pod("doomed", "l4", args=[VLM, "--max-model-len", "262144", "--limit-mm-per-prompt", '{"video": 0}']),
    pod("wasteful", "h100", args=FLAGS, gpus=2),
    pod("untagged", "h100", args=FLAGS, image=f"vllm/vllm-openai:{HOSTILE}"),
]


@lru_cache(maxsize=1)
def made() -> Audit:
    entry = catalogue.find(VLM)
    assert entry is not None
    facts = catalogue.load(entry)
    cluster = read_cluster(NODES, PODS)
    first = audit(cluster, {VLM: facts}, [WantedModel(VLM, facts)])
    known = frozenset(finding.id for finding in first.findings if finding.subject.name == "wasteful")
    return audit(cluster, {VLM: facts}, [WantedModel(VLM, facts)], baseline=known)


class TestSarif:
    def test_results_refer_to_rules_and_objects(self) -> None:
        log = audit_to_sarif(made(), "1.2.3")
        json.dumps(log, allow_nan=False)
        (run,) = log["runs"]
        rules = run["tool"]["driver"]["rules"]
        assert log["version"] == "2.1.0"
        for result in run["results"]:
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
            assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].startswith(
                "cluster/models/Pod/"
            )
        levels = {result["ruleId"]: result["level"] for result in run["results"]}
        assert levels == {"WouldNotFit": "error", "GPUsIdle": "warning", "ImageWithoutRelease": "note"}

    def test_what_is_known_is_suppressed(self) -> None:
        results = audit_to_sarif(made(), "1")["runs"][0]["results"]
        assert [result["ruleId"] for result in results if "suppressions" in result] == ["GPUsIdle"]

    def test_the_fingerprint_is_the_findings_id(self) -> None:
        results: list[dict[str, Any]] = audit_to_sarif(made(), "1")["runs"][0]["results"]
        assert [each["partialFingerprints"]["findingId/v1"] for each in results] == [
            each.id for each in made().findings
        ]


class TestJUnit:
    @pytest.mark.parametrize(
        ("fail_on", "failures"),
        [
            pytest.param(Severity.ERROR, 1, id="errors fail"),
            pytest.param(Severity.INFO, 2, id="infos fail"),
            pytest.param(None, 0, id="nothing fails"),
        ],
    )
    def test_findings_from_that_severity_on_are_failures(self, fail_on: Severity | None, failures: int) -> None:
        root = ElementTree.fromstring(audit_to_junit(made(), fail_on).encode())
        assert root.get("failures") == str(failures)
        assert len(root.findall(".//failure")) == failures
        assert len(root.findall(".//skipped")) == 1

    def test_an_object_without_finding_passes(self) -> None:
        root = ElementTree.fromstring(audit_to_junit(made(), None).encode())
        passed = [case.get("classname") for case in root.iter("testcase") if case.get("name") == "nothing found"]
        assert passed == ["Pod models/healthy"]
        assert root.get("tests") == str(len(list(root.iter("testcase"))))

    def test_characters_that_xml_cannot_hold_are_replaced(self) -> None:
        assert "\x07" not in audit_to_junit(made(), Severity.INFO)


class TestMarkdown:
    def test_findings_stand_by_severity_and_known_ones_are_only_counted(self) -> None:
        page = audit_to_markdown(made())
        assert page.index("## Errors (1)") < page.index("## Infos (1)")
        assert "GPUsIdle" not in page
        assert "1 accepted by the baseline" in page

    def test_names_cannot_change_the_table(self) -> None:
        (row,) = [line for line in audit_to_markdown(made()).splitlines() if "ImageWithoutRelease" in line]
        assert row.replace("\\|", "").count("|") == 4
        assert "\\<i\\>" in row

    def test_the_matrix_has_a_column_for_each_group(self) -> None:
        page = audit_to_markdown(made())
        head = next(line for line in page.splitlines() if line.startswith("| model"))
        row = next(line for line in page.splitlines() if line.startswith("| Qwen/"))
        assert head.count("|") == row.count("|") == 4
        assert "fits: 1 GPU, 262,144" in row

    def test_a_comment_is_never_too_long(self) -> None:
        entry = catalogue.find(VLM)
        assert entry is not None
        pods = [pod(f"pod-{number}", "h100", args=FLAGS, memory=None) for number in range(1000)]
        cluster = read_cluster(NODES, pods)
        page = audit_to_markdown(audit(cluster, {VLM: catalogue.load(entry)}, ()))
        assert len(page) <= LARGEST + 1000
        assert "more are left out here" in page
