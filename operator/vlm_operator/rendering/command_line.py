"""``vllm serve``: the command alone, for a machine that has vLLM."""

from __future__ import annotations

import shlex
from typing import Final

from vlm_operator.rendering.docker import CONTINUED, grouped
from vlm_operator.rendering.ranks import rank_arguments
from vlm_operator.rendering.server import ServerRequest

ADDRESS: Final = "$MASTER_ADDR"
"""The first node's address, which the shell fills in."""


def command_line(request: ServerRequest) -> str:
    """The command with the variables that the plan needs, one flag a line; of several nodes one for each.

    ``MASTER_ADDR`` is left to the shell: the address of the first node, as the others reach it.
    """
    if request.nodes == 1:
        return _command(request, request.args)
    commands = []
    for rank in range(request.nodes):
        more = rank_arguments(request.nodes, rank, ADDRESS, headless=rank > 0)
        text = _command(request, (*request.args, *more)).replace(shlex.quote(ADDRESS), f'"{ADDRESS}"')
        commands.append(f"# node {rank + 1} of {request.nodes}\n{text}")
    return "\n".join(commands)


def _command(request: ServerRequest, args: tuple[str, ...]) -> str:
    variables = [f"{name}={shlex.quote(value)}" for name, value in request.env.items()]
    model = " ".join([*variables, shlex.join(["vllm", "serve", args[0]])])
    return CONTINUED.join([model, *map(shlex.join, grouped(args[1:]))]) + "\n"
