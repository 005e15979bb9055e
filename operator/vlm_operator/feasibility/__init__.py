"""Checks for what vLLM refuses other than memory: an ordered tuple of small checks, one per file.

Each check looks at one command and answers None or the refusal. Nothing here chooses; planning asks before it counts
memory, and chooses nothing that a check refuses.
"""

from __future__ import annotations

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.feasibility.architecture_release import require_own_class
from vlm_operator.feasibility.checks import CHECKS, SIZE_CHECKS, SIZES, Checks, checks_of
from vlm_operator.feasibility.command import Command
from vlm_operator.feasibility.element_type import as_served
from vlm_operator.feasibility.refusal import Infeasible, InfeasibleReason
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import ModelFacts

__all__ = [
    "CHECKS",
    "SIZES",
    "SIZE_CHECKS",
    "Checks",
    "Command",
    "Infeasible",
    "InfeasibleReason",
    "as_served",
    "checks_of",
    "refusals",
    "require_own_class",
]


def refusals(
    model: ModelFacts, settings: EngineSettings, gpu: GPUFacts, version: EngineVersion
) -> tuple[Infeasible, ...]:
    """What vLLM would refuse of this command, in the order of the checks; empty where it would start, memory aside.

    Args:
        settings: flags as requested or resolved.
    """
    return checks_of(model, gpu, version).refusals(settings)
