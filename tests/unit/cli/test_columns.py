"""Tables of columns: whole for programs, folded for narrow terminals."""

from __future__ import annotations

import pytest

from vlm_operator.cli.columns import Column, print_columns

COLUMNS = (Column("NAME"), Column("SIZE", 0, right=True), Column("KIND", 1), Column("NOTE", 2))
ROWS = (("first", "1 GiB", "HBM", "a long note"), ("second", "20 GiB", "GDDR", "-"))


@pytest.mark.parametrize(
    ("width", "lines", "said"),
    [
        pytest.param(None, ["NAME      SIZE  KIND  NOTE", "first    1 GiB  HBM   a long note",
                            "second  20 GiB  GDDR  -"], "", id="not a terminal: all of it"),
        pytest.param(33, ["NAME      SIZE  KIND  NOTE", "first    1 GiB  HBM   a long note",
                          "second  20 GiB  GDDR  -"], "", id="wide enough to the character"),
        pytest.param(32, ["NAME      SIZE  KIND", "first    1 GiB  HBM", "second  20 GiB  GDDR"],
                     "not shown, the terminal is too narrow: note", id="the highest rank goes first"),
        pytest.param(5, ["NAME      SIZE", "first    1 GiB", "second  20 GiB"],
                     "not shown, the terminal is too narrow: kind, note", id="what matters stays"),
    ],
)  # fmt: skip
def test_the_least_important_columns_are_left_out(
    width: int | None, lines: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    print_columns(COLUMNS, ROWS, width)
    printed = capsys.readouterr()
    assert printed.out.splitlines() == lines
    assert printed.err.strip() == said


def test_a_table_without_rows_has_its_headers(capsys: pytest.CaptureFixture[str]) -> None:
    print_columns(COLUMNS, (), None)
    assert capsys.readouterr().out == "NAME  SIZE  KIND  NOTE\n"
