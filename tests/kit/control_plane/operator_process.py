"""``OperatorProcess``: the operator as a user runs it: the installed command, its own kubeconfig, its own log."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from kit.control_plane.ports import free_port


class OperatorProcess:
    """One run of ``vlm-operator`` after another, against one cluster.

    Args:
        kubeconfig: who it is: admin's, or better that of the chart's ServiceAccount.
        log: file its JSON lines go to.
        flags: further flags.
        environment: further environment variables.
    """

    def __init__(self, kubeconfig: Path, log: Path, *flags: str, environment: Mapping[str, str] | None = None) -> None:
        self.kubeconfig = kubeconfig
        self.log = log
        self.flags = flags
        self.environment = dict(environment or {})
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, ready_within: float = 60) -> None:
        """Start it and wait until ``/readyz`` says that it watches.

        Raises:
            RuntimeError: it ended, or is not ready in time; with the end of its log.
        """
        command = [str(Path(sys.executable).with_name("vlm-operator")), f"--port={self.port}", *self.flags]
        environment = os.environ | {"KUBECONFIG": str(self.kubeconfig), "HF_HUB_OFFLINE": "1"} | self.environment
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, start_new_session=True)
        deadline = time.monotonic() + ready_within
        while self.get("/readyz")[0] != 200:
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"the operator did not get ready:\n{self.log.read_text()[-3000:]}")
            time.sleep(0.1)

    def kill(self) -> None:
        """``kill -9``."""
        self._end(signal.SIGKILL)

    def stop(self) -> int | None:
        """Ask it to end, as Kubernetes does; its exit code."""
        return self._end(signal.SIGTERM)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """It does nothing meanwhile, and does not know of it."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    @property
    def pid(self) -> int | None:
        """Its process id while it runs."""
        return self._process.pid if self._process is not None else None

    @property
    def running(self) -> bool:
        """True while the process lives."""
        return self._process is not None and self._process.poll() is None

    def _end(self, with_signal: signal.Signals) -> int | None:
        if self._process is None:
            return None
        if self._process.poll() is None:
            self._process.send_signal(with_signal)
            try:
                self._process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        code = self._process.returncode
        self._process = None
        return code

    def get(self, path: str) -> tuple[int, str]:
        """What its HTTP port answers; code 0 where nothing does."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""
