"""docs/reference/audit.md says what the code does, and every kind of finding says what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from vlm_operator.audit.finding import FindingKind

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_is_what_the_code_generates() -> None:
    script = ROOT / "hack/generators/audit-reference"
    checked = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stderr


def test_each_kind_has_a_meaning_and_a_remedy() -> None:
    assert all(kind.meaning.endswith(".") and kind.remedy.endswith(".") for kind in FindingKind)
