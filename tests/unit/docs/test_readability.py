"""The code stays readable: docstrings say what a module does, files and functions stay short."""

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


def test_files_and_functions_stay_short() -> None:
    """At most 400 lines a file and 60 lines a function; generated tables aside."""
    long: list[str] = []
    for path in sorted(ROOT.rglob("*.py")):
        text, name = path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()
        if text.count("\n") > 400 and "architecture_table" not in name:
            long.append(name)
        long += [
            f"{name}: {node.name}"
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
            and (node.end_lineno or node.lineno) - node.lineno >= 60
        ]
    assert long == []
