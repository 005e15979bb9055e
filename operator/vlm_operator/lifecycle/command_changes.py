"""What a new command changes of an earlier one, and at which price, in words."""

from __future__ import annotations

from collections.abc import Iterable

from vlm_operator.engine.flags import changes
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.planning.plan import Move


def command_changes(before: EngineSettings, after: EngineSettings, ladder: Iterable[Move]) -> str:
    """Each flag that differs with its two values, and the price where a move of the ladder names one."""
    prices = {flag: move.cost for move in ladder for flag, _, _ in move.change}
    words = [
        f"{change} ({prices[change.name]})" if change.name in prices else str(change)
        for change in changes(before, after)
    ]
    return ", ".join(words) or "the same flags on another GPU"
