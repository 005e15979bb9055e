"""Log wordings that only report a failure elsewhere, or that a running engine died.

Read in vLLM 0.8 to 0.33: ``v1/engine/{core,core_client,utils,exceptions}.py``, ``v1/executor/multiproc_executor.py``;
V0: ``entrypoints/openai/api_server.py``, ``engine/multiprocessing/``.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.log_wordings.template import Wording, wordings

WRAPPERS: Final[tuple[Wording, ...]] = wordings(
    "initialization failed. See root cause above.",
    "initialization failed. See root cause above. Failed core proc(s): {procs:set}",
    "initialization failed. See root cause above. Failed core proc(s): {procs:set}, failed frontend proc(s): "
    "{frontend:set}",
    "WorkerProc initialization failed due to an exception in a background process",
    "EngineCore failed to start",
    "WorkerProc failed to start",
    "{what:word} failed to start.",
    "EngineCore encountered a fatal error",
    "EngineCore hit an exception",
    "EngineCore encountered an issue",
    "Engine process failed to start",
    "Worker failed with error",
    "Worker failed with error '{inner:text}', please check the stack trace",
    'Worker failed with error "{inner:text}", please check the stack trace',
    "Worker failed with error '{inner:rest}",
    'Worker failed with error "{inner:rest}',
    "Executor failed.",
    "Frontend process failed during engine core initialization",
    "got fatal signal from worker processes, shutting down",
    "Got fatal signal from worker processes, shutting down",
    "Background loop has errored already",
    "Background loop is stopped",
    "Engine loop is not running",
)
"""Never a cause: the cause stands elsewhere in the log."""

CRASHES: Final[tuple[str, ...]] = (
    "Fatal Python error: ",
    "Segmentation fault",
    "Segfault encountered",
    "terminate called after throwing",
    "Aborted (core dumped)",
    "Illegal instruction",
)
"""A process ended without a Python exception."""

DEATHS: Final[tuple[str, ...]] = (
    "EngineCore encountered a fatal error",
    "EngineCore encountered an issue",
    "EngineCore hit an exception",
    "EngineDeadError",
    "died unexpectedly",
    "AsyncEngineDeadError",
    "MQEngineDeadError",
    "Background loop has errored already",
    "Engine loop is not running",
)
"""A server that had started has lost its engine."""
