"""An exception as the report tells it: its stage, its text, and whether it is a limit of the simulation."""

from __future__ import annotations

import traceback
from typing import Any

from .simulation_limit import SimulationLimit

_LONGEST_MESSAGE = 4000
_LONGEST_TRACE = 12000
_OWN = __name__.rpartition(".")[0]


def failure(stage: str, error: BaseException) -> dict[str, Any]:
    """``error`` of the report.

    ``raisedIn`` is the module of the innermost frame; ``simulationLimit`` is True where it is this program's, or where
    the exception says that torch lacks a kernel or a driver.
    """
    frames = list(traceback.walk_tb(error.__traceback__))
    module = str(frames[-1][0].f_globals.get("__name__")) if frames else ""
    text = f"{error}"
    return {
        "stage": stage,
        "type": type(error).__name__,
        "message": text[:_LONGEST_MESSAGE],
        "raisedIn": module,
        "simulationLimit": _is_limit(error, module, text),
        "trace": "".join(traceback.format_exception(type(error), error, error.__traceback__))[-_LONGEST_TRACE:],
    }


def _is_limit(error: BaseException, module: str, text: str) -> bool:
    if isinstance(error, (SimulationLimit, ImportError, MemoryError)) or type(error).__name__ == "AcceleratorError":
        return True
    if module == _OWN or module.startswith((f"{_OWN}.", "torch.", "triton.")):
        return True
    return any(word in text for word in ("meta tensor", "'Meta' backend", "CUDA driver", "'NoneType'"))
