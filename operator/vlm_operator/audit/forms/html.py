"""An audit, or one plan, as one self-contained HTML file: no network, no script but its own."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import jinja2

from vlm_operator.audit.audit import Audit
from vlm_operator.audit.finding import Finding, Severity
from vlm_operator.audit.fit_matrix import Fit, Outcome
from vlm_operator.audit.report import finding_to_json, summary
from vlm_operator.audit.server import Server
from vlm_operator.engine.flags import shown_flags
from vlm_operator.planning.memory_parts import Part, memory_parts
from vlm_operator.planning.plan import Plan
from vlm_operator.units import format_gib

MIB: Final = 2**20

_WORDS: Final[Mapping[Outcome, tuple[str, str, str]]] = {
    Outcome.AS_WANTED: ("fits", "✓", "Fits, and nothing has to give way."),
    Outcome.WITH_LEVERS: ("with levers", "±", "Fits with flags that cost something; they are named."),
    Outcome.TIGHT: ("tight", "~", "Fits by the best estimate only."),
    Outcome.NEEDS_MORE: ("needs more", "+", "Fits on more of these GPUs than one node has."),
    Outcome.REFUSED: ("does not fit", "✕", "Fits on no number of these GPUs up to eight, or vLLM would refuse it."),
    Outcome.UNKNOWN: ("unknown", "?", "A fact is not known for certain."),
}
"""Of each outcome: its word, its sign (so that colour is never all there is), its meaning."""

_PARTS: Final = tuple(Part)

_PLURALS: Final = {Severity.ERROR: "errors", Severity.WARNING: "warnings", Severity.INFO: "infos"}


def audit_to_html(audit: Audit, *, stamp: str = "") -> str:
    """The page of an audit.

    Args:
        stamp: when and of what it was made, in words.
    """
    return _page(
        title="GPU audit",
        stamp=stamp,
        summary=_summary(audit),
        groups=[_group(audit, index) for index in range(len(audit.fleet.groups))],
        matrix=_matrix(audit.fits),
        findings=[_finding(finding) for finding in audit.findings],
        kinds=sorted({str(finding.kind) for finding in audit.findings}),
        severities=list(Severity),
        servers=[_server(server) for server in audit.servers if server.plan is not None and server.plan.budget],
        plans=[],
    )


def plan_to_html(plan: Plan, command: Sequence[str], *, stamp: str = "") -> str:
    """The page of one plan."""
    return _page(
        title=f"Plan: {plan.model.model}",
        stamp=stamp,
        summary=None,
        groups=[],
        matrix=None,
        findings=[],
        kinds=[],
        severities=[],
        servers=[],
        plans=[_plan(plan, command)],
    )


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vlm_operator.audit.forms", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["gib"] = format_gib
    environment.filters["short"] = short_tokens
    return environment


def _page(**values: Any) -> str:
    parts = [{"key": part.name.lower().replace("_", "-"), "name": str(part)} for part in _PARTS]
    outcomes = [
        {"key": str(outcome), "word": word, "sign": sign, "meaning": meaning}
        for outcome, (word, sign, meaning) in _WORDS.items()
    ]
    return _environment().get_template("page.html.j2").render(parts=parts, outcomes=outcomes, **values)


def short_tokens(tokens: int) -> str:
    """Tokens for a narrow cell: rounded down, K is 1,024.

    >>> short_tokens(262144), short_tokens(19920), short_tokens(512), short_tokens(1048576)
    ('256K', '19K', '512', '1M')
    """
    if tokens < 1024:
        return str(tokens)
    return f"{tokens // 2**20}M" if tokens >= 2**20 and tokens % 2**20 == 0 else f"{tokens // 1024}K"


def _summary(audit: Audit) -> dict[str, Any]:
    counts = summary(audit)
    found = [(_PLURALS[severity], counts["findings"][severity], severity) for severity in Severity]
    return {
        "tiles": [
            ("servers", counts["servers"], ""),
            ("nodes", counts["nodes"], ""),
            ("node groups", counts["nodeGroups"], ""),
            ("models", counts["models"], ""),
            *found,
            *([("known", counts["known"], "")] if counts["known"] else []),
        ],
        "to": None if audit.to is None else str(audit.to),
    }


def _group(audit: Audit, index: int) -> dict[str, Any]:
    group = audit.fleet.groups[index]
    return {
        "name": group.name,
        "nodes": len(group.members),
        "gpus": sum(1 for _ in group.members) * group.count,
        "free": group.free,
        "most_free": group.most_free,
        "total": group.gpu.total_bytes,
        "resource": group.resource,
    }


def _matrix(fits: tuple[Fit, ...]) -> dict[str, Any] | None:
    """Rows of the heat map, and what a chosen cell tells, by index into lists of words that many cells share."""
    if not fits:
        return None
    groups = list(dict.fromkeys(fit.group.name for fit in fits))
    words = _Words()
    rows: dict[str, list[Fit]] = {}
    for fit in fits:
        rows.setdefault(fit.model, []).append(fit)
    outcomes = list(_WORDS)
    details = [
        [
            outcomes.index(fit.outcome), fit.gpus, fit.max_model_len, str(fit.verdict), words.index(fit.reason),
            words.index(fit.message), words.index(" ".join(fit.levers)), fit.startable, fit.idle_share,
            _bar(fit.plan), words.index(fit.plan.hint or "" if fit.plan is not None else ""),
        ]
        for fit in fits
    ]  # fmt: skip
    return {
        "groups": groups,
        "rows": list(rows.items()),
        "signs": {outcome: sign for outcome, (_, sign, _) in _WORDS.items()},
        "data": {"groups": groups, "models": list(rows), "words": words.listed, "cells": details},
        "counts": Counter(str(fit.outcome) for fit in fits),
    }


class _Words:
    """Texts that many cells share, each once."""

    def __init__(self) -> None:
        self.listed: list[str] = []
        self._known: dict[str, int] = {}

    def index(self, text: str) -> int:
        if text not in self._known:
            self._known[text] = len(self.listed)
            self.listed.append(text)
        return self._known[text]


def _bar(plan: Plan | None) -> list[int] | None:
    """MiB of each part of a plan's bar; None where nothing was computed."""
    if plan is None or plan.budget is None:
        return None
    return [size // MIB for size in memory_parts(plan.budget, plan.cup).values()]


def _bar_words(plan: Plan) -> str:
    if plan.budget is None:
        return ""
    parts = memory_parts(plan.budget, plan.cup)
    return ", ".join(f"{part} {format_gib(size)}" for part, size in parts.items() if size >= MIB)


def _finding(finding: Finding) -> dict[str, Any]:
    document = finding_to_json(finding)
    return {
        **document,
        "subject": str(finding.subject),
        "rank": finding.severity.rank,
        "figures": _figures(finding.figures),
        "text": " ".join((str(finding.subject), finding.kind, finding.message, finding.remedy)).lower(),
    }


def _figures(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Figures for people: bytes as GiB."""
    return [
        (name, format_gib(value) if name.endswith("Bytes") and isinstance(value, int) else str(value))
        for name, value in figures.items()
    ]


def _server(server: Server) -> dict[str, Any]:
    made = server.plan
    assert made is not None
    return {
        "name": str(server.pod.workload),
        "pod": server.pod.name,
        "node": server.pod.node,
        "model": server.pod.model,
        "where": f"{made.gpu_count}x {made.gpu.label}" if made.gpu is not None else "",
        "verdict": str(made.verdict),
        "message": made.message,
        "bar": _bar(made),
        "words": _bar_words(made),
    }


def _plan(plan: Plan, command: Sequence[str]) -> dict[str, Any]:
    flags = {f"--{name.replace('_', '-')}": value for name, value in shown_flags(plan.settings).items()}
    return {
        "model": plan.model.model,
        "where": f"{plan.gpu_count}x {plan.gpu.label}" if plan.gpu is not None else "CPU",
        "version": str(plan.version),
        "verdict": str(plan.verdict),
        "message": plan.message,
        "hint": plan.hint,
        "bar": _bar(plan),
        "words": _bar_words(plan),
        "parts": _part_rows(plan),
        "flags": [(flag, value) for flag, value in flags.items() if value not in (None, {}, False)],
        "pinned": {f"--{name.replace('_', '-')}" for name in plan.intent.pinned},
        "explanation": plan.explanation,
        "moves": [_move(move) for move in plan.ladder],
        "command": " ".join(_quoted(command)),
    }


def _part_rows(plan: Plan) -> list[tuple[str, str, str]]:
    if plan.budget is None:
        return []
    parts = memory_parts(plan.budget, plan.cup)
    return [(part.name.lower().replace("_", "-"), str(part), format_gib(size)) for part, size in parts.items() if size]


def _move(move: Any) -> tuple[str, str, str, bool]:
    flag = f"--{move.change[0][0].replace('_', '-')}"
    return flag, format_gib(move.gain_bytes), move.cost, move.applied


def _quoted(command: Iterable[str]) -> Iterable[str]:
    import shlex

    return map(shlex.quote, command)
