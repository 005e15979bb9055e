"""Docstrings say what a module does; a reader who searches for a term finds it in the first line."""

from __future__ import annotations

import ast
from pathlib import Path

import vlm_operator

ROOT = Path(vlm_operator.__file__).parent


def test_no_module_opens_with_a_question() -> None:
    first_lines = {
        path.relative_to(ROOT).as_posix(): (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "")
        for path in sorted(ROOT.rglob("*.py"))
    }
    assert [path for path, text in first_lines.items() if "?" in text.split("\n")[0]] == []
    assert [path for path, text in first_lines.items() if not text] == []
