"""What vLLM itself said of a model, flags and a GPU: the report of a dry run, as values.

Belongs here: reading the report of ``dryrun``, typing its refusals by ``diagnosis``, the request that asks for one, the
``EngineFacts`` document. Does not: running it (``cli``), planning with it (``planning``). Called by both.
"""

from __future__ import annotations

from vlm_operator.engine_facts.outcome import DryRunOutcome, Ending, outcome
from vlm_operator.engine_facts.report import CacheGroup, DryRunReport, Moments, Need, read_report
from vlm_operator.engine_facts.request import request_document

__all__ = [
    "CacheGroup",
    "DryRunOutcome",
    "DryRunReport",
    "Ending",
    "Moments",
    "Need",
    "outcome",
    "read_report",
    "request_document",
]
