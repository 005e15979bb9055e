"""Count the requests that a healthy server refused, and find the context that would have served most of them.

Only figures are kept, never what a request held. Memory does not grow with the log: lengths are counted in steps of
under 2 %, each rounded up, so that the context found serves what was counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vlm_operator.engine.log_wordings import FailureKind
from vlm_operator.engine.startup_reasons import StartupReason

SHARE: Final = 0.95
"""Part of the requests refused for their length that the context found would have served."""

CHAINED: Final = ("During handling of the above exception", "The above exception was the direct cause")
"""Between tracebacks of one failure: the next one may repeat its sentence."""

_STEPS: Final = 6
"""Bits of a length that are kept below its first: 64 to 127 steps of a power of two."""


@dataclass(slots=True)
class RefusedRequests:
    """Requests that one start of a server refused.

    Attributes:
        too_long: longer than the context, with or without the answer asked for.
        longest: tokens that the longest of them needs, None where no sentence tells; sentences that say "at least"
            tell a lower bound.
        items: more items than the limit, or an item above the encoder cache.
    """

    too_long: int = 0
    longest: int | None = None
    items: int = 0
    _lengths: Counter[int] = field(default_factory=Counter)
    _repeats: bool = False
    _last: tuple[str, Mapping[str, Any]] | None = None

    def see(self, text: str) -> None:
        """A line of the log: whether the next sentence may repeat the one before."""
        if any(words in text for words in CHAINED):
            self._repeats = True

    def add(self, kind: FailureKind, numbers: Mapping[str, Any]) -> None:
        """A sentence that refuses a request; one that a chained traceback repeats is not counted again."""
        told = (kind.name, dict(numbers))
        repeated, self._repeats = self._repeats and told == self._last, False
        self._last = told
        if repeated:
            return
        if kind.reason is not StartupReason.PROMPT_TOO_LONG:
            self.items += 1
            return
        self.too_long += 1
        length = needed_tokens(numbers)
        if length is not None:
            self.longest = max(length, self.longest or 0)
            self._lengths[rounded_up(length)] += 1

    def context_for(self, share: float = SHARE) -> int | None:
        """The least context that would have served this part of the requests whose length is known; None for none."""
        total, served = sum(self._lengths.values()), 0
        for length, count in sorted(self._lengths.items()):
            served += count
            if served >= share * total:
                return length
        return None


def needed_tokens(numbers: Mapping[str, Any]) -> int | None:
    """Context that a refused request needs: prompt and the answer asked for, or one token where none is told.

    >>> needed_tokens({"prompt_len": 9000}), needed_tokens({"input_tokens": 100, "requested": 50})
    (9001, 150)
    """
    if (total := _whole(numbers.get("total"))) is not None:
        return total
    prompt = _whole(numbers.get("prompt_len")) or _whole(numbers.get("input_tokens"))
    requested = _whole(numbers.get("requested"))
    if prompt is None:
        return requested
    return prompt + (requested or 1)


def rounded_up(length: int) -> int:
    """The next step at or above a length.

    >>> rounded_up(100), rounded_up(9001), rounded_up(40960)
    (100, 9088, 40960)
    """
    step = 1 << max(0, length.bit_length() - _STEPS - 1)
    return -(-length // step) * step


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) else None
