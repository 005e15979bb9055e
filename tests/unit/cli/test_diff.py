"""``vlmctl diff``: what changes for the pods between two files, from a git revision, from what a cluster has."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from vlm_operator.cli.diff import command
from vlm_operator.errors import ClusterUnreachable, InputError


def deployment(name: str, **spec: object) -> dict[str, Any]:
    whole = {"model": {"id": "Qwen/Qwen3-VL-4B-Instruct"}, "gpu": {"product": "RTX-5090"}, **spec}
    return {"kind": "VLMDeployment", "metadata": {"name": name}, "spec": whole}


def write(path: Path, *manifests: dict[str, Any]) -> str:
    path.write_text(yaml.safe_dump_all(manifests))
    return str(path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(command, [*arguments, "--offline"], standalone_mode=False, catch_exceptions=False)


def told(result: Result) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(result.stdout)["differences"]
    return found


def test_the_same_files_do_not_differ(tmp_path: Path) -> None:
    file = write(tmp_path / "a.yaml", deployment("one"))
    result = run("-f", file, "-f", file)
    assert (result.return_value, result.stdout) == (0, "no difference\n")


def test_flags_budget_and_command_are_compared(tmp_path: Path) -> None:
    before = write(tmp_path / "a.yaml", deployment("one"), deployment("gone", replicas=2))
    after = write(tmp_path / "b.yaml", deployment("one", engine={"contextLength": 4096}), deployment("new"))
    result = run("-f", before, "-f", after, "-o", "json")
    assert result.return_value == 1
    found = {each["name"]: each for each in told(result)}
    assert {name: each["change"] for name, each in found.items()} == {
        "default/gone": "removed", "default/new": "added", "default/one": "changed",
    }  # fmt: skip
    assert (found["default/gone"]["gpus"], found["default/new"]["gpus"]) == ([2, 0], [0, 1])
    fields = {each["field"]: (each["from"], each["to"]) for each in found["default/one"]["fields"]}
    assert fields["flags.max_model_len"][1] == 4096
    assert "4096" in fields["command"][1]
    assert fields["cup.neededBytes"][0] > fields["cup.neededBytes"][1]


def test_what_changes_beside_the_command_is_a_difference(tmp_path: Path) -> None:
    before = write(tmp_path / "a.yaml", deployment("one"))
    after = write(tmp_path / "b.yaml", deployment("one", service={"port": 80}))
    (found,) = told(run("-f", before, "-f", after, "-o", "json"))
    assert [each["field"] for each in found["fields"]] == ["manifests"]


def test_a_worse_verdict_shows_in_gpus_and_words(tmp_path: Path) -> None:
    before = write(tmp_path / "a.yaml", deployment("one"))
    after = write(
        tmp_path / "b.yaml", deployment("one", gpu={"product": "T4", "count": 1}, context={"minimum": 262144})
    )
    result = run("-f", before, "-f", after)
    assert result.return_value == 1
    assert "default/one: changed, GPUs 1 -> 0" in result.stdout
    assert "verdict: Fits -> DoesNotFit" in result.stdout


def git(folder: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "models").mkdir()
    write(tmp_path / "models" / "a.yaml", deployment("one"))
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "one")
    return tmp_path


def test_a_folder_is_compared_with_a_revision(repository: Path) -> None:
    folder = repository / "models"
    assert run("-f", str(folder), "--against", "HEAD").return_value == 0
    write(folder / "a.yaml", deployment("one", engine={"maxNumSeqs": 8}))
    write(folder / "b.yaml", deployment("two"))
    found = told(run("-f", str(folder), "--against", "HEAD", "-o", "json"))
    assert [(each["name"], each["change"]) for each in found] == [("default/one", "changed"), ("default/two", "added")]
    new = told(run("-f", str(folder / "b.yaml"), "--against", "HEAD", "-o", "json"))
    assert [each["change"] for each in new] == ["added"]


@pytest.mark.parametrize("revision", ["nowhere", "--help", "HEAD~5"])
def test_a_revision_that_is_none_is_refused(repository: Path, revision: str) -> None:
    with pytest.raises(InputError, match="against: "):
        run("-f", str(repository / "models"), f"--against={revision}")


def test_a_file_without_a_repository_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="against: git"):
        run("-f", write(tmp_path / "a.yaml", deployment("one")), "--against", "HEAD")


def test_the_cluster_is_what_runs_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the GPU product that the operator chose; what the files do not name is left alone."""
    chosen = {"plan": {"gpu": {"product": "NVIDIA-GeForce-RTX-5090"}}}
    running = deployment("one", gpu={"count": 1}) | {"status": chosen}
    items = [running, deployment("another")]
    monkeypatch.setattr("vlm_operator.cli.cluster.list_objects", lambda *_: items)
    same = write(tmp_path / "a.yaml", deployment("one", gpu={"product": "RTX-5090", "count": 1}))
    assert run("-f", same, "--against", "cluster").return_value == 0
    longer = write(tmp_path / "b.yaml", deployment("one", engine={"contextLength": 8192}))
    (found,) = told(run("-f", longer, "--against", "cluster", "-o", "json"))
    assert (found["name"], found["change"]) == ("default/one", "changed")


def test_a_cluster_that_does_not_answer_ends_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: object) -> list[dict[str, Any]]:
        raise ClusterUnreachable("cluster: the API server does not answer")

    monkeypatch.setattr("vlm_operator.cli.cluster.list_objects", unreachable)
    with pytest.raises(ClusterUnreachable):
        run("-f", write(tmp_path / "a.yaml", deployment("one")), "--against", "cluster")


def test_a_wrong_file_is_an_error_and_no_difference(tmp_path: Path) -> None:
    before = write(tmp_path / "a.yaml", deployment("one"))
    after = write(tmp_path / "b.yaml", deployment("one", goal="Everything"))
    result = run("-f", before, "-f", after)
    assert result.return_value == 2
    assert "spec.goal" in result.stderr


@pytest.mark.parametrize("count", [1, 3])
def test_two_files_are_compared(tmp_path: Path, count: int) -> None:
    file = write(tmp_path / "a.yaml", deployment("one"))
    with pytest.raises(InputError, match=f"filename: {count} given, and two are compared"):
        run(*("-f", file) * count)
