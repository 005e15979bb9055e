"""Flags of a plan that take memory which no term of the budget counts: each is named, and the plan is never certain."""

from __future__ import annotations

from vlm_operator.capacity.startup.drafter import is_counted
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.intent import Intent


def uncounted_flags(model: ModelFacts, intent: Intent) -> tuple[str, ...]:
    """Their spellings: those among the further arguments, and a drafter that is not counted for this model."""
    drafted = () if is_counted(model, intent.settings) else ("--speculative-config",)
    return (*intent.uncounted_flags, *drafted)
