"""``SimulatedKubelet``: the process of ``kit.simulated_node``, beside a cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from kit.control_plane.cluster import REPOSITORY, Cluster

TESTS: Final = REPOSITORY / "tests"
"""Where ``kit`` is found."""


class SimulatedKubelet:
    """Plays model servers' pods of one cluster from start to stop."""

    def __init__(self, cluster: Cluster, *, start_seconds: float = 0.5, backoff_seconds: float = 3.0) -> None:
        self._log = (cluster.folder / "simulated-kubelet.log").open("ab")
        command = [sys.executable, "-m", "kit.simulated_node.node", f"--folder={cluster.folder / 'pods'}"]
        command += [f"--start-seconds={start_seconds}", f"--backoff-seconds={backoff_seconds}"]
        environment = os.environ | {"KUBECONFIG": str(cluster.kubeconfig)}
        self._process = subprocess.Popen(
            command, cwd=TESTS, env=environment, stdout=self._log, stderr=self._log, start_new_session=True
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def running(self) -> bool:
        """True while the process lives."""
        return self._process.poll() is None

    def stop(self) -> None:
        """End it.

        Raises:
            RuntimeError: it had ended before, with the end of its log.
        """
        ended = self._process.poll()
        self._process.terminate()
        self._process.wait(timeout=20)
        self._log.close()
        if ended is not None:
            raise RuntimeError(f"the simulated kubelet had ended:\n{Path(self._log.name).read_text()[-2000:]}")
