"""The page that people quote shows what the code computes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_worked_example_and_the_picture_are_what_the_code_computes() -> None:
    check = subprocess.run(
        [sys.executable, ROOT / "hack" / "generators" / "worked-example", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert check.returncode == 0, check.stderr
