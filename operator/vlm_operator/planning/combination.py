"""The cheapest combination of levers that fits the low bound, instead of the first lever that happens to help."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator
from operator import le
from typing import Final, NamedTuple

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.planning.lever import Bounds, Lever

SEARCH_LIMIT: Final = 1500
"""Combinations judged before the search settles for a good one instead of the cheapest."""

Choice = tuple[int, ...]
"""One level per lever, 0 for untouched, n for the n-th level."""


def apply_choice(settings: EngineSettings, found: tuple[Lever, ...], choice: Choice, bounds: Bounds) -> EngineSettings:
    """``settings`` with the chosen level of every lever."""
    for lever, level in zip(found, choice, strict=True):
        if level:
            settings = lever.levels[level - 1].apply(settings, bounds)
    return settings


def cheapest(
    found: tuple[Lever, ...],
    base: EngineSettings,
    bounds: Bounds,
    fits: Callable[[EngineSettings], bool],
    lacks_memory: Callable[[EngineSettings], bool],
    *,
    tried: Choice | None = None,
) -> Choice | None:
    """The cheapest combination that makes ``base`` fit, or None where there is none.

    Combinations are judged in order of their summed price. Where too many would have to be, the search starts from
    everything pulled and lets go, dearest lever first, of what is not needed.

    Args:
        fits: True where the flags would do.
        lacks_memory: True where memory is known not to be enough, whatever items are described: what all levers
            together do not bring about, fewer do not either.
        tried: levels up to which every combination has been judged before, in vain; none where None.
    """
    everything = tuple(len(lever.levels) for lever in found)

    def flags(choice: Choice) -> EngineSettings:
        return apply_choice(base, found, choice, bounds)

    furthest = tuple(_furthest(found))
    if all(lacks_memory(flags(choice)) for choice in furthest):
        return None
    least = _least_levels(furthest, lambda choice: lacks_memory(flags(choice)))
    # Levers that are sure to help are pulled last: what does not fit with all of them does not fit with some of them.
    helping = [place for place, lever in enumerate(found) if lever.only_helps]
    order = [*(place for place, lever in enumerate(found) if not lever.only_helps), *helping]
    first_help = len(order) - len(helping)
    tried = tried or (-1,) * len(found)
    help_tried = all(tried[place] == everything[place] for place in helping)
    queue = [_Combination(0.0, least, 0)]
    for _ in range(SEARCH_LIMIT):
        if not queue:
            break
        reached = heapq.heappop(queue)
        choice = reached.choice
        is_tried, helpless = all(map(le, choice, tried)), False
        if helping and all(choice[place] == least[place] for place in helping):
            helped = tuple(everything[place] if place in helping else level for place, level in enumerate(choice))
            helpless = (is_tried and help_tried) or not fits(flags(helped))
        if not (is_tried or helpless) and fits(flags(choice)):
            return choice
        for further in reached.further(found, order[:first_help] if helpless else order):
            heapq.heappush(queue, further)
    reached_at_most = next((choice for choice in furthest if fits(flags(choice))), None)
    if reached_at_most is None:
        return None
    return _let_go(found, reached_at_most, lambda choice: fits(flags(choice)))


def _furthest(found: tuple[Lever, ...]) -> Iterator[Choice]:
    """The combinations of which one needs the least memory: everything pulled, but for levers that may take memory."""
    levels = (range(len(lever.levels), -1 if lever.may_take_memory else len(lever.levels) - 1, -1) for lever in found)
    return itertools.product(*levels)


def _least_levels(furthest: tuple[Choice, ...], lacks_memory: Callable[[Choice], bool]) -> Choice:
    """The level of each lever below which memory is not enough, however far the others are pulled."""

    def is_enough(place: int, level: int) -> bool:
        return any(not lacks_memory((*choice[:place], level, *choice[place + 1 :])) for choice in furthest)

    most = furthest[0]
    return tuple(
        next((level for level in range(most[place]) if is_enough(place, level)), most[place])
        for place in range(len(most))
    )


class _Combination(NamedTuple):
    """A combination on the way, compared by price, then by levels.

    Attributes:
        price: of what is pulled beyond the least levels.
        last: where in the order of pulling the last lever pulled stands; only it and later ones are pulled further, so
            that every combination comes up once.
    """

    price: float
    choice: Choice
    last: int

    def further(self, found: tuple[Lever, ...], order: list[int]) -> Iterator[_Combination]:
        """The combinations with one lever pulled one level further."""
        price, choice, last = self
        for index in range(last, len(order)):
            place = order[index]
            levels, level = found[place].levels, choice[place]
            if level < len(levels):
                step = levels[level].weight - (levels[level - 1].weight if level else 0)
                pulled = (*choice[:place], level + 1, *choice[place + 1 :])
                yield _Combination(price + step, pulled, index)


def _let_go(found: tuple[Lever, ...], choice: Choice, fits: Callable[[Choice], bool]) -> Choice:
    places = sorted(range(len(found)), key=lambda place: -found[place].levels[choice[place] - 1].weight)
    for place in places:
        for level in range(choice[place]):
            lighter = (*choice[:place], level, *choice[place + 1 :])
            if fits(lighter):
                choice = lighter
                break
    return choice
