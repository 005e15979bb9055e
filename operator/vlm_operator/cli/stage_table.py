"""The pipeline stages of a plan, for people."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.text import Text

from vlm_operator.planning.plan import Plan
from vlm_operator.units import format_gib

_SIZE_COLUMNS: Final = range(2, 7)


def print_stages(console: Console, plan: Plan) -> None:
    """A row for each pipeline stage, bytes of one of its GPUs."""
    evaluation = plan.evaluation
    if evaluation is None or not evaluation.stages:
        return
    length = evaluation.settings.context_tokens
    rows: list[tuple[str, ...]] = [("  stage", "layers", "weights", "peak", "others", "KV cache", "the cup", "holds")]
    for each in evaluation.stages:
        budget = each.budget
        sizes = (
            budget.weights_bytes,
            budget.activation_peak_bytes,
            budget.non_torch_bytes + budget.cuda_graph_bytes,
            max(budget.kv_cache_bytes, 0),
            each.layout.needed_bytes(length),
        )
        mark = "▸" if each.stage.index == evaluation.tightest else " "
        place = f"{mark} {each.stage.index + 1}", f"{each.stage.first_layer}-{each.stage.end_layer - 1}"
        rows.append((*place, *map(format_gib, sizes), ", ".join(each.holds(plan.model))))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    console.print()
    for number, row in enumerate(rows):
        cells = [
            cell.rjust(width) if at in _SIZE_COLUMNS else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        console.print(Text("  ".join(cells).rstrip(), style="bold" if number == 0 else ""), soft_wrap=True)


def on_every_node(nodes: int) -> str:
    """How the nodes of a replica run one command."""
    return (
        f"Each of the {nodes} nodes runs this with --nnodes {nodes} --node-rank 0 … {nodes - 1} --master-addr ADDRESS, "
        "all but the first with --headless: -o command prints them, vlmctl render -o leaderworkerset the manifests."
    )
