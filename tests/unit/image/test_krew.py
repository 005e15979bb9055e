"""The krew plugin: its manifest as krew reads it, an archive that is the same each time, a lock of what runs."""

from __future__ import annotations

import io
import re
import runpy
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
LINE = re.compile(r"^([a-z0-9-]+)==([^\s;]+)", re.MULTILINE)


@pytest.fixture(scope="module")
def build() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "hack/krew/build"))


def locked(path: str) -> set[tuple[str, str]]:
    return set(LINE.findall((ROOT / path).read_text()))


def test_the_manifest_names_an_archive_for_every_platform(build: dict[str, Any]) -> None:
    plugin = yaml.safe_load(build["manifest"]("1.2.3", "x.tar.gz", "0" * 64))
    assert (plugin["kind"], plugin["metadata"]["name"], plugin["spec"]["version"]) == ("Plugin", "vlm", "v1.2.3")
    platforms = plugin["spec"]["platforms"]
    assert [tuple(each["selector"]["matchLabels"].values()) for each in platforms] == build["PLATFORMS"]
    assert {(each["uri"].rpartition("/download/")[2], each["bin"], each["sha256"]) for each in platforms} == {
        ("v1.2.3/x.tar.gz", "kubectl-vlm", "0" * 64)
    }
    assert len(plugin["spec"]["shortDescription"]) <= 50  # krew refuses longer ones in its index


def test_the_archive_is_the_same_every_time_and_its_script_may_run(build: dict[str, Any]) -> None:
    files = {"kubectl-vlm": b"#!/bin/sh\n", "LICENSE": b"words"}
    content = build["archive"](files)
    assert content == build["archive"](dict(reversed(files.items())))
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert {entry.name: entry.mode for entry in tar} == {"kubectl-vlm": 0o755, "LICENSE": 0o644}


def test_the_script_is_one_that_sh_reads_and_that_asks_for_python(tmp_path: Path) -> None:
    script = ROOT / "hack/krew/kubectl-vlm"
    subprocess.run(["sh", "-n", script], check=True)
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "readlink", "dirname", "basename"):
        found = subprocess.run(["sh", "-c", f"command -v {name}"], capture_output=True, text=True, check=True)
        (tools / name).symlink_to(found.stdout.strip())
    done = subprocess.run(
        [str(tools / "sh"), str(script), "gpus"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": str(tools), "HOME": str(tmp_path)},
    )
    assert (done.returncode, done.stderr) == (2, "error: kubectl vlm needs Python 3.11 or newer\n")


def test_the_image_and_the_plugin_hold_what_was_tested_and_no_tools_of_developers() -> None:
    runtime, everything = locked("hack/image/requirements.lock"), locked("requirements.lock")
    assert runtime - everything == set()
    names = {name for name, _ in runtime}
    assert {"pydantic", "kubernetes", "hatchling"} <= names
    assert names & {"pytest", "mypy", "ruff", "hypothesis", "av", "pillow"} == set()


def test_every_dependency_of_the_project_is_in_the_lock_of_the_image() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[><=]", each)[0].lower().replace("_", "-") for each in project["dependencies"]}
    assert wanted - {name for name, _ in locked("hack/image/requirements.lock")} == set()
