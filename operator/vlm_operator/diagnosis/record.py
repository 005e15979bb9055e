"""One line of a log without what containers, loggers and terminals put in front of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

QUIET_LEVELS: Final = frozenset({"DEBUG", "INFO", "WARNING", "TRACE"})
"""Records of these levels never tell a failure, whatever traceback they quote."""


@dataclass(frozen=True, slots=True)
class Record:
    """One line without its prefixes.

    Attributes:
        number: line of the log, counted from 1.
        process: who printed it, for instance ``EngineCore pid=42``; empty where the line does not say.
        level: log level, or None for text outside any record (tracebacks at exit, argparse, NCCL).
        text: the message.
        terminated: False only for a last line that the log breaks off.
    """

    number: int
    process: str
    level: str | None
    text: str
    terminated: bool = True
