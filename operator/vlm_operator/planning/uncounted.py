"""Flags of a plan that take memory which no term of the budget counts: each is named, and the plan is never certain."""

from __future__ import annotations

from vlm_operator.planning.intent import Intent


def uncounted_flags(intent: Intent) -> tuple[str, ...]:
    """Their spellings: those among the further arguments, and a drafter of speculative decoding."""
    drafted = ("--speculative-config",) if intent.settings.speculative_config is not None else ()
    return (*intent.uncounted_flags, *drafted)
