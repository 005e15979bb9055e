"""Several files and folders: one summary, the worst exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from vlm_operator.cli.plan import command as plan_command
from vlm_operator.cli.render import command as render_command
from vlm_operator.errors import InputError

PATCH = "kind: VLMDeployment\nmetadata: {name: three}\nspec: {goal: Throughput}\n"


def deployment(name: str, model: str = "Qwen/Qwen3-VL-4B-Instruct", gpu: str = "RTX-5090", **spec: object) -> str:
    whole = {"model": {"id": model}, "gpu": {"product": gpu, "count": 1}, **spec}
    return yaml.safe_dump({"kind": "VLMDeployment", "metadata": {"name": name}, "spec": whole})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / "a.yaml").write_text(deployment("one") + "---\n" + deployment("two", replicas=3))
    (tmp_path / "b" / "c.yml").write_text(deployment("three", "Qwen/Qwen3-VL-30B-A3B-Instruct", "T4"))
    (tmp_path / "b" / "kustomization.yaml").write_text("kind: Kustomization\nresources: [c.yml]\n")
    (tmp_path / "b" / "patch.yaml").write_text(PATCH)
    (tmp_path / ".git" / "d.yaml").write_text(deployment("hidden"))
    (tmp_path / "notes.txt").write_text("kind: VLMDeployment")
    return tmp_path


def run(command: object, *arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--offline"], standalone_mode=False, catch_exceptions=False)  # type: ignore[arg-type]


def test_a_folder_is_planned_with_one_summary_and_the_worst_exit_code(folder: Path) -> None:
    result = run(plan_command, "-f", str(folder), "-o", "json")
    told = json.loads(result.stdout)
    assert [plan["name"] for plan in told["plans"]] == ["default/one", "default/two", "default/three"]
    assert told["summary"] == {"total": 3, "Fits": 2, "DoesNotFit": 1, "gpus": 4}
    assert result.return_value == 3
    assert told["plans"][0]["command"][:2] == ["vllm", "serve"]


def test_one_wrong_file_does_not_keep_the_others(folder: Path) -> None:
    (folder / "b" / "wrong.yaml").write_text(deployment("wrong", goal="Everything"))
    result = run(plan_command, "-f", str(folder), "-o", "json")
    told = json.loads(result.stdout)
    assert told["summary"] == {"total": 4, "Fits": 2, "DoesNotFit": 1, "Error": 1, "gpus": 4}
    (wrong,) = (each for each in told["plans"] if "error" in each)
    assert wrong["file"].endswith("wrong.yaml")
    assert "spec.goal" in wrong["error"]["message"]


def test_the_table_has_a_line_for_each(folder: Path) -> None:
    lines = run(plan_command, "-f", str(folder)).stdout.splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["NAME", "default/one", "default/two", "default/three"]
    assert lines[4] == "3 VLMDeployments: 2 Fits, 1 DoesNotFit; 4 GPUs for those that fit"


def test_a_folder_is_rendered_as_one_stream(folder: Path) -> None:
    result = run(render_command, "-f", str(folder))
    documents = [(each["kind"], each["metadata"]["name"]) for each in yaml.safe_load_all(result.stdout)]
    assert documents == [("Deployment", "one"), ("Service", "one"), ("Deployment", "two"), ("Service", "two")]
    assert "default/three: DoesNotFit" in result.stderr
    assert result.return_value == 3


def test_several_files_are_taken_in_their_order(folder: Path) -> None:
    found = run(plan_command, "-f", str(folder / "b" / "c.yml"), "-f", str(folder / "a.yaml"), "-o", "json").stdout
    assert [plan["name"] for plan in json.loads(found)["plans"]] == ["default/three", "default/one", "default/two"]


def test_a_name_that_stands_twice_is_an_error(folder: Path) -> None:
    (folder / "again.yaml").write_text(deployment("one"))
    result = run(plan_command, "-f", str(folder), "-o", "json")
    (twice,) = (each for each in json.loads(result.stdout)["plans"] if "error" in each)
    assert "default/one stands in" in twice["error"]["message"]
    assert result.return_value == 3


def test_a_single_one_in_a_folder_is_shown_in_full(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(deployment("one"))
    assert "budget" in json.loads(run(plan_command, "-f", str(tmp_path), "-o", "json").stdout)


@pytest.mark.parametrize("form", ["compose", "docker"])
def test_forms_of_one_plan_refuse_several(folder: Path, form: str) -> None:
    with pytest.raises(InputError, match="3 VLMDeployments, and -o"):
        run(plan_command, "-f", str(folder), "-o", form)


def test_a_folder_without_any_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no YAML or JSON file"):
        run(plan_command, "-f", str(tmp_path))
    (tmp_path / "a.yaml").write_text("kind: Deployment\n")
    with pytest.raises(InputError, match="no VLMDeployment"):
        run(render_command, "-f", str(tmp_path))
