"""A plan for people: the verdict, a bar of the budget, the flags, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from vlm_operator.engine.flags import plain_value, shown_flags
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.verdict import Verdict
from vlm_operator.units import format_gib

STYLES: Final = {
    Verdict.FITS: "bold green",
    Verdict.FITS_TIGHT: "bold yellow",
    Verdict.DOES_NOT_FIT: "bold red",
    Verdict.UNSUPPORTED: "bold red",
    Verdict.UNKNOWN: "bold magenta",
}
BAR_WIDTH: Final = 72


def print_plan(plan: Plan, command: Sequence[str]) -> None:
    """Print the plan to stdout; ``command`` serves it."""
    console = Console(highlight=False, soft_wrap=True)
    gpu = f"{plan.gpu_count} x {plan.gpu.label}" if plan.gpu else "CPU"
    console.print(Text(f"{plan.model.model} on {gpu}, vLLM {plan.version}", style="bold"))
    console.print(Text.assemble((str(plan.verdict), STYLES[plan.verdict]), f": {plan.message}"))
    if plan.hint:
        console.print(Text(f"hint: {plan.hint}"))
    if plan.budget is not None:
        console.print()
        _print_budget(console, plan)
    for found in plan.infeasible:
        console.print(Text(f"source: {found.source}", style="dim"))
    if plan.verdict not in {Verdict.UNKNOWN, Verdict.UNSUPPORTED}:
        console.print()
        for sentence in plan.explanation:
            console.print(Text(f"  {sentence}"))
        for other in plan.alternatives:
            console.print(Text(f"  {other.message}."))
        _print_flags(console, plan)
        _print_ladder(console, plan)
        console.print()
        variables = [f"{name}={value}" for name, value in plan.environment.items()]
        console.print(Text(" ".join([*variables, *(_quoted(argument) for argument in command)])))


def _parts(plan: Plan) -> list[tuple[str, int, str]]:
    budget = plan.budget
    assert budget is not None
    cup = min(plan.cup.needed_bytes if plan.cup else 0, max(budget.kv_cache_bytes, 0))
    free = max(budget.total_bytes - budget.requested_bytes, 0)
    return [
        ("weights", budget.weights_bytes, "blue"),
        ("start-up peak", budget.activation_peak_bytes, "yellow"),
        ("non-torch", max(budget.non_torch_bytes, 0), "magenta"),
        ("CUDA graphs", budget.cuda_graph_bytes, "cyan"),
        ("KV cache: the cup", cup, "green"),
        ("KV cache: the rest", max(budget.kv_cache_bytes - cup, 0), "bright_green"),
        ("not requested", free, "bright_black"),
    ]


def _print_budget(console: Console, plan: Plan) -> None:
    parts = _parts(plan)
    total = max(sum(size for _, size, _ in parts), 1)
    bar = Text("  ")
    drawn = 0
    seen = 0
    for _, size, style in parts:
        seen += size
        width = round(BAR_WIDTH * seen / total) - drawn
        drawn += width
        bar.append("█" * width, style=style)
    console.print(bar)
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2))
    table.add_column()
    table.add_column(justify="right")
    for name, size, style in parts:
        table.add_row(Text.assemble(("  ■ ", style), name), format_gib(size))
    console.print(table)


def _print_flags(console: Console, plan: Plan) -> None:
    console.print()
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2))
    for name, value in shown_flags(plan.settings).items():
        if value in (None, {}, False):
            continue
        pinned = "pinned" if name in plan.intent.pinned else ""
        table.add_row(f"  --{name.replace('_', '-')}", _shown(value), Text(pinned, style="bright_black"))
    console.print(table)


def _print_ladder(console: Console, plan: Plan) -> None:
    if not plan.ladder:
        return
    console.print()
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="bold")
    for header in ("  moves", "gain", "price"):
        table.add_column(header)
    for move in plan.ladder:
        flag, _, after = move.change[0]
        mark = "✓" if move.applied else " "
        table.add_row(
            f"{mark} --{flag.replace('_', '-')} {_shown(plain_value(flag, after))}",
            format_gib(move.gain_bytes),
            move.cost,
        )
    console.print(table)


def _shown(value: Any) -> str:
    import json

    return json.dumps(value) if isinstance(value, dict) else str(value)


def _quoted(argument: str) -> str:
    import shlex

    return shlex.quote(argument)
