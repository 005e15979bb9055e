"""A process inside the node's namespaces: containerd or the kubelet, started, killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from kit.real_node.guard import first_process_of


def inside(first: int, *command: str) -> list[str]:
    """The command line that runs a command in the namespaces of process ``first``."""
    return ["nsenter", f"--target={first}", "--mount", "--pid", "--", *command]


class NodeProcess:
    """One run of a program after another.

    Args:
        first: the namespaces' first process, as this namespace counts.
        log: file its output goes to.
    """

    def __init__(self, first: int, command: list[str], log: Path, environment: Mapping[str, str]) -> None:
        self._command = inside(first, *command)
        self._log = log
        self._environment = os.environ | dict(environment)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment
            )

    def kill(self) -> None:
        """``kill -9`` of the program; what it started lives on."""
        assert self._process is not None
        os.kill(first_process_of(self._process.pid), signal.SIGKILL)
        self._process.wait(timeout=20)

    @property
    def running(self) -> bool:
        """True while it lives."""
        return self._process is not None and self._process.poll() is None

    def last_words(self) -> str:
        """The end of its log."""
        return self._log.read_text(errors="replace")[-3000:]
