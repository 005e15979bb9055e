"""A model server on one machine without Kubernetes: what Docker, Compose and systemd forms have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Self

from vlm_operator.errors import InputError
from vlm_operator.rendering.model_cache import CACHE_PATH
from vlm_operator.rendering.server import PORT, ServerRequest, plain_environment

ADDRESS: Final = "127.0.0.1"
"""Where the port is published: vLLM asks nobody for a password unless ``--api-key`` is set, and a port that Docker
publishes on all addresses passes by the host's firewall."""

HEALTH_CHECK: Final = (
    "python3",
    "-c",
    f"import urllib.request; urllib.request.urlopen('http://127.0.0.1:{PORT}/health', timeout=5)",
)
"""Fails unless the server answers. Every image of vLLM has Python; not every one has curl."""


@dataclass(frozen=True, slots=True)
class HostServer:
    """What the forms for one machine are made of.

    Attributes:
        name: of the container and, with ``-cache``, of the volume that keeps downloads and compiled kernels.
        image: container image of vLLM.
        args: arguments of ``vllm serve``, the model first.
        variables: the environment, without the token.
        gpus: how many GPUs of this machine; 0 for the CPU backend.
        model_directory: directory of this machine that holds the model, None where it comes from the Hub.
        startup_seconds: how long the server may take to start.
        shared_memory: size of /dev/shm, as container runtimes read it.
        cache_directory: directory of this machine for downloads and compiled kernels, None for the volume.
    """

    name: str
    image: str
    args: tuple[str, ...]
    variables: Mapping[str, str]
    gpus: int
    model_directory: str | None
    startup_seconds: int
    shared_memory: str
    cache_directory: str | None = None

    @classmethod
    def of(cls, request: ServerRequest) -> Self:
        """The same server on one machine.

        Raises:
            InputError: a part of a GPU, such as a MIG slice, which only Kubernetes hands out by name; or a server that
                spans nodes.
        """
        if request.nodes > 1:
            raise InputError(
                f"nodes: the plan takes {request.nodes} nodes, and this form runs on one machine",
                field="nodes",
                hint="use -o command for the command of each node, or -o leaderworkerset",
            )
        partial = next((name for name in request.resources if not name.endswith("/gpu")), None)
        if partial is not None:
            raise InputError(
                f"gpu.resource: {partial} is handed out by Kubernetes; this form takes whole GPUs",
                field="gpu.resource",
                hint="use -o deployment, or leave spec.gpu.resource out",
            )
        model = request.args[0]
        return cls(
            name=request.name,
            image=request.image,
            args=request.args,
            variables=plain_environment(replace(request, cache=replace(request.cache, read_only=False))),
            gpus=sum(request.resources.values()),
            model_directory=model if model.startswith("/") else None,
            startup_seconds=request.startup_seconds,
            shared_memory=f"{request.shared_memory_gib}g",
            cache_directory=request.cache.host_path,
        )

    @property
    def published(self) -> str:
        """The port as Docker and Podman take it."""
        return f"{ADDRESS}:{PORT}:{PORT}"

    @property
    def cache_volume(self) -> str:
        """Name of the volume that outlives the container."""
        return f"{self.name}-cache"

    def mounts(self, cache: str) -> tuple[str, ...]:
        """Volumes as Docker and Podman take them; ``cache`` is what the cache volume is called there."""
        directory = self.model_directory
        return (
            f"{self.cache_directory or cache}:{CACHE_PATH}",
            *([f"{directory}:{directory}:ro"] if directory else []),
        )
