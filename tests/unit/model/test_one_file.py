"""A family is named in one file: no other room, and no other file of this one, knows it by name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import vlm_operator
from vlm_operator.model import registry

ROOT = Path(vlm_operator.__file__).parent
LISTS = frozenset((ROOT / "engine").glob("architecture_*.py"))
"""What vLLM keeps by class name: its registry by release, and traits of its classes that no config tells."""
MODEL_ID = re.compile(r"\b[\w.-]+/[\w.-]*\d[\w.-]*")
"""A Hugging Face id as an example in a help text."""


@pytest.mark.parametrize(
    ("family", "names"),
    [
        pytest.param("qwen3_vl", r"qwen3_vl|Qwen3VL|Qwen3-VL", id="Qwen3-VL"),
        pytest.param("gemma4", r"(?<![\w-])gemma4|Gemma4|Gemma 4", id="Gemma 4"),
        pytest.param(
            "glm4v", r"\b[Gg]lm4v(_moe|_text|\b)|Glm4v|Glm46V|glm46v|GlmOcr|glm_ocr|glm4_1v|GLM-4\.[156]V|GLM-OCR",
            id="GLM-4V",
        ),
    ],
)  # fmt: skip
def test_one_file_names_the_family(family: str, names: str) -> None:
    naming = re.compile(names)
    found = [
        path.relative_to(ROOT).as_posix()
        for path in sorted(ROOT.rglob("*.py"))
        if path not in LISTS and naming.search(MODEL_ID.sub("", path.read_text(encoding="utf-8")))
    ]
    assert found == [f"model/families/{family}.py"]


@pytest.mark.parametrize("room", ["capacity", "diagnosis", "engine", "lifecycle", "planning", "rendering"])
def test_a_room_of_rules_names_no_family_that_has_a_record(room: str) -> None:
    """Rules are about kinds of tower and processor; only lists that vLLM itself keeps by class name have classes."""
    names = {variant.architecture for family in registry.families() for variant in family.variants}
    found = [
        (path.relative_to(ROOT).as_posix(), name)
        for path in sorted((ROOT / room).rglob("*.py"))
        if not path.name.startswith(("architecture", "runner"))
        for name in sorted(names)
        if re.search(rf"\b{name}\b", path.read_text(encoding="utf-8"))
    ]
    assert found == []
