"""An audit as Markdown, for a comment on a pull request: summary, findings, the fit matrix folded away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from vlm_operator.audit.audit import Audit
from vlm_operator.audit.finding import Finding, Severity
from vlm_operator.audit.fit_matrix import Fit, Outcome
from vlm_operator.audit.report import summary

LARGEST: Final = 60_000
"""Characters: GitHub takes 65,536 in one comment."""

_SPECIAL: Final = re.compile(r"([\\`*_{}\[\]<>|#])")
_OUTCOMES: Final = {
    Outcome.AS_WANTED: "fits",
    Outcome.WITH_LEVERS: "with levers",
    Outcome.TIGHT: "tight",
    Outcome.NEEDS_MORE: "needs more GPUs",
    Outcome.REFUSED: "does not fit",
    Outcome.UNKNOWN: "unknown",
}


def audit_to_markdown(audit: Audit) -> str:
    """The page; rows beyond what one comment holds are counted and left out."""
    shown = [finding for finding in audit.findings if not finding.known]
    lines = ["# Audit", "", _summary(audit), ""]
    size = sum(map(len, lines))
    for severity in Severity:
        rows = [_row(finding) for finding in shown if finding.severity is severity]
        if rows:
            lines += [
                f"## {severity.capitalize()}s ({len(rows)})",
                "",
                "| object | finding | remedy |",
                "|---|---|---|",
            ]
            size += _add(lines, rows, LARGEST - size)
            lines.append("")
    if not shown:
        lines += ["No findings.", ""]
    if audit.fits:
        lines += ["<details><summary>What fits where</summary>", "", *_matrix_head(audit.fits)]
        _add(lines, list(_matrix(audit.fits)), LARGEST - size)
        lines += ["", "</details>", ""]
    return "\n".join(lines)


def _add(lines: list[str], rows: list[str], room: int) -> int:
    """Add rows as long as there is room; their size."""
    used = 0
    for number, row in enumerate(rows):
        if used + len(row) > room:
            lines.append("")
            lines.append(f"{len(rows) - number} more are left out here: `vlmctl audit -o json` has all.")
            return used
        lines.append(row)
        used += len(row) + 1
    return used


def _summary(audit: Audit) -> str:
    counts = summary(audit)
    found = ", ".join(f"{count} {name}" for name, count in counts["findings"].items())
    known = f", {counts['known']} accepted by the baseline" if counts["known"] else ""
    upgrade = f"; upgrade check to vLLM {audit.to}" if audit.to else ""
    return f"{counts['servers']} servers on {counts['nodes']} nodes: {found}{known}{upgrade}."


def _row(finding: Finding) -> str:
    return (
        f"| {_plain(str(finding.subject))} | **{finding.kind}**: {_plain(finding.message)} | {_plain(finding.remedy)} |"
    )


def _groups(fits: tuple[Fit, ...]) -> list[str]:
    return list(dict.fromkeys(fit.group.name for fit in fits))


def _matrix_head(fits: tuple[Fit, ...]) -> list[str]:
    groups = _groups(fits)
    return [f"| model | {' | '.join(map(_plain, groups))} |", f"|---|{'---|' * len(groups)}"]


def _matrix(fits: tuple[Fit, ...]) -> Iterator[str]:
    cells = {(fit.model, fit.group.name): fit for fit in fits}
    for model in dict.fromkeys(fit.model for fit in fits):
        yield f"| {_plain(model)} | {' | '.join(_cell(cells[model, group]) for group in _groups(fits))} |"


def _cell(fit: Fit) -> str:
    words = _OUTCOMES[fit.outcome]
    return f"{words}: {fit.gpus} GPU{'s' if fit.gpus > 1 else ''}, {fit.max_model_len:,}" if fit.gpus else words


def _plain(text: str) -> str:
    """The text with nothing that Markdown reads as its own, in one line."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))
