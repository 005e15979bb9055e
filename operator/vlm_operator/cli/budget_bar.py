"""The bar of a budget: one card from end to end, and what lies beyond it. It reads without colour and in ASCII."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from rich.console import Console
from rich.text import Text

from vlm_operator.planning.memory_parts import Part, memory_parts
from vlm_operator.planning.plan import Plan
from vlm_operator.units import format_gib

CELLS: Final = 72
"""Longest bar, characters; shorter on a narrow terminal."""


class Drawn(NamedTuple):
    """A part of the card as it is drawn: the letter, its name, bytes and colour."""

    letter: str
    name: str
    size: int
    style: str


_DRAWN: Final = {
    Part.WEIGHTS: ("W", "white on blue"),
    Part.PEAK: ("P", "black on yellow"),
    Part.NON_TORCH: ("N", "white on magenta"),
    Part.GRAPHS: ("G", "black on cyan"),
    Part.CUP: ("C", "black on green"),
    Part.REST: ("K", "black on bright_green"),
    Part.FREE: (".", "bright_black"),
}


def parts(plan: Plan) -> list[Drawn]:
    """The card's memory in the order in which vLLM takes it, without what is nothing."""
    assert plan.budget is not None
    sizes = memory_parts(plan.budget, plan.cup)
    return [Drawn(letter, str(part), sizes[part], style) for part, (letter, style) in _DRAWN.items() if sizes[part] > 0]


def print_budget(console: Console, plan: Plan) -> None:
    """Print the bar, the end of the card where it is not enough, and a line for each part."""
    found, total = parts(plan), plan.budget.total_bytes if plan.budget else 0
    need = sum(part.size for part in found)
    scale, cells = max(need, total, 1), min(CELLS, console.width - 4)
    console.print(Text("  ").append_text(Text("").join(_cells(found, scale, cells))), soft_wrap=True)
    if need > total:
        end = min(round(cells * total / scale), cells - 1)
        words = f"{format_gib(need)} on a card of {format_gib(total)}: {format_gib(need - total)} too much"
        console.print(Text(f"  {' ' * end}^ the card ends here"), soft_wrap=True)
        console.print(Text(f"  {words}", style="bold red"))
    width = max(len(part.name) for part in found)
    for part in found:
        mark = Text(f" {part.letter} ", style=part.style)
        console.print(Text("  ").append_text(mark).append(f" {part.name:{width}}  {format_gib(part.size):>11}"))


def _cells(found: list[Drawn], scale: int, cells: int) -> Iterator[Text]:
    drawn = seen = 0
    for part in found:
        seen += part.size
        width = round(cells * seen / scale) - drawn
        drawn += width
        yield Text(part.letter * width, style=part.style)
