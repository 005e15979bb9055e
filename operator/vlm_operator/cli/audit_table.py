"""An audit for people: the fit matrix, the findings, the summary; as wide as the terminal."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Final

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from vlm_operator.audit.audit import Audit
from vlm_operator.audit.finding import Finding, Severity
from vlm_operator.audit.fit_matrix import Fit, Outcome
from vlm_operator.audit.report import summary
from vlm_operator.units import format_gib

STYLES: Final = {Severity.ERROR: "bold red", Severity.WARNING: "yellow", Severity.INFO: "cyan"}
_OUTCOMES: Final = {
    Outcome.AS_WANTED: ("fits", "green"),
    Outcome.WITH_LEVERS: ("with levers", "yellow"),
    Outcome.TIGHT: ("tight", "yellow"),
    Outcome.NEEDS_MORE: ("needs more", "magenta"),
    Outcome.REFUSED: ("does not fit", "red"),
    Outcome.UNKNOWN: ("unknown", "bright_black"),
}
_WIDE: Final = 140
"""From this width on a cell's reason and a finding's pods are shown, too."""


def print_audit(audit: Audit) -> None:
    """Print to stdout."""
    width = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() or os.environ.get("COLUMNS") else 80
    console = Console(highlight=False, width=max(width, 60))
    _print_groups(console, audit)
    if audit.fits:
        console.print()
        _print_fits(console, audit.fits)
    console.print()
    _print_findings(console, audit.findings)
    counts = summary(audit)
    by_severity = ", ".join(f"{count} {name}" for name, count in counts["findings"].items())
    known = f", {counts['known']} known" if counts["known"] else ""
    console.print(Text(f"{counts['servers']} servers on {counts['nodes']} nodes: {by_severity}{known}", style="bold"))


def _table(*columns: tuple[str, str], **more: bool) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 1), header_style="bold", **more)  # type: ignore[arg-type]
    for name, justify in columns:
        table.add_column(name, justify="right" if justify == "right" else "left", overflow="fold")
    return table


def _print_groups(console: Console, audit: Audit) -> None:
    table = _table(
        ("NODE GROUP", ""), ("NODES", "right"), ("FREE", "right"), ("ON ONE NODE", "right"), ("MEMORY", "right")
    )
    for group in audit.fleet.groups:
        table.add_row(
            group.name,
            str(len(group.members)),
            str(group.free),
            str(group.most_free),
            format_gib(group.gpu.total_bytes),
        )
    console.print(table)


def _print_fits(console: Console, fits: tuple[Fit, ...]) -> None:
    is_wide = console.width >= _WIDE
    columns = [
        ("MODEL", ""),
        ("NODE GROUP", ""),
        ("FIT", ""),
        ("GPUS", "right"),
        ("CONTEXT", "right"),
        ("IDLE", "right"),
    ]
    table = _table(*columns, *([("LEVERS, REASON", "")] if is_wide else []))
    model = ""
    for fit in fits:
        words, style = _OUTCOMES[fit.outcome]
        shown = fit.model if is_wide else fit.model.rpartition("/")[2]
        fits_at_all = bool(fit.gpus)
        row: list[str | Text] = [
            shown if fit.model != model else "",
            fit.group.name if is_wide else _short(fit.group.name),
            Text(words, style=style),
            str(fit.gpus) if fits_at_all else "-",
            f"{fit.max_model_len:,}" if fits_at_all else "-",
            f"{fit.idle_share:.0%}" if fits_at_all else "-",
        ]
        if is_wide:
            row.append(" ".join(fit.levers) if fits_at_all else f"{fit.reason}: {fit.message}")
        table.add_row(*row)
        model = fit.model
    console.print(table)


def _short(group: str) -> str:
    """The name of a group without what most products share.

    >>> _short("2x NVIDIA-GeForce-RTX-5090")
    '2x RTX-5090'
    """
    return group.replace("NVIDIA-", "").replace("GeForce-", "")


def _print_findings(console: Console, findings: tuple[Finding, ...]) -> None:
    shown = [finding for finding in findings if not finding.known]
    if not shown:
        console.print("No findings.")
        return
    for finding in shown:
        console.print(
            Text.assemble(
                (f"{finding.severity.upper():8}", STYLES[finding.severity]), (str(finding.kind), "bold"), "  ",
                str(finding.subject), *([f"  {_pods(finding)}"] if console.width >= _WIDE and finding.pods else []),
            )
        )  # fmt: skip
        console.print(Padding(Text(finding.message), (0, 0, 0, 8), expand=False))
        console.print(Padding(Text(f"-> {finding.remedy}", style="green"), (0, 0, 0, 8), expand=False))
    console.print()


def _pods(finding: Finding) -> str:
    first, *others = finding.pods
    return f"(pod {first}{f' and {len(others)} more' if others else ''})"
