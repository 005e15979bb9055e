"""Plans of the VLMDeployments in several files and folders, with one summary; the exit code is the worst."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from vlm_operator.cli.exit_codes import EXIT_CODES
from vlm_operator.cli.manifest_files import Broken, Found
from vlm_operator.cli.output import emit
from vlm_operator.errors import VlmOperatorError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vlm_operator.cli.deployment_file import PlannedDeployment


@dataclass(frozen=True, slots=True)
class Row:
    """What came of one VLMDeployment, or of a file that holds a wrong one.

    Attributes:
        name: namespace and name; empty where the file does not tell.
        planned: None where it could not be planned.
        error: why not.
    """

    file: str
    name: str
    planned: PlannedDeployment | None
    error: VlmOperatorError | None = None

    @property
    def exit_code(self) -> int:
        """Of this one alone."""
        return self.error.exit_code if self.planned is None and self.error else EXIT_CODES[self._verdict()]

    def _verdict(self) -> str:
        assert self.planned is not None
        return str(self.planned.plan.verdict)

    def to_json(self) -> dict[str, Any]:
        """The plan as ``vlmctl plan -o json`` has it, with where it comes from; or the error."""
        head: dict[str, Any] = {"file": self.file, "name": self.name or None}
        if self.planned is None:
            assert self.error is not None
            return {**head, "error": {"message": self.error.message, "hint": self.error.hint}}
        from vlm_operator.planning.report import plan_to_json

        return {**head, **plan_to_json(self.planned.plan), "command": list(self.planned.server().command)}

    def cells(self) -> tuple[str, ...]:
        """For the summary: name, GPUs, verdict, context, tokens, message."""
        if self.planned is None:
            assert self.error is not None
            return self.name or self.file, "", "Error", "", "", self.error.message
        plan = self.planned.plan
        gpus = "CPU" if plan.gpu is None else f"{plan.gpu_count}x {plan.gpu.label}"
        if not plan.fits:
            return self.name, gpus, str(plan.verdict), "", "", plan.message
        context = f"{plan.cup.max_model_len:,}" if plan.cup else ""
        tokens = f"{plan.container.capacity_tokens:,}" if plan.container else ""
        return self.name, gpus, str(plan.verdict), context, tokens, ""


def rows_of(found: Iterable[Found | Broken], planned: Callable[[Found], PlannedDeployment]) -> Iterator[Row]:
    """The plan of each, one after another; what is wrong with one does not keep the others."""
    for each in found:
        if isinstance(each, Broken):
            yield Row(each.file, "", None, each.error)
            continue
        name = "/".join(each.key)
        try:
            yield Row(each.file, name, planned(each))
        except VlmOperatorError as error:
            yield Row(each.file, name, None, error)


def print_several(rows: list[Row], output: str) -> int:
    """Print all plans and a summary; returns the worst exit code."""
    answer = {"plans": [row.to_json() for row in rows], "summary": summary(rows)}
    emit(answer, output, lambda: _table(rows))
    return max(row.exit_code for row in rows)


def summary(rows: list[Row]) -> dict[str, int]:
    """How many of each verdict, and of files with an error; GPUs that all replicas of those that fit take."""
    counts: dict[str, int] = {}
    gpus = 0
    for row in rows:
        verdict = "Error" if row.planned is None else str(row.planned.plan.verdict)
        counts[verdict] = counts.get(verdict, 0) + 1
        if row.planned is not None and row.planned.plan.fits and row.planned.plan.gpu is not None:
            replicas = row.planned.deployment.spec.replicas
            gpus += row.planned.plan.gpu_count * (1 if replicas is None else replicas)
    return {"total": len(rows), **counts, "gpus": gpus}


def in_words(rows: list[Row]) -> str:
    """The summary in one line."""
    counted = summary(rows)
    verdicts = [f"{count} {name}" for name, count in counted.items() if name not in {"total", "gpus"}]
    return f"{counted['total']} VLMDeployments: {', '.join(verdicts)}; {counted['gpus']} GPUs for those that fit"


def _table(rows: list[Row]) -> None:
    head = ("NAME", "GPU", "VERDICT", "CONTEXT", "KV TOKENS", "")
    lines = [head, *(row.cells() for row in rows)]
    widths = [max(len(line[at]) for line in lines) for at in range(5)]
    for line in lines:
        cells = [cell.ljust(width) for cell, width in zip(line, widths, strict=False)]
        click.echo("  ".join([*cells, line[5]]).rstrip())
    click.echo(in_words(rows))
