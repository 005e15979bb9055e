"""``vllm serve``: the command alone, for a machine that has vLLM."""

from __future__ import annotations

import shlex

from vlm_operator.rendering.docker import CONTINUED, grouped
from vlm_operator.rendering.server import ServerRequest


def command_line(request: ServerRequest) -> str:
    """The command with the variables that the plan needs, one flag a line."""
    variables = [f"{name}={shlex.quote(value)}" for name, value in request.env.items()]
    model = " ".join([*variables, shlex.join(["vllm", "serve", request.args[0]])])
    return CONTINUED.join([model, *map(shlex.join, grouped(request.args[1:]))]) + "\n"
