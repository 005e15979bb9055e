"""A Quadlet unit: a model server on one machine, run by Podman under systemd.

Goes to ``~/.config/containers/systemd/NAME.container`` (Podman 5.0 or newer for ``Entrypoint=``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from vlm_operator.gpu.resources import CDI_KIND
from vlm_operator.rendering.server import ServerRequest
from vlm_operator.rendering.single_host import HEALTH_CHECK, HostServer

_PLAIN: Final = re.compile(r"[A-Za-z0-9_@:,./=+-]+")
"""Words that systemd takes as they are."""

_CONTROL: Final = re.compile(r"[\x01-\x1f\x7f]")


def quadlet(request: ServerRequest) -> str:
    """The unit's text.

    The token is Podman's secret named as the Kubernetes Secret: ``podman secret create NAME FILE``.

    Raises:
        InputError: see ``HostServer.of``.
    """
    server, secret = HostServer.of(request), request.token_secret
    container = [
        f"ContainerName={server.name}",
        f"Image={_word(server.image)}",
        "Entrypoint=vllm",
        f"Exec={_words(['serve', *server.args])}",
        *(f"AddDevice={CDI_KIND}={number}" for number in range(server.gpus)),
        f"ShmSize={server.shared_memory}",
        f"PublishPort={server.published}",
        *(f"Volume={_word(mount)}" for mount in server.mounts(server.cache_volume)),
        *(f"Environment={_word(f'{name}={value}')}" for name, value in server.variables.items()),
        *([f"Secret={secret.name},type=env,target=HF_TOKEN"] if secret is not None else []),
        f"HealthCmd={_words(HEALTH_CHECK)}",
        "HealthInterval=15s",
        "HealthTimeout=10s",
        "HealthRetries=6",
        f"HealthStartPeriod={server.startup_seconds}s",
    ]
    sections = (
        ("Unit", [f"Description={_escaped(f'vLLM serves {server.args[0]}')}", "Wants=network-online.target"]),
        ("Container", container),
        # Pulling the image counts as part of the start.
        ("Service", ["Restart=on-failure", f"TimeoutStartSec={server.startup_seconds}"]),
        ("Install", ["WantedBy=default.target"]),
    )
    return "\n".join(f"[{name}]\n" + "".join(f"{line}\n" for line in lines) for name, lines in sections)


def _words(values: Iterable[str]) -> str:
    return " ".join(_word(value) for value in values)


def _word(value: str) -> str:
    """One word for systemd (systemd.syntax(7), systemd.service(5)): ``%`` and ``$`` stand for themselves."""
    if _PLAIN.fullmatch(value):
        return value
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    quoted = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", quoted)
    return f'"{_escaped(quoted)}"'


def _escaped(value: str) -> str:
    return value.replace("%", "%%").replace("$", "$$")
