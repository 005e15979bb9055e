"""Lines that are new in a log: each once, by their timestamps, whole failures only."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from vlm_operator.lifecycle.service_log import nanoseconds, new_lines

NOW = datetime(2026, 12, 1, 10, 0, 30, tzinfo=UTC)
TEXT = (
    "2026-12-01T10:00:01.000000001Z one\n"
    "2026-12-01T10:00:01.000000002Z two\n"
    "goes on\n"
    "2026-12-01T12:00:02.5+02:00 three\n"
    "2026-12-01T10:00:29.000000000Z young\n"
)


@pytest.mark.parametrize(
    ("since", "lines"),
    [
        pytest.param(None, ("one", "two", "goes on", "three"), id="from the beginning"),
        pytest.param("2026-12-01T10:00:01.000000001Z", ("two", "goes on", "three"), id="to the nanosecond"),
        pytest.param("2026-12-01T10:00:01.000000002Z", ("three",), id="what goes on belongs to its line"),
        pytest.param("2026-12-01T11:00:02.500+01:00", (), id="in another time zone"),
    ],
)
def test_lines_after_the_last_that_was_taken(since: str | None, lines: tuple[str, ...]) -> None:
    found, until = new_lines(TEXT, since, NOW)
    assert found == lines
    assert nanoseconds(until) == nanoseconds("2026-12-01T10:00:02.500Z")


def test_a_line_that_the_byte_limit_cut_waits_for_the_next_look() -> None:
    found, until = new_lines(TEXT[:60], None, NOW, cut=True)
    assert (found, until) == (("one",), "2026-12-01T10:00:01.000000001Z")


def test_where_nothing_is_new_the_place_stays() -> None:
    assert new_lines("", "2026-12-01T10:00:01Z", NOW) == ((), "2026-12-01T10:00:01Z")


@pytest.mark.parametrize("stamp", ["", "INFO 12-01", "2026-13-01T00:00:00Z", "2026-12-01T00:00:00.xZ", None])
def test_other_text_is_no_time(stamp: str | None) -> None:
    assert nanoseconds(stamp) is None
