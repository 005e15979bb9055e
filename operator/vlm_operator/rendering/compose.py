"""A Compose file: a model server on one machine, for ``docker compose up``."""

from __future__ import annotations

from typing import Any

from vlm_operator.rendering.manifest_yaml import to_yaml
from vlm_operator.rendering.server import ServerRequest
from vlm_operator.rendering.single_host import HEALTH_CHECK, HostServer


def compose(request: ServerRequest) -> str:
    """The file (Compose Specification, no version field).

    ``HF_TOKEN`` is passed on from the shell or an ``.env`` file; its value is never written.

    Raises:
        InputError: see ``HostServer.of``.
    """
    server = HostServer.of(request)
    service: dict[str, Any] = {
        "image": _literal(server.image),
        "entrypoint": ["vllm", "serve"],
        "command": [_literal(arg) for arg in server.args],
        "environment": {**{name: _literal(value) for name, value in server.variables.items()}, "HF_TOKEN": None},
        "ports": [server.published],
        "volumes": [_literal(mount) for mount in server.mounts("cache")],
        "shm_size": server.shared_memory,
        "restart": "unless-stopped",
    }
    if server.gpus:
        device = {"driver": "nvidia", "count": server.gpus, "capabilities": ["gpu"]}
        service["deploy"] = {"resources": {"reservations": {"devices": [device]}}}
    service["healthcheck"] = {
        "test": ["CMD", *HEALTH_CHECK],
        "interval": "15s",
        "timeout": "10s",
        "retries": 6,
        "start_period": f"{server.startup_seconds}s",
    }
    file: dict[str, Any] = {"name": server.name, "services": {server.name: service}}
    if not server.cache_directory:
        file["volumes"] = {"cache": {}}
    return to_yaml([file])


def _literal(value: str) -> str:
    """Compose replaces ``$NAME``; two dollar signs stand for one."""
    return value.replace("$", "$$")
