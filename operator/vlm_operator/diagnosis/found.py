"""Merge the findings of one failure: the worst of several workers' figures, none that was cut off."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from vlm_operator.diagnosis.failure import UNIT_BYTES, Failure, build
from vlm_operator.engine.log_wordings import FailureKind, Figure, Wording

_LESS_IS_WORSE: Final = ("available", "free", "estimated", "supported", "gpus", "kv_cache_tokens", "mamba_blocks")
_MORE_IS_WORSE: Final = ("needed", "tried", "requested", "world_size", "prompt_len", "size_bytes")


@dataclass(slots=True)
class Found:
    """One kind of failure as found in a start: where first, and its worst figures.

    Attributes:
        stage: as the traceback tells it.
        reached: stage that the start had reached when it was printed.
        graphs: CUDA graphs that were captured by then.
    """

    kind: FailureKind
    line: int
    message: str
    stage: str | None
    numbers: dict[str, Figure]
    reached: str | None = None
    graphs: int = 0

    def build(self, also: Iterable[Found] = ()) -> Failure:
        """The typed failure; what it lacks is taken from others of the same reason."""
        numbers, stage = dict(self.numbers), self.stage
        for other in also:
            if other.kind.reason == self.kind.reason and other is not self:
                numbers = {**other.numbers, **numbers}
                stage = stage or other.stage
        return build(self.kind, self.line, self.message, self.kind.stage or stage or self.reached, numbers)


def detailed(kind: FailureKind, numbers: dict[str, Figure], text: str, terminated: bool) -> dict[str, Figure]:
    """``numbers`` with those that the details of ``kind`` add."""
    for detail in kind.details:
        match = detail.search(text)
        if match is None:
            continue
        more = detail.figures(match)
        if not detail.is_cut(match, terminated=terminated) or _is_whole_estimate(more, numbers):
            for name, value in more.items():
                numbers.setdefault(name, value)
    return numbers


def whole_figures(
    kind: FailureKind, wording: Wording, match: re.Match[str], cuts: tuple[int, ...]
) -> tuple[dict[str, Figure], set[str]]:
    """The figures of a sentence and its details, and the names of those that stand at one of ``cuts``."""
    figures: dict[str, Figure] = {}
    doubtful: set[str] = set()
    for each, found in ((wording, match), *((detail, detail.search(match.string)) for detail in kind.details)):
        if found is None:
            continue
        for name, value in each.figures(found).items():
            if name in each.kinds and any(found.start(name) <= cut <= found.end(name) for cut in cuts):
                doubtful.add(name)
            else:
                figures.setdefault(name, value)
    return {name: value for name, value in figures.items() if name not in doubtful}, doubtful


def _is_whole_estimate(cut: Mapping[str, Figure], numbers: Mapping[str, Figure]) -> bool:
    """Whether the estimate with which a text breaks off can be whole: one that lost a digit is far too small."""
    estimate, length = cut.get("estimated_max_len"), numbers.get("max_model_len")
    needed, available = numbers.get("needed_gib"), numbers.get("available_gib")
    if not all(isinstance(each, int | float) and each > 0 for each in (estimate, length, needed, available)):
        return False
    return float(estimate) > 0.3 * float(length) * float(available) / float(needed)  # type: ignore[arg-type]


def worst_of(old: Mapping[str, Figure], new: Mapping[str, Figure]) -> dict[str, Figure]:
    """Figures of one failure that several workers print: the tightest of each."""
    worst = dict(old)
    for name, value in new.items():
        known = worst.get(name)
        if known is None:
            worst[name] = value
        elif isinstance(known, int | float) and isinstance(value, int | float):
            less, more = name.startswith(_LESS_IS_WORSE), name.startswith(_MORE_IS_WORSE)
            unit = f"{name}_unit"
            before = known * UNIT_BYTES.get(str(old.get(unit)), 1)
            after = value * UNIT_BYTES.get(str(new.get(unit)), 1)
            if (less and after < before) or (more and after > before):
                worst[name] = value
                if unit in new:
                    worst[unit] = new[unit]
    return worst
