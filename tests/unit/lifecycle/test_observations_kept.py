"""At most 500 observations are kept; the least recently used are deleted."""

from __future__ import annotations

import pytest

from vlm_operator.lifecycle.observations import LIMIT, superfluous


def used_at(number: int, stamp: str) -> dict[str, object]:
    return {"metadata": {"name": f"o-{number}"}, "spec": {"lastUsedAt": stamp}}


@pytest.mark.parametrize(("count", "deleted"), [(0, 0), (499, 0), (500, 0), (501, 1), (510, 10)])
def test_as_many_are_deleted_as_there_are_too_many(count: int, deleted: int) -> None:
    assert LIMIT == 500
    items = [used_at(number, f"2026-11-{1 + number % 28:02}T00:00:00Z") for number in range(count)]
    assert len(superfluous(items)) == deleted


def test_those_that_were_unused_longest_go_first_and_unused_ones_before_all() -> None:
    kept = [used_at(number, "2026-11-20T00:00:00Z") for number in range(499)]
    never = {"metadata": {"name": "never"}, "spec": {}}
    oldest = used_at(900, "2026-11-01T00:00:00Z")
    newest = used_at(901, "2026-11-30T00:00:00Z")
    assert superfluous([newest, *kept, oldest, never]) == ("never", "o-900")
