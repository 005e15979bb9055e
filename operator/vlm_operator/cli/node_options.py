"""``--nodes`` and ``--gpus-per-node``: on what a replica stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import click

from vlm_operator.planning.intent import GPUS_PER_NODE

if TYPE_CHECKING:
    from vlm_operator.planning.intent import Intent

AUTO: Final = "auto"


class _Nodes(click.ParamType[str]):
    """A number of nodes, or ``auto``."""

    name = "nodes"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text = str(value)
        if text != AUTO and not (text.isascii() and text.isdigit() and 1 <= int(text) <= 64):
            self.fail(f"{text[:20]!r} is neither a number from 1 to 64 nor auto", param, ctx)
        return text


NODE_OPTIONS: Final[tuple[Callable[..., Any], ...]] = (
    click.option(
        "--nodes",
        type=_Nodes(),
        metavar="N|auto",
        help="Nodes of one replica; auto: as few as hold the model [default: spec.topology.nodes, else 1].",
    ),
    click.option(
        "--gpus-per-node",
        type=click.IntRange(1, 64),
        help=f"GPUs of one node, the most of one pod [default: spec.topology.gpusPerNode, else {GPUS_PER_NODE}].",
    ),
)


def on_nodes(intent: Intent, nodes: str | None, gpus_per_node: int | None) -> Intent:
    """The intent on the nodes that the options name; as it is where they are not given."""
    if gpus_per_node is not None:
        intent = replace(intent, gpus_available=gpus_per_node)
    if nodes is not None:
        intent = replace(intent, nodes=None if nodes == AUTO else int(nodes))
    return intent
