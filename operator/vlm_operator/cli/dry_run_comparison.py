"""The answer of ``vlmctl dry-run``: what vLLM said, and each term beside the plan's."""

from __future__ import annotations

from typing import Any, Final

import click

from vlm_operator.capacity.startup.coefficients import SMALL_BUFFERS_BYTES
from vlm_operator.cli.dry_run_subject import Subject
from vlm_operator.engine.flags import shown_flags
from vlm_operator.engine_facts.outcome import DryRunOutcome, Ending
from vlm_operator.engine_facts.report import DryRunReport
from vlm_operator.units import MIB, format_gib

DIFFERS_FROM_BYTES: Final = 64 * MIB
"""Terms that are closer than this are told as equal: allocations of an unrelated page or two are no difference."""

_REPORTED: Final = (
    "vllmVersion", "architecture", "dtype", "quantization", "runner", "settings", "weightsBytes", "weightsByModule",
    "kvGroups", "bytesPerBlock", "requests", "maxItemTokens", "encoderBudgetTokens", "items", "moments",
    "largestTensors", "ranks", "simulated", "importSeconds", "seconds",
)  # fmt: skip


def answer_of(subject: Subject, report: DryRunReport, ended: DryRunOutcome) -> dict[str, Any]:
    """The document of ``-o json``: the contract's fields, the flags, and the comparison with the plan."""
    answer: dict[str, Any] = {"model": subject.model, "gpu": subject.gpu.label, "outcome": str(ended.ending)}
    answer.update({name: report.document.get(name) for name in _REPORTED})
    answer["error"] = (
        None
        if ended.reason is None
        else {"reason": ended.reason, "message": ended.message, "hint": ended.hint, **_where(report)}
    )
    plan = subject.plan
    answer["flags"] = shown_flags(subject.settings)
    answer["plan"] = {
        "verdict": str(plan.verdict) if plan else "Unknown",
        "reason": str(plan.reason) if plan else None,
        "message": plan.message if plan else subject.unknown,
    }
    answer["terms"] = terms(subject, report)
    answer["simulatedPlan"] = _simulated_plan(subject, report) if ended.ending is Ending.RAN else None
    return answer


def _simulated_plan(subject: Subject, report: DryRunReport) -> dict[str, Any]:
    """The verdict on these flags with vLLM's own weights and peak, and our terms for what is not simulated."""
    from vlm_operator.cli.facts_file import to_json
    from vlm_operator.engine_facts.document import facts_of
    from vlm_operator.planning.facts_plan import facts_plan

    facts = facts_of(subject.model, subject.revision, subject.gpu, subject.settings, report)
    found = to_json(facts, facts_plan(facts, subject.gpu, subject.version), subject.gpu)
    return {name: found[name] for name in ("verdict", "reason", "message", "hint", "budget", "cup", "container")}


def _where(report: DryRunReport) -> dict[str, Any]:
    error = report.error
    return {} if error is None else {"stage": error.stage, "type": error.type, "raisedIn": error.raised_in}


def terms(subject: Subject, report: DryRunReport) -> list[dict[str, Any]]:
    """Each term as the plan and as the dry run has it, bytes; None where one of them has no figure."""
    evaluation = subject.plan.evaluation if subject.plan is not None else None
    budget = evaluation.budget if evaluation is not None else None
    peak = report.moments.peak_bytes + SMALL_BUFFERS_BYTES if report.moments is not None else None
    need = report.needs[-1] if report.needs else None
    served = next((each for each in report.needs if each.max_model_len == report.settings.get("max_model_len")), need)
    layout = evaluation.layout if evaluation is not None else None
    needed = layout.needed_bytes(served.max_model_len) if layout is not None and served is not None else None
    rows = [
        ("weights", budget.weights_bytes if budget else None, report.weights_bytes),
        ("start-up peak", budget.activation_peak_bytes if budget else None, peak),
        ("KV cache block", layout.bytes_per_block if layout else None, report.bytes_per_block),
        ("KV cache of one request", needed, served.needed_bytes if served else None),
        ("non-torch", budget.non_torch_bytes if budget else None, None),
        ("CUDA graphs", budget.cuda_graph_bytes if budget else None, None),
    ]
    return [
        {"term": name, "planBytes": ours, "dryRunBytes": theirs, "differs": differs(ours, theirs)}
        for name, ours, theirs in rows
    ]


def differs(ours: int | None, theirs: int | None) -> bool | None:
    """Whether two figures of a term differ; None where one is missing. A block's size must be equal.

    >>> differs(2**30, 2**30 + 2**20), differs(2**30, 2**31), differs(None, 1), differs(65536, 131072)
    (False, True, None, True)
    """
    if ours is None or theirs is None:
        return None
    small = max(ours, theirs) < DIFFERS_FROM_BYTES
    return ours != theirs if small else abs(ours - theirs) > DIFFERS_FROM_BYTES


def print_answer(answer: dict[str, Any]) -> None:
    """Print the answer for people."""
    click.echo(f"{answer['model']} on {answer['gpu']}, vLLM {answer['vllmVersion']}: {_ended(answer)}")
    error = answer["error"]
    if error is not None:
        click.echo(f"{error['reason']}: {error['message']}")
        if error["hint"]:
            click.echo(f"hint: {error['hint']}")
    if answer["architecture"]:
        click.echo(f"{answer['architecture']}, {answer['dtype']}, {answer['runner'] or '?'} model runner")
    plan = answer["plan"]
    click.echo(f"plan: {plan['verdict']}{': ' + plan['message'] if plan['message'] else ''}")
    found = answer["simulatedPlan"]
    if found is not None:
        click.echo(f"with vLLM's own figures: {found['verdict']}: {found['message']}")
        if found["hint"]:
            click.echo(f"hint: {found['hint']}")
    if any(term["dryRunBytes"] is not None for term in answer["terms"]):
        click.echo("")
        _print_terms(answer)
        _print_notes(answer)
    if answer["seconds"] is not None:
        click.echo(f"{answer['seconds']:.0f} s, {answer['importSeconds'] or 0:.0f} of them imports")


def _ended(answer: dict[str, Any]) -> str:
    words = {"Ran": "vLLM loads and profiles it", "Refused": "vLLM refuses", "CannotTell": "the simulation cannot tell"}
    return words[answer["outcome"]]


def _print_terms(answer: dict[str, Any]) -> None:
    rows = [("", "plan", "dry run", "")]
    for term in answer["terms"]:
        ours, theirs = term["planBytes"], term["dryRunBytes"]
        note = "not simulated" if theirs is None and term["term"] in {"non-torch", "CUDA graphs"} else ""
        if term["differs"]:
            note = f"differs by {format_gib(abs(ours - theirs))}"
        rows.append((f"  {term['term']}", _size(ours), _size(theirs), note))
    for name, key in (("encoder", "encoderBytes"), ("text", "textBytes"), ("sampler", "samplerBytes")):
        rows.append((f"    {name}", "", _size((answer["moments"] or {}).get(key)), ""))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for first, second, third, note in rows:
        line = f"{first:<{widths[0]}}  {second:>{widths[1]}}  {third:>{widths[2]}}  {note}"
        click.echo(line.rstrip())


def _size(size: int | None) -> str:
    if size is None:
        return "-"
    return format_gib(size) if size >= DIFFERS_FROM_BYTES else f"{size / MIB:.2f} MiB"


def _print_notes(answer: dict[str, Any]) -> None:
    click.echo("")
    for modality, tokens in (answer["maxItemTokens"] or {}).items():
        click.echo(f"largest {modality}: {tokens:,} tokens")
    for item in answer["items"] or ():
        counted = item.get("error") or f"{item['promptTokens']:,} tokens of the prompt"
        click.echo(f"{item['modality']} {item.get('width')}x{item.get('height')}: {counted}")
    simulated = answer["simulated"] or {}
    for name, count in (simulated.get("unmodelledOperations") or {}).items():
        click.echo(f"not modelled: {name} ({count} calls): its workspace is not counted")
    for note in simulated.get("notSimulated") or ():
        click.echo(f"not simulated: {note}")
