"""The cheapest combination of levers that fits the low bound, instead of the first lever that happens to help."""

from __future__ import annotations

import heapq
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
    may_hold: Callable[[EngineSettings], bool],
    *,
    tried: Choice | None = None,
) -> Choice | None:
    """The cheapest combination that makes ``base`` fit, or None where there is none.

    Combinations are judged in order of their summed price. Where too many would have to be, the search starts from
    everything pulled and lets go, dearest lever first, of what is not needed.

    Args:
        fits: True where the flags would do.
        may_hold: False where memory is not enough, whatever items are described: what all levers together do not bring
            about, fewer do not either.
        tried: levels up to which every combination has been judged before, in vain; none where None.
    """
    everything = tuple(len(lever.levels) for lever in found)
    # A lever that may take memory instead of giving it is left out once: the others may be enough without it.
    giving = tuple(0 if lever.may_take_memory else len(lever.levels) for lever in found)
    furthest = [(choice, apply_choice(base, found, choice, bounds)) for choice in dict.fromkeys((everything, giving))]
    if not any(may_hold(settings) for _, settings in furthest):
        return None
    most = furthest[0][1]
    # Levers that are sure to help are pulled last: what does not fit with all of them does not fit with some of them.
    helping = [place for place, lever in enumerate(found) if lever.only_helps]
    order = [*(place for place, lever in enumerate(found) if not lever.only_helps), *helping]
    first_help = len(order) - len(helping)
    help_given = {found[place].flag: getattr(most, found[place].flag) for place in helping}
    tried = tried or (-1,) * len(found)
    help_tried = all(tried[place] == everything[place] for place in helping)
    queue = [_Combination(0.0, (0,) * len(found), 0, base)]
    for _ in range(SEARCH_LIMIT):
        if not queue:
            break
        reached = heapq.heappop(queue)
        settings, choice = reached.settings(found, order, bounds), reached.choice
        is_tried, helpless = all(map(le, choice, tried)), False
        if helping and not any(choice[place] for place in helping):
            helpless = (is_tried and help_tried) or not fits(settings.with_(**help_given))
        if not (is_tried or helpless) and fits(settings):
            return choice
        for further in reached.further(found, order[:first_help] if helpless else order, settings):
            heapq.heappush(queue, further)
    reached_at_most = next((choice for choice, settings in furthest if fits(settings)), None)
    if reached_at_most is None:
        return None
    return _let_go(found, reached_at_most, lambda choice: fits(apply_choice(base, found, choice, bounds)))


class _Combination(NamedTuple):
    """A combination on the way, compared by price, then by levels.

    Attributes:
        last: where in the order of pulling the last lever pulled stands; only it and later ones are pulled further, so
            that every combination comes up once.
        before: the flags without that lever.
    """

    price: float
    choice: Choice
    last: int
    before: EngineSettings

    def settings(self, found: tuple[Lever, ...], order: list[int], bounds: Bounds) -> EngineSettings:
        """The flags with every lever of the combination pulled."""
        level = self.choice[order[self.last]] if order else 0
        return found[order[self.last]].levels[level - 1].apply(self.before, bounds) if level else self.before

    def further(self, found: tuple[Lever, ...], order: list[int], settings: EngineSettings) -> Iterator[_Combination]:
        """The combinations with one lever pulled one level further."""
        price, choice, last, before = self
        for index in range(last, len(order)):
            place = order[index]
            levels, level = found[place].levels, choice[place]
            if level < len(levels):
                step = levels[level].weight - (levels[level - 1].weight if level else 0)
                pulled = (*choice[:place], level + 1, *choice[place + 1 :])
                yield _Combination(price + step, pulled, index, before if index == last else settings)


def _let_go(found: tuple[Lever, ...], choice: Choice, fits: Callable[[Choice], bool]) -> Choice:
    places = sorted(range(len(found)), key=lambda place: -found[place].levels[choice[place] - 1].weight)
    for place in places:
        for level in range(choice[place]):
            lighter = (*choice[:place], level, *choice[place + 1 :])
            if fits(lighter):
                choice = lighter
                break
    return choice
