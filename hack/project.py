"""Where a script of this folder finds the project: its Python, its code, its test kit, and figures recorded elsewhere.

Import it first, after ``hack/`` was put on the path. The import restarts the script with the project's own environment
(a test that imports it stays where it is) and puts this checkout's ``operator/`` and ``tests/`` on the path, so that
the code that runs is the code beside the script.
"""

import os
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
"""The checkout."""

SHARED: Final = ROOT.parent / "shared"
"""Figures recorded elsewhere, beside the checkout and not part of it."""

DATA: Final = ROOT / "tests" / "data"
"""What the tests read."""

_ENVIRONMENT: Final = ROOT / ".venv"
_PYTHON: Final = _ENVIRONMENT / "bin" / "python"

_IS_SCRIPT: Final = Path(sys.argv[0]).resolve().is_relative_to(ROOT / "hack")

if _IS_SCRIPT and _PYTHON.exists() and Path(sys.prefix).resolve() != _ENVIRONMENT.resolve():
    os.execv(_PYTHON, [str(_PYTHON), *sys.argv])

sys.path[1:1] = [str(ROOT / "operator"), str(ROOT / "tests")]


def need(*paths: Path) -> None:
    """End the script with exit code 2 and one sentence if one of its inputs is missing."""
    missing = [path for path in paths if not path.exists()]
    if missing:
        print(
            f"error: {missing[0]} does not exist: recorded figures are not part of this repository; "
            f"put them into {SHARED}, or name the place where they are",
            file=sys.stderr,
        )
        sys.exit(2)
