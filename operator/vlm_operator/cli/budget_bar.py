"""The bar of a budget: one card from end to end, and what lies beyond it. It reads without colour and in ASCII."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from rich.console import Console
from rich.text import Text

from vlm_operator.planning.plan import Plan
from vlm_operator.units import format_gib

CELLS: Final = 72
"""Longest bar, characters; shorter on a narrow terminal."""


class Part(NamedTuple):
    """A part of the card: the letter that draws it, its name, bytes and colour."""

    letter: str
    name: str
    size: int
    style: str


def parts(plan: Plan) -> list[Part]:
    """The card's memory in the order in which vLLM takes it, without what is nothing."""
    budget = plan.budget
    assert budget is not None
    cup = min(plan.cup.needed_bytes if plan.cup else 0, max(budget.kv_cache_bytes, 0))
    found = [
        Part("W", "weights", budget.weights_bytes, "white on blue"),
        Part("P", "start-up peak", budget.activation_peak_bytes, "black on yellow"),
        Part("N", "non-torch", budget.non_torch_bytes, "white on magenta"),
        Part("G", "CUDA graphs", budget.cuda_graph_bytes, "black on cyan"),
        Part("C", "KV cache: the cup", cup, "black on green"),
        Part("K", "KV cache: the rest", budget.kv_cache_bytes - cup, "black on bright_green"),
        Part(".", "not requested", budget.total_bytes - budget.requested_bytes, "bright_black"),
    ]
    taken = sum(max(part.size, 0) for part in found)
    if taken > budget.total_bytes:  # what is not requested is no room: it is taken from
        found[-1] = found[-1]._replace(size=max(found[-1].size - (taken - budget.total_bytes), 0))
    return [part for part in found if part.size > 0]


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


def _cells(found: list[Part], scale: int, cells: int) -> Iterator[Text]:
    drawn = seen = 0
    for part in found:
        seen += part.size
        width = round(cells * seen / scale) - drawn
        drawn += width
        yield Text(part.letter * width, style=part.style)
