"""What vLLM 0.8 to 0.33 prints: every failure it names, every figure it measures, as typed templates.

Belongs here: sentences, keyed by version, with what they mean. Does not: reading logs (``diagnosis``).
"""

from __future__ import annotations

from typing import Final

from vlm_operator.engine.log_wordings import configuration, hardware, image, memory, model, node, quantization, request
from vlm_operator.engine.log_wordings.kind import FailureClass, FailureKind, Scope
from vlm_operator.engine.log_wordings.template import Figure, Wording, WordingTable, figure
from vlm_operator.engine.log_wordings.wrapper import CRASHES, DEATHS, WRAPPERS
from vlm_operator.engine.startup_reasons import StartupReason

KINDS: Final[tuple[FailureKind, ...]] = (
    *memory.KINDS,
    *configuration.KINDS,
    *quantization.KINDS,
    *hardware.KINDS,
    *node.KINDS,
    *image.KINDS,
    *model.KINDS,
    *request.KINDS,
)
"""Every failure that is recognised."""

FAILURES: Final = WordingTable((kind, wording) for kind in KINDS for wording in kind.wordings)
"""Every wording of every kind of failure."""

PIECES: Final = tuple(piece for kind in KINDS for piece in kind.pieces)
"""Further pieces of their sentences."""

DEPENDENCY_MISSING: Final = next(kind for kind in KINDS if kind.name == "dependency_missing")
"""What an ImportError is that ends a start, whatever its words."""

GRAPH_CAPTURE_FAILED: Final = next(kind for kind in KINDS if kind.name == "graph_capture_failed")
"""What a kernel is that fails after others were captured, whatever the driver says of it."""

KINDS_BY_NAME: Final = {kind.name: kind for kind in KINDS}
"""Each kind by its name."""

UNKNOWN_REASON: Final = str(StartupReason.UNKNOWN)
"""Reason of a failure that no kind names."""

__all__ = [
    "CRASHES",
    "DEATHS",
    "DEPENDENCY_MISSING",
    "FAILURES",
    "GRAPH_CAPTURE_FAILED",
    "KINDS",
    "KINDS_BY_NAME",
    "PIECES",
    "UNKNOWN_REASON",
    "WRAPPERS",
    "FailureClass",
    "FailureKind",
    "Figure",
    "Scope",
    "Wording",
    "WordingTable",
    "figure",
]
