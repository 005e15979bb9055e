"""What a vLLM start-up log says: one typed failure or a start, its numbers, and what to change.

Belongs here: reading of log text. Does not: fetching logs (``controller``, ``cli``), choosing flags (``planning``).
Called by ``planning`` and ``lifecycle`` (results), ``controller`` and ``vlmctl diagnose`` (reader).
"""

from __future__ import annotations

from collections.abc import Iterable

from vlm_operator.diagnosis.document import document
from vlm_operator.diagnosis.encoding import utf8
from vlm_operator.diagnosis.failure import (
    BatchFailure,
    ContextFailure,
    Failure,
    FreeMemoryTooLow,
    ImageFailure,
    KVCacheTooSmall,
    MemoryChangedDuringProfiling,
    ModelFailure,
    MultimodalFailure,
    NodeFailure,
    NoKVCacheMemory,
    OutOfMemory,
    ParallelFailure,
    RequestFailure,
    UnknownFailure,
    UnsupportedConfiguration,
)
from vlm_operator.diagnosis.observation import Observation
from vlm_operator.diagnosis.reader import LogReader
from vlm_operator.diagnosis.result import Advice, Diagnosis, Outcome
from vlm_operator.engine.log_wordings import FailureClass


def diagnose(log: bytes | str | Iterable[bytes]) -> Diagnosis:
    """What ``log`` says, read in one pass: whole text, or its bytes in chunks cut anywhere.

    Memory does not grow with the log. Never raises for what a log holds.

    >>> diagnose("ValueError: No available memory for the cache blocks. Try increasing "
    ...          "`gpu_memory_utilization` when initializing the engine.").failure.reason
    'NoKVCacheMemory'
    """
    if isinstance(log, str):
        log = log.encode("utf-8", "replace")
    return LogReader().read(utf8([log] if isinstance(log, bytes) else log))


__all__ = [
    "Advice",
    "BatchFailure",
    "ContextFailure",
    "Diagnosis",
    "Failure",
    "FailureClass",
    "FreeMemoryTooLow",
    "ImageFailure",
    "KVCacheTooSmall",
    "LogReader",
    "MemoryChangedDuringProfiling",
    "ModelFailure",
    "MultimodalFailure",
    "NoKVCacheMemory",
    "NodeFailure",
    "Observation",
    "OutOfMemory",
    "Outcome",
    "ParallelFailure",
    "RequestFailure",
    "UnknownFailure",
    "UnsupportedConfiguration",
    "diagnose",
    "document",
]
