"""The control plane the other tests stand on does what they rely on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kit.control_plane import Cluster
from kit.control_plane.cluster import CommandFailed

pytestmark = pytest.mark.control_plane


def test_simulated_nodes_offer_gpus_with_the_labels_of_gpu_feature_discovery(cluster: Cluster) -> None:
    node = cluster.get("node", "simulated-2x-h100")
    assert node["metadata"]["labels"]["nvidia.com/gpu.product"] == "NVIDIA-H100-80GB-HBM3"
    assert node["status"]["allocatable"]["nvidia.com/gpu"] == "2"


def test_the_audit_log_counts_writes_and_their_authors(cluster: Cluster) -> None:
    mark = cluster.audit.mark()
    cluster.kubectl("create", "configmap", "audited", "--from-literal=a=b")
    cluster.kubectl("get", "configmap", "audited")
    (write,) = [w for w in cluster.audit.since(mark) if w.resource == "configmaps" and w.namespace == "default"]
    assert (write.verb, write.code) == ("create", 201)


def test_an_api_server_that_was_killed_comes_back_with_what_it_held(cluster: Cluster) -> None:
    cluster.kubectl("create", "configmap", "kept")
    cluster.restart_api_server(down_seconds=0.5)
    assert cluster.get("configmap", "kept", "default")["metadata"]["name"] == "kept"


def test_a_control_plane_that_does_not_come_up_is_tried_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    create, made = Cluster._create, list[Path]()

    def half_done_at_first(cluster: Cluster, policy: Path) -> None:
        create(cluster, policy)
        made.append(policy)
        if len(made) == 1:
            raise CommandFailed("a port was taken")

    monkeypatch.setattr(Cluster, "_create", half_done_at_first)
    with Cluster(name="again") as cluster:
        assert cluster.kubectl("get", "--raw", "/readyz") == "ok"
    assert len(made) == 2


def test_a_cluster_is_removed_even_if_its_owner_is_killed() -> None:
    """``kill -9`` of the process that started it leaves neither a process nor a file behind."""
    tests = Path(__file__).resolve().parents[1]
    script = (
        "import os, signal, sys; sys.path.insert(0, sys.argv[1])\n"
        "from kit.control_plane import Cluster\n"
        "cluster = Cluster(name='orphan'); cluster.start(); print(cluster.folder, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tests)], stdout=subprocess.PIPE, text=True, check=False)
    folder = Path(done.stdout.strip())
    assert done.returncode == -9
    assert folder.name.startswith("orphan")

    def leftovers() -> list[str]:
        commands = [Path(f"/proc/{pid}/cmdline") for pid in os.listdir("/proc") if pid.isdigit()]
        return [text for text in map(_read, commands) if f"{folder}/" in text]

    Cluster.wait(None, "nothing is left", lambda: not leftovers() and not folder.exists())  # type: ignore[arg-type]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
