"""Results are remembered for a value itself, not for values that look like it."""

from __future__ import annotations

import pytest

from vlm_operator.identity_cache import cached_by_identity


def test_the_same_value_is_worked_out_once_and_an_equal_one_anew() -> None:
    seen: list[list[int]] = []

    @cached_by_identity()
    def total(numbers: list[int], times: int) -> int:
        seen.append(numbers)
        return sum(numbers) * times

    first, equal = [1, 2], [1, 2]
    assert [total(first, 2), total(first, 2), total(equal, 2), total(first, 3)] == [6, 6, 6, 9]
    assert list(map(id, seen)) == [id(first), id(equal), id(first)]


def test_what_the_result_does_not_depend_on_is_left_out_of_the_key() -> None:
    calls = 0

    @cached_by_identity(2, by=lambda flags: flags["length"])
    def counted(one: object, other: object, flags: dict[str, int]) -> int:
        nonlocal calls
        calls += 1
        return flags["length"]

    one, other = object(), object()
    assert counted(one, other, {"length": 1, "share": 8}) == counted(one, other, {"length": 1, "share": 9}) == 1
    assert counted(other, one, {"length": 1}) == 1
    assert calls == 2


def test_no_more_than_the_given_number_is_kept() -> None:
    calls = 0

    @cached_by_identity(kept=2)
    def count(value: object) -> int:
        nonlocal calls
        calls += 1
        return calls

    first, second, third = object(), object(), object()
    assert [count(first), count(second), count(third), count(first)] == [1, 2, 3, 4]


def test_an_error_is_raised_again_each_time() -> None:
    calls = 0

    @cached_by_identity()
    def fails(value: object) -> int:
        nonlocal calls
        calls += 1
        raise ValueError(calls)

    value = object()
    for expected in (1, 2):
        with pytest.raises(ValueError, match=str(expected)):
            fails(value)
    assert calls == 2


def test_arguments_by_name_count_like_those_by_position() -> None:
    calls = 0

    @cached_by_identity()
    def scaled(values: list[int], factor: int, offset: int = 0, *, sign: int = 1) -> int:
        nonlocal calls
        calls += 1
        return sign * (sum(values) * factor + offset)

    values = [1, 2]
    assert [scaled(values, factor=2), scaled(values, factor=3), scaled(values, factor=2, offset=1)] == [6, 9, 7]
    assert scaled(values=values, factor=3) == 9
    assert scaled(values, 3, sign=-1) == -9
    assert calls == 4
