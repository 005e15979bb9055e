"""docs/diagnosis.md says what the code does."""

from __future__ import annotations

from pathlib import Path

from diagnosis_reference import page
from vlm_operator.diagnosis.failure import FAMILIES
from vlm_operator.engine.log_wordings import KINDS


def test_the_page_is_what_the_code_generates() -> None:
    committed = Path(__file__).parents[3] / "docs" / "diagnosis.md"
    assert committed.read_text(encoding="utf-8") == page(), "run hack/generate-diagnosis-reference"


def test_each_reason_has_a_class_of_its_own_family_and_a_line_in_the_page() -> None:
    reasons = {kind.reason for kind in KINDS} | {"Unknown"}
    assert set(FAMILIES) == reasons
    assert all(f"| `{reason}` |" in page() for reason in reasons)
