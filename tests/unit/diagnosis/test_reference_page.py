"""docs/diagnosis.md says what the code does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from vlm_operator.diagnosis.failure import FAMILIES
from vlm_operator.engine.log_wordings import KINDS

ROOT = Path(__file__).resolve().parents[3]


def test_the_page_is_what_the_code_generates() -> None:
    checked = subprocess.run(
        [sys.executable, ROOT / "hack/generators/diagnosis-reference", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stderr


def test_each_reason_has_a_class_of_its_own_family_and_a_line_in_the_page() -> None:
    reasons = {kind.reason for kind in KINDS} | {"Unknown"}
    assert set(FAMILIES) == reasons
    page = (ROOT / "docs" / "diagnosis.md").read_text(encoding="utf-8")
    assert all(f"| `{reason}` |" in page for reason in reasons)
