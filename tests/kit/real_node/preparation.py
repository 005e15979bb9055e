"""What the real node needs beside the checkout: what is missing of it, and how it is brought here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from kit.control_plane.cluster import find_tools
from kit.real_node.checkpoints import checkpoints, write_checkpoints
from kit.real_node.folders import cache
from kit.real_node.runtime import PACKAGES, Runtime, find_runtime, unpack_runtime
from kit.real_node.vllm_environment import (
    DOWNLOAD_GB,
    INSTALLED_GB,
    VERSION,
    VLLMEnvironment,
    install,
    vllm_environment,
)


@dataclass(frozen=True)
class Prepared:
    """Everything the node is made of.

    Attributes:
        kubelet: the program.
    """

    runtime: Runtime
    environment: VLLMEnvironment
    kubelet: Path


def to_do() -> list[str]:
    """What ``prepare`` is going to download, build or write; empty where nothing is missing."""
    found = []
    if find_runtime() is None:
        found.append(f"download Debian's {', '.join(PACKAGES)} with apt-get and unpack them (not installed): 0.2 GB")
    if not vllm_environment().ready:
        packages = f"download vLLM {VERSION}'s CPU build and PyTorch with pip, by hashes: {DOWNLOAD_GB} GB"
        found.append(f"{packages}, {INSTALLED_GB} GB installed, 5 to 10 minutes")
    if not checkpoints().exists():
        found.append("write checkpoints of a few MB with random weights")
    return [f"{what}; kept in {cache()}" for what in found]


def prepare(say: Callable[[str], None]) -> Prepared:
    """Bring here what is missing.

    Raises:
        RuntimeError: a download or an installation failed; with the words of the program that did it.
    """
    cache().mkdir(parents=True, exist_ok=True)
    runtime = find_runtime() or unpack_runtime(say)
    environment = vllm_environment()
    if not environment.ready:
        install(environment, say)
    if not checkpoints().exists():
        write_checkpoints(environment, say)
    return Prepared(runtime, environment, find_tools("kubelet") / "kubelet")
