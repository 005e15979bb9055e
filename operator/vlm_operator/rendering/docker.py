"""``docker run``: a model server on one machine, as one command that a shell takes."""

from __future__ import annotations

import shlex
from typing import Final

from vlm_operator.rendering.server import ServerRequest
from vlm_operator.rendering.single_host import HostServer

CONTINUED: Final = " \\\n  "


def docker(request: ServerRequest) -> str:
    """The command, one option a line.

    ``HF_TOKEN`` is passed on from the shell where it is set there; its value is never written.

    Raises:
        InputError: see ``HostServer.of``.
    """
    server = HostServer.of(request)
    lines = [["docker", "run"], ["--detach"], ["--name", server.name], ["--restart", "unless-stopped"]]
    if server.gpus:
        lines.append(["--gpus", str(server.gpus)])
    lines += [["--shm-size", server.shared_memory], ["--publish", server.published]]
    lines += [["--volume", mount] for mount in server.mounts(server.cache_volume)]
    lines += [["--env", f"{name}={value}"] for name, value in server.variables.items()]
    lines += [["--env", "HF_TOKEN"], ["--entrypoint", "vllm"], [server.image, "serve", server.args[0]]]
    return CONTINUED.join([*map(shlex.join, lines), *map(shlex.join, grouped(server.args[1:]))]) + "\n"


def grouped(args: tuple[str, ...]) -> list[list[str]]:
    """Flags with their values, so that each stands on a line of its own.

    >>> grouped(("--port", "8000", "--enforce-eager"))
    [['--port', '8000'], ['--enforce-eager']]
    """
    groups: list[list[str]] = []
    for arg in args:
        if arg.startswith("--") or not groups:
            groups.append([arg])
        else:
            groups[-1].append(arg)
    return groups
