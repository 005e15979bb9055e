"""The worked intents of ``examples/intents``: each plan and its manifests, as a person reviewed them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from vlm_operator.cli.deployment_file import PlannedDeployment, plan_deployment, read_deployments
from vlm_operator.cli.main import main
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.report import plan_to_json
from vlm_operator.planning.verdict import Verdict
from vlm_operator.rendering import to_yaml
from vlm_operator.units import GIB

INTENTS = sorted((Path(__file__).resolve().parents[3] / "examples" / "intents").glob("*.yaml"))
EVERY_INTENT = pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in INTENTS])


class YAMLFile(SingleFileSnapshotExtension):
    """One file per intent, so that a reviewer reads a plan or manifests."""

    _write_mode = WriteMode.TEXT
    file_extension = "yaml"


def planned(path: Path) -> PlannedDeployment:
    """The one VLMDeployment of the file, planned with what the project holds."""
    (deployment,) = read_deployments(str(path))
    return plan_deployment(deployment, None, offline=True)


def reviewed(plan: Plan) -> dict[str, Any]:
    """What a person reviews of a plan: sizes in GiB to one digit, flags that are set, and every sentence."""
    answer = plan_to_json(plan)
    budget = answer["budget"] or {}
    return {
        "model": answer["model"]["id"],
        "gpu": answer["gpu"] and f"{answer['gpu']['count']} x {answer['gpu']['product']}",
        "verdict": answer["verdict"],
        "message": rounded(answer["message"]),
        "hint": answer["hint"],
        "workload": answer["workload"],
        "flags": {flag: value for flag, value in answer["flags"].items() if value not in (None, {}, False)},
        "pinned": answer["pinned"],
        "gib": {
            name.removesuffix("Bytes"): round(size / GIB, 1) for name, size in budget.items() if name.endswith("Bytes")
        },
        "concurrency": answer["container"] and round(answer["container"]["concurrency"], 1),
        "explanation": [rounded(sentence) for sentence in answer["explanation"]],
        "given up": [move["cost"] for move in answer["ladder"] if move["applied"]],
        "command": " ".join(answer["command"]),
    }


def rounded(sentence: str) -> str:
    """The sentence with every size in GiB to one digit."""
    return re.sub(r"\d+\.\d+ GiB", lambda match: f"{float(match[0].split()[0]):.1f} GiB", sentence)


def test_there_are_ten_and_more() -> None:
    assert len(INTENTS) >= 10


@EVERY_INTENT
def test_each_is_planned_as_reviewed(path: Path, snapshot: SnapshotAssertion) -> None:
    text = yaml.safe_dump(reviewed(planned(path).plan), sort_keys=False, width=120, allow_unicode=True)
    assert text == snapshot(extension_class=YAMLFile)


@EVERY_INTENT
def test_each_is_rendered_as_reviewed(path: Path, snapshot: SnapshotAssertion) -> None:
    assert to_yaml(planned(path).server().objects()) == snapshot(extension_class=YAMLFile)


@EVERY_INTENT
def test_each_fits_and_holds_what_it_describes(path: Path) -> None:
    """No golden can be updated to a plan that breaks its own promise."""
    plan = planned(path).plan
    assert plan.verdict is Verdict.FITS
    assert (plan.settings.max_model_len or 0) >= plan.workload.total_tokens
    assert plan.evaluation is not None
    assert plan.evaluation.rejected is None
    workload = plan.intent.workload
    assert workload is not None
    counts = {"image": workload.images, "video": workload.videos}
    for modality, limit in plan.settings.limit_mm_per_prompt or ():
        described = counts.get(modality)
        assert limit.count >= (described.count if described else 0), modality
        assert bool(limit.count) == bool(described), modality


@EVERY_INTENT
def test_each_pin_is_in_the_command_as_given(path: Path) -> None:
    plan = planned(path).plan
    for flag in plan.intent.pinned:
        assert getattr(plan.settings, flag) == getattr(plan.intent.settings, flag)


@EVERY_INTENT
def test_each_tells_its_story_in_a_comment(path: Path) -> None:
    assert path.read_text(encoding="utf-8").startswith("# ")


@EVERY_INTENT
def test_the_command_line_says_the_same(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["plan", "-f", str(path), "--offline", "-o", "json"])
    assert left.value.code == 0
    assert tuple(json.loads(capsys.readouterr().out)["command"]) == planned(path).server().command
