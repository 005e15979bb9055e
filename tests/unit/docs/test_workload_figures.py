"""The figures of docs/workloads.md."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_figures_are_what_the_code_computes() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "hack" / "generators" / "workload-figures", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr
