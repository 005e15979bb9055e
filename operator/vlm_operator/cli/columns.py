"""Tables in plain columns: whole where a program reads, without the least important columns on a narrow terminal."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import NamedTuple

import click

GAP = "  "


class Column(NamedTuple):
    """A column: its header, its rank (0 is never left out), whether it is aligned to the right."""

    header: str
    rank: int = 0
    right: bool = False


def terminal_width() -> int | None:
    """Columns of the terminal that standard output is; None where it is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_columns(columns: Sequence[Column], rows: Sequence[Sequence[str]], width: int | None) -> None:
    """Print the rows below their headers; columns of the highest ranks are left out until a line fits ``width``."""
    widths = [
        max(len(column.header), *(len(row[place]) for row in rows), 0) if rows else len(column.header)
        for place, column in enumerate(columns)
    ]
    shown = list(range(len(columns)))
    while width is not None and sum(widths[place] + len(GAP) for place in shown) - len(GAP) > width:
        least = max(shown, key=lambda place: columns[place].rank)
        if columns[least].rank == 0:
            break
        shown.remove(least)
    for row in ([column.header for column in columns], *rows):
        cells = (
            row[place].rjust(widths[place]) if columns[place].right else row[place].ljust(widths[place])
            for place in shown
        )
        click.echo(GAP.join(cells).rstrip())
    if left := [column.header.lower() for place, column in enumerate(columns) if place not in shown]:
        click.echo(f"not shown, the terminal is too narrow: {', '.join(left)}", err=True)
