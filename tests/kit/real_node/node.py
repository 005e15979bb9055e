"""``RealNode``: containerd and a kubelet that joined a control plane of this machine; nothing is left when it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from kit.control_plane import Cluster, CommandFailed
from kit.real_node.checkpoints import copy_for_the_operator
from kit.real_node.containerd import SOCKET, write_configuration, write_images
from kit.real_node.folders import lab
from kit.real_node.kubelet import NODE, command
from kit.real_node.node_process import NodeProcess, inside
from kit.real_node.preparation import Prepared

TESTS = Path(__file__).resolve().parents[2]


class RealNode:
    """The node of a cluster that was started with ``real_nodes=True``."""

    def __init__(self, cluster: Cluster, prepared: Prepared) -> None:
        self.cluster = cluster
        self.lab = lab()
        self.operator_cache = self.lab / "operator-cache"
        self._prepared = prepared
        self._guard: subprocess.Popen[str] | None = None
        self._first = 0

    def start(self) -> None:
        """Start everything and wait until the node is Ready.

        Raises:
            RuntimeError, TimeoutError: a part did not come up; with its words. What had started is gone again.
        """
        command_line = [sys.executable, "-m", "kit.real_node.guard", str(self.lab)]
        environment = os.environ | {"PYTHONPATH": str(TESTS)}
        self._guard = subprocess.Popen(
            command_line,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
            start_new_session=True,
        )
        assert self._guard.stdout is not None
        first = self._guard.stdout.readline()
        if not first:
            raise RuntimeError("the guard of the node ended before the node had started")
        self._first = int(first)
        try:
            self._start_containerd()
            self._start_kubelet()
            copy_for_the_operator(self.operator_cache)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it; processes, mounts, network and cgroup are gone when this returns."""
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            self._guard.wait(timeout=60)
            self._guard = None

    def start_again(self) -> None:
        """Start containerd and the kubelet where they were killed; wait until both answer."""
        for process, what, ready in (
            (self.containerd, "containerd answers", lambda: self.ctr("version") is not None),
            (self.kubelet, "the kubelet answers", self._kubelet_answers),
        ):
            if not process.running:
                process.start()
            self._wait_for(process, what, ready)

    def _kubelet_answers(self) -> bool:
        try:
            return bool(self.cluster.kubectl("get", "--raw", f"/api/v1/nodes/{NODE}/proxy/healthz"))
        except CommandFailed:
            return False

    def _start_containerd(self) -> None:
        configuration = write_configuration(self.lab, self._prepared.runtime, self._prepared.environment)
        program = ["containerd", "--config", str(configuration)]
        path = {"PATH": self._prepared.runtime.path}
        self.containerd = NodeProcess(self._first, program, self.lab / "containerd.log", path)
        self.containerd.start()
        self._wait_for(self.containerd, "containerd answers", lambda: self.ctr("version") is not None)
        archive = write_images(self.lab, self._prepared.environment)
        if self.ctr("--namespace=k8s.io", "images", "import", "--snapshotter=native", str(archive)) is None:
            raise RuntimeError(f"ctr could not import the images:\n{self.containerd.last_words()}")

    def _start_kubelet(self) -> None:
        line = command(self._prepared.kubelet, self.lab, self.cluster.kubeconfig, self.cluster.pki / "ca.crt")
        path = {"PATH": self._prepared.runtime.path}
        self.kubelet = NodeProcess(self._first, line, self.lab / "kubelet.log", path)
        self.kubelet.start()
        self._wait_for(self.kubelet, "the node is Ready", self._is_ready)

    def _is_ready(self) -> bool:
        nodes = self.cluster.get("nodes")["items"]
        conditions = nodes[0]["status"].get("conditions", ()) if nodes else ()
        return any(entry["type"] == "Ready" and entry["status"] == "True" for entry in conditions)

    def _wait_for(self, process: NodeProcess, what: str, ready: Callable[[], bool], seconds: float = 90) -> None:
        deadline = time.monotonic() + seconds
        while not ready():
            if not process.running or time.monotonic() > deadline:
                raise RuntimeError(f"not within {seconds:.0f} s: {what}\n{process.last_words()}")
            time.sleep(0.3)

    def ctr(self, *arguments: str) -> str | None:
        """What ``ctr`` prints, None where it fails."""
        line = inside(self._first, "ctr", f"--address={self.lab / SOCKET}", *arguments)
        done = subprocess.run(
            line, capture_output=True, text=True, check=False, env=os.environ | {"PATH": self._prepared.runtime.path}
        )
        return done.stdout if done.returncode == 0 else None

    def containers(self) -> list[str]:
        """Ids of what containerd runs, the pods' own included."""
        return (self.ctr("--namespace=k8s.io", "tasks", "list", "--quiet") or "").split()

    def advertise_gpus(self, product: str, memory_mib: int, count: int = 1) -> None:
        """Label the node as GPU feature discovery would, and let it offer GPUs that are not there."""
        labels = [f"nvidia.com/gpu.product={product}", f"nvidia.com/gpu.memory={memory_mib}"]
        self.cluster.kubectl("label", "node", NODE, "--overwrite", *labels, f"nvidia.com/gpu.count={count}")
        resources = {"nvidia.com/gpu": str(count)}
        patch = {"status": {"capacity": resources, "allocatable": resources}}
        self.cluster.kubectl("patch", "node", NODE, "--subresource=status", "--type=merge", "-p", json.dumps(patch))
