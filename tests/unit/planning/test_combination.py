"""The cheapest combination of levers that fits, however many combinations there are."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.planning.combination import apply_choice, cheapest
from vlm_operator.planning.lever import Bounds, Level, Lever, setting

BOUNDS = Bounds(0.95, lambda settings: 1, lambda settings: settings)
START = EngineSettings(max_model_len=0, max_num_seqs=0, max_num_batched_tokens=0, block_size=0)
FLAGS = ("max_model_len", "max_num_seqs", "max_num_batched_tokens", "block_size")


def lever(flag: str, *weights: float, only_helps: bool = False) -> Lever:
    """A lever whose n-th level sets ``flag`` to n."""
    levels = (Level(weight, f"{flag} {n}", setting(**{flag: n})) for n, weight in enumerate(weights, start=1))
    return Lever(flag, tuple(levels), only_helps=only_helps)


def never(settings: EngineSettings) -> bool:
    return False


def price(found: tuple[Lever, ...], choice: tuple[int, ...]) -> float:
    return sum(each.levels[level - 1].weight for each, level in zip(found, choice, strict=True) if level)


@given(
    levels=st.lists(st.integers(1, 3), min_size=4, max_size=4),
    weights=st.lists(st.sampled_from([1, 2, 3, 5, 8]), min_size=12, max_size=12),
    gains=st.lists(st.integers(0, 9), min_size=12, max_size=12),
    needed=st.integers(0, 40),
    helping=st.sets(st.integers(0, 3)),
)
def test_no_combination_that_fits_is_cheaper(
    levels: list[int], weights: list[int], gains: list[int], needed: int, helping: set[int]
) -> None:
    def ascending(figures: list[int], place: int) -> list[int]:
        return list(itertools.accumulate(figures[3 * place : 3 * place + levels[place]]))

    found = tuple(lever(flag, *ascending(weights, n), only_helps=n in helping) for n, flag in enumerate(FLAGS))
    gained = {flag: [0, *ascending(gains, n)] for n, flag in enumerate(FLAGS)}

    def fits(settings: EngineSettings) -> bool:
        return bool(sum(gained[flag][getattr(settings, flag)] for flag in FLAGS) >= needed)

    every = itertools.product(*(range(count + 1) for count in levels))
    fitting = [choice for choice in every if fits(apply_choice(START, found, choice, BOUNDS))]
    choice = cheapest(found, START, BOUNDS, fits, lambda settings: not fits(settings))
    assert (choice is None) is (not fitting)
    if choice is not None:
        assert choice in fitting
        assert price(found, choice) == min(price(found, other) for other in fitting)


def test_of_combinations_that_cost_the_same_the_later_levers_are_pulled() -> None:
    found = (lever("max_num_seqs", 2, only_helps=True), lever("max_model_len", 2))

    def fits(settings: EngineSettings) -> bool:
        return bool(settings.max_num_seqs or settings.max_model_len)

    assert cheapest(found, START, BOUNDS, fits, lambda settings: not fits(settings)) == (0, 1)


def test_a_lever_that_goes_too_far_for_an_item_is_left_alone() -> None:
    """Memory holds everything pulled, but a smaller batch would refuse the described image."""
    found = (lever("max_num_batched_tokens", 2), lever("max_model_len", 4))

    def holds(settings: EngineSettings) -> bool:
        return bool(settings.max_model_len)

    choice = cheapest(
        found,
        START,
        BOUNDS,
        lambda settings: holds(settings) and not settings.max_num_batched_tokens,
        lambda settings: not holds(settings),
    )
    assert choice == (0, 1)


def test_where_something_was_measured_less_may_fit_where_everything_does_not() -> None:
    """Of flags close to a measured start-up more is certain than of others."""
    found = (lever("max_model_len", 4, 8), lever("max_num_batched_tokens", 2))
    assert cheapest(found, START, BOUNDS, lambda settings: settings.max_model_len == 1, never) == (1, 0)
    assert cheapest(found, START, BOUNDS, never, never) is None


def test_levers_that_are_sure_to_help_are_not_tried_one_by_one_where_together_they_are_too_little() -> None:
    """6 levels each of 4 levers and 3 that help: 19,208 combinations, of which the last but one price fits."""
    helping = tuple(lever(flag, 1, only_helps=True) for flag in ("enable_expert_parallel", "runner", "enforce_eager"))
    found = (*helping, *(lever(flag, 10, 20, 30, 40, 50, 60) for flag in FLAGS))
    judged = 0

    def fits(settings: EngineSettings) -> bool:
        nonlocal judged
        judged += 1
        return sum(getattr(settings, flag) for flag in FLAGS) >= 7 and bool(settings.enforce_eager)

    choice = cheapest(found, START, BOUNDS, fits, lambda settings: not fits(settings))
    assert choice is not None
    assert price(found, choice) == 71
    assert judged < 500


def test_a_lever_that_may_take_memory_is_left_out_where_the_others_do_only_without_it() -> None:
    raising = Lever("max_num_seqs", lever("max_num_seqs", 1).levels, may_take_memory=True)
    found = (raising, lever("max_model_len", 2))

    def fits(settings: EngineSettings) -> bool:
        return settings.max_model_len == 1 and settings.max_num_seqs == 0

    assert cheapest(found, START, BOUNDS, fits, lambda settings: not fits(settings)) == (0, 1)


def test_where_everything_pulled_is_refused_fewer_levers_may_do() -> None:
    """vLLM refuses a batch that does not hold the largest image of some models, however much memory there is."""
    found = (lever("max_num_batched_tokens", 2, 4), lever("max_num_seqs", 1))

    def fits(settings: EngineSettings) -> bool:
        return settings.max_num_batched_tokens < 2 and bool(settings.max_num_seqs)

    assert cheapest(found, START, BOUNDS, fits, never) == (0, 1)


def test_what_is_needed_in_any_case_is_pulled_before_the_search_begins() -> None:
    """6 levels each of 4 levers: 2,401 combinations, and only the last three of each lever can be enough."""
    found = tuple(lever(flag, 10, 20, 30, 40, 50, 60) for flag in FLAGS)
    judged = 0

    def fits(settings: EngineSettings) -> bool:
        nonlocal judged
        judged += 1
        return sum(getattr(settings, flag) for flag in FLAGS) >= 22

    choice = cheapest(found, START, BOUNDS, fits, lambda settings: not fits(settings))
    assert choice is not None
    assert price(found, choice) == 220
    assert judged < 100
