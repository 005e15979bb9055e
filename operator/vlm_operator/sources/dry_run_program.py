"""The files of the program ``dryrun``, as they are shipped to a vLLM environment: data, never imported here."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Final

PACKAGE: Final = "dryrun"
"""Name of the package where it runs: ``python -m dryrun``."""


def program_files() -> dict[str, str]:
    """Text of each file by its name, sorted: the keys of a ConfigMap."""
    folder = resources.files("vlm_operator") / PACKAGE
    names = sorted(each.name for each in folder.iterdir() if each.name.endswith(".py"))
    return {name: (folder / name).read_text(encoding="utf-8") for name in names}


def write_program(folder: Path) -> Path:
    """Write the package into ``folder``, which is then what ``PYTHONPATH`` names; return it."""
    target = folder / PACKAGE
    target.mkdir()
    for name, text in program_files().items():
        (target / name).write_text(text, encoding="utf-8")
    return folder
