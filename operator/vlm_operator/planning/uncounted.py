"""Flags that change memory in ways no term of the budget counts: each is named, and no plan with one is certain."""

from __future__ import annotations

from vlm_operator.capacity.startup.drafter import is_counted
from vlm_operator.engine.hf_overrides import FLAG
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.intent import Intent


def uncounted_flags(intent: Intent, model: ModelFacts | None) -> tuple[str, ...]:
    """Their spellings: those among the further arguments, a drafter that is not counted for this model, and overrides
    that the model was not read with.

    Args:
        model: None for a model that only vLLM knows: the dry run had the overrides.
    """
    drafts = intent.settings.speculative_config is not None
    drafted = ("--speculative-config",) if drafts and (model is None or not is_counted(model, intent.settings)) else ()
    overridden = (FLAG,) if model is not None and intent.hf_overrides not in (None, model.hf_overrides) else ()
    return (*intent.uncounted_flags, *drafted, *overridden)


def not_counted(flags: tuple[str, ...]) -> str:
    """What a plan says of them."""
    verb = "changes" if len(flags) == 1 else "change"
    return f"{', '.join(flags)} {verb} memory in ways that the plan does not count"
