"""The layers are checked, not claimed: import-linter passes, and fails when a pure room reaches for the outside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def lint_imports(source_root: Path) -> subprocess.CompletedProcess[str]:
    command = [
        str(Path(sys.executable).with_name("lint-imports")),
        "--config",
        str(ROOT / ".importlinter"),
        "--no-cache",
    ]
    environment = os.environ | {"PYTHONPATH": str(source_root)}
    return subprocess.run(command, cwd=source_root, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "operator", tmp_path / "operator", ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path / "operator"


def test_the_rooms_import_downwards_only(copied: Path) -> None:
    done = lint_imports(copied)
    assert done.returncode == 0, done.stdout
    assert "0 broken" in done.stdout


@pytest.mark.parametrize(
    ("room", "line"),
    [
        pytest.param("capacity", "import kubernetes", id="a pure room imports kubernetes"),
        pytest.param("lifecycle", "import time", id="a pure room reads the clock"),
        pytest.param("model", "from vlm_operator.planning.plan import Plan", id="a lower room imports a higher one"),
    ],
)
def test_an_import_against_the_rules_breaks_the_check(copied: Path, room: str, line: str) -> None:
    (copied / "vlm_operator" / room / "intruder.py").write_text(f"{line}\n")
    done = lint_imports(copied)
    assert done.returncode != 0
    assert "intruder" in done.stdout
