"""The upgrade check of ``vlmctl plan --compare``: the same intent under two vLLM releases, side by side."""

from __future__ import annotations

from typing import Any

from vlm_operator.planning.plan import Plan
from vlm_operator.planning.report import plan_to_json
from vlm_operator.planning.verdict import Verdict
from vlm_operator.units import format_gib


def compared(before: Plan, after: Plan) -> dict[str, Any]:
    """Both plans, and what differs between them in sentences.

    ``breaks`` is True where the second plan is known not to start; where it is not known, ``unknown`` is True.
    """
    old, new = plan_to_json(before), plan_to_json(after)
    changes = [
        {"field": f"{group}.{name}", "from": old[group].get(name), "to": new[group].get(name)}
        for group in ("flags", "budget", "cup", "container")
        if old[group] and new[group]
        for name in {**old[group], **new[group]}
        if old[group].get(name) != new[group].get(name)
    ]
    return {
        "from": str(before.version),
        "to": str(after.version),
        "breaks": before.fits and not after.fits and after.verdict is not Verdict.UNKNOWN,
        "unknown": after.verdict is Verdict.UNKNOWN,
        "verdict": [old["verdict"], new["verdict"]],
        "message": [old["message"], new["message"]],
        "hint": new["hint"],
        "changes": changes,
        "plans": [old, new],
    }


def print_comparison(answer: dict[str, Any]) -> None:
    """Print the comparison to stdout."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    old, new = answer["from"], answer["to"]
    if answer["breaks"]:
        console.print(Text(f"vLLM {new} breaks this: {answer['message'][1]}", style="bold red"))
        if answer["hint"]:
            console.print(Text(f"hint: {answer['hint']}"))
    elif answer["unknown"]:
        console.print(Text(f"vLLM {new}: not known: {answer['message'][1]}", style="bold magenta"))
        if answer["hint"]:
            console.print(Text(f"hint: {answer['hint']}"))
    else:
        console.print(Text(f"vLLM {old}: {answer['verdict'][0]}; vLLM {new}: {answer['verdict'][1]}", style="bold"))
    table = Table(box=None, pad_edge=False, padding=(0, 2), header_style="bold")
    for header in ("changed", old, new):
        table.add_column(header)
    for change in answer["changes"]:
        table.add_row(change["field"], *(_shown(change["field"], change[side]) for side in ("from", "to")))
    console.print(table)


def _shown(field: str, value: Any) -> str:
    return format_gib(value) if field.endswith("Bytes") and isinstance(value, int) else str(value)
