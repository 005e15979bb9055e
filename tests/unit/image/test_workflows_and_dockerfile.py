"""Workflows call the Makefile, and the Dockerfile keeps the rules that hadolint checks and that the chart relies on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yaml"))
DOCKERFILE = (ROOT / "hack" / "image" / "Dockerfile").read_text(encoding="utf-8")
INSTRUCTIONS = [
    (line.split(maxsplit=1)[0], line.split(maxsplit=1)[1])
    for line in re.sub(r"\\\n\s*", " ", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE)).splitlines()
    if line.strip()
]


def steps(workflow: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(workflow.read_text(encoding="utf-8"))["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_calls_targets_that_the_makefile_has(workflow: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    called = {found for step in steps(workflow) for found in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))}
    assert called
    assert called - targets == set()


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_few_rights_and_pins_what_it_uses(workflow: Path) -> None:
    document = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    assert document["permissions"]["contents"] == "read"
    used = [step["uses"] for step in steps(workflow) if "uses" in step]
    assert [name for name in used if not re.fullmatch(r"[\w-]+/[\w-]+@v\d+", name)] == []


def test_the_image_runs_without_rights_and_names_its_command_as_a_list() -> None:
    last = dict(INSTRUCTIONS)
    assert last["USER"] == "65532:65532"
    assert last["CMD"].startswith("[")
    assert last["ENTRYPOINT"].startswith("[")


@pytest.mark.parametrize(
    ("rule", "pattern"),
    [
        pytest.param("DL3002 last user is root", r"^USER (root|0)\b", id="no root"),
        pytest.param("DL3003 cd in RUN", r"^RUN .*\bcd ", id="WORKDIR instead of cd"),
        pytest.param("DL3006 untagged image", r"^FROM [\w/.]+( |$)", id="a tag"),
        pytest.param("DL3007 latest", r"^FROM \S+:latest", id="no latest"),
        pytest.param("DL3020 ADD for files", r"^ADD ", id="COPY instead of ADD"),
        pytest.param("DL4006 pipe without pipefail", r"^RUN .*[^|]\|[^|]", id="no pipe that hides a failure"),
        pytest.param("DL3013 unpinned pip", r"^RUN .*pip install (?!.*(--require-hashes|--no-deps))", id="pinned"),
    ],
)
def test_the_dockerfile_keeps_a_rule_of_hadolint(rule: str, pattern: str) -> None:
    broken = [f"{name} {value}" for name, value in INSTRUCTIONS if re.search(pattern, f"{name} {value}")]
    assert broken == [], rule


def test_what_the_dockerfile_copies_from_the_checkout_is_there() -> None:
    copied = [value for name, value in INSTRUCTIONS if name == "COPY" and not value.startswith("--from")]
    sources = [source for value in copied for source in value.split()[:-1]]
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert "hack/image/requirements.lock" in sources
