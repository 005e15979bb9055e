"""A plan for people: the verdict, a bar of the budget, the flags, and why."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Callable, Sequence
from typing import Any, Final

from rich.console import Console
from rich.text import Text

from vlm_operator.cli.budget_bar import print_budget
from vlm_operator.cli.stage_table import on_every_node, print_stages
from vlm_operator.engine.flags import canonical_json, plain_value, shown_flags
from vlm_operator.planning.host_memory import host_sentences
from vlm_operator.planning.mig_profiles import slice_words
from vlm_operator.planning.more_nodes import nodes_that_hold
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


def print_plan(
    plan: Plan,
    command: Sequence[str],
    *,
    explain: bool = False,
    words: Callable[[str], str] = str,
    more_hints: Sequence[str] = (),
) -> None:
    """Print the plan to stdout.

    Args:
        command: serves it; printed only where it can.
        explain: every figure, flag and lever too, not only what matters most.
        words: how sentences name what a user sets.
        more_hints: next steps beside the plan's own.
    """
    console = Console(highlight=False)
    gpu = f"{plan.gpu_count} x {plan.gpu.label}" if plan.gpu else "CPU"
    if plan.nodes > 1:
        gpu = f"{plan.nodes} nodes with {plan.gpus_per_node} x {plan.gpu.label if plan.gpu else ''}"
    console.print(Text(f"{plan.model.model} on {gpu}, vLLM {plan.version}", style="bold"))
    console.print(Text.assemble((str(plan.verdict), STYLES[plan.verdict]), f": {words(plan.message)}"))
    if plan.hint:
        console.print(Text(f"hint: {words(plan.hint)}"))
    for more in filter(None, (nodes_that_hold(plan), slice_words(plan))):
        console.print(Text(f"hint: {more}"))
    for hint in more_hints:
        console.print(Text(f"hint: {hint}"))
    if plan.budget is not None:
        console.print()
        print_budget(console, plan)
        print_stages(console, plan)
    for found in plan.infeasible:
        console.print(Text(f"source: {found.source}", style="dim"))
    if plan.verdict not in {Verdict.UNKNOWN, Verdict.UNSUPPORTED}:
        _print_why(console, plan, words, explain=explain)
    if plan.fits:
        console.print()
        variables = [f"{name}={value}" for name, value in plan.environment.items()]
        console.print(
            Text(" ".join([*variables, *map(shlex.quote, command)])), soft_wrap=True
        )  # one line, to be copied
        if plan.nodes > 1:
            console.print()
            console.print(Text(on_every_node(plan.nodes)))


def _print_why(console: Console, plan: Plan, words: Callable[[str], str], *, explain: bool) -> None:
    """The sentences, the levers, and with ``explain`` the flags."""
    console.print()
    others = [f"{other.message}." for other in plan.alternatives]
    told = (*plan.explanation, *host_sentences(plan)) if explain else plan.summary
    for sentence in (*told, *others):
        _print_indented(console, f"  {words(sentence)}")
    if explain:
        _print_flags(console, plan)
    _print_ladder(console, plan, applied_only=plan.fits and not explain)
    if not explain:
        console.print()
        console.print(Text("  --explain says how each figure comes about, and which levers there were.", style="dim"))


def _print_flags(console: Console, plan: Plan) -> None:
    console.print()
    flags = {name: value for name, value in shown_flags(plan.settings).items() if value not in (None, {}, False)}
    width = max(map(len, flags)) + 2
    for name, value in flags.items():
        pinned = "  (pinned)" if name in plan.intent.pinned else ""
        line = f"  {'--' + name.replace('_', '-'):{width}}  {_shown(value)}{pinned}"
        console.print(Text(line), soft_wrap=True)


def _print_ladder(console: Console, plan: Plan, *, applied_only: bool) -> None:
    moves = [move for move in plan.ladder if move.applied or not applied_only]
    if not moves:
        return
    console.print()
    chosen = "* chosen" if any(move.applied for move in moves) else "none is enough"
    console.print(Text(f"  levers ({chosen})", style="bold"))
    for move in moves:
        flag, _, after = move.change[0]
        name = f"--{flag.replace('_', '-')} {_shown(plain_value(flag, after))}".rstrip()
        gain = f"frees {format_gib(move.gain_bytes)}" if move.gain_bytes > 0 else "frees nothing by itself"
        _print_indented(console, f"{'*' if move.applied else ' '} {name}: {gain}; {move.cost}", 4)


def _print_indented(console: Console, line: str, indent: int = 2) -> None:
    """Print a line wrapped at words; the lines after the first are indented."""
    width = max(console.width, 20)
    wrapped = textwrap.wrap(line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
    console.print(Text("\n".join(wrapped)), soft_wrap=True)


def _shown(value: Any) -> str:
    if value is True:
        return ""
    return canonical_json(value) if isinstance(value, dict) else str(value)
