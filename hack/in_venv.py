"""Run a script of this folder with the project's own environment, whoever calls it: import this first."""

import os
import sys
from pathlib import Path

_PYTHON = Path(__file__).resolve().parent.parent / ".venv" / "bin" / "python"

if _PYTHON.exists() and Path(sys.prefix).resolve() != _PYTHON.parent.parent.resolve():
    os.execv(_PYTHON, [str(_PYTHON), *sys.argv])
