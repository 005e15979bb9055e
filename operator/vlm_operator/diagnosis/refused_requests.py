"""Count the requests that a healthy server refused, and find the context that would have served most of them.

Only figures are kept, never what a request held. Memory does not grow with the log: sizes are counted in steps of
under 2 %, each rounded up, so that the context found serves what was counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vlm_operator.engine.log_wordings import FailureKind
from vlm_operator.engine.startup_reasons import StartupReason

SHARE: Final = 0.95
"""Part of the requests refused for their length that the context found would have served."""

CHAINED: Final = ("During handling of the above exception", "The above exception was the direct cause")
"""Between tracebacks of one failure: the next one may repeat its sentence."""

MODALITIES: Final = frozenset({"image", "video", "audio"})
"""Modalities whose refused items are counted apart; vLLM's sentences name no others that a limit bounds."""

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
        sizes: what refused requests needed, by its name: how many needed how much. ``tokens`` of context;
            ``image/items`` in one request (one more than the limit where the sentence names the limit alone);
            ``image/tokens`` that the encoder puts out for one item.
    """

    too_long: int = 0
    longest: int | None = None
    items: int = 0
    sizes: dict[str, Counter[int]] = field(default_factory=dict)
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
            self._count(*_needed_of_items(numbers))
            return
        self.too_long += 1
        length = needed_tokens(numbers)
        if length is not None:
            self.longest = max(length, self.longest or 0)
        self._count("tokens", length)

    def _count(self, name: str, size: int | None) -> None:
        if size is not None:
            self.sizes.setdefault(name, Counter())[rounded_up(size)] += 1

    def context_for(self, share: float = SHARE) -> int | None:
        """The least context that would have served this part of the requests whose length is known; None for none."""
        return self.enough("tokens", share)

    def enough(self, name: str, share: float = SHARE) -> int | None:
        """The least of what ``sizes`` counts under that name that would have served this part; None for none."""
        counted = self.sizes.get(name, Counter[int]())
        total, served = sum(counted.values()), 0
        for size, count in sorted(counted.items()):
            served += count
            if served >= share * total:
                return size
        return None

    @classmethod
    def together(cls, parts: Iterable[RefusedRequests]) -> RefusedRequests:
        """All requests that the parts counted, which have none in common."""
        whole = cls()
        for part in parts:
            whole.too_long += part.too_long
            whole.items += part.items
            lengths = [length for length in (whole.longest, part.longest) if length is not None]
            whole.longest = max(lengths, default=None)
            for name, counted in part.sizes.items():
                whole.sizes.setdefault(name, Counter()).update(counted)
        return whole


def _needed_of_items(numbers: Mapping[str, Any]) -> tuple[str, int | None]:
    """What a request with too many or too large items needed: its name in ``sizes``, and how much."""
    modality = str(numbers.get("modality"))
    if modality not in MODALITIES:
        return "", None
    if (tokens := _whole(numbers.get("embed_tokens")) or _whole(numbers.get("embeds"))) is not None:
        return f"{modality}/tokens", tokens
    limit = _whole(numbers.get("limit"))
    return f"{modality}/items", _whole(numbers.get("count")) or (None if limit is None else limit + 1)


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
