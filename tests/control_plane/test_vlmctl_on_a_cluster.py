"""What ``vlmctl`` reads from a cluster, read from a real API server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from test_life_of_a_vlmdeployment import ready
from test_retuning import node_says
from vlmdeployments import vlmd

from kit.control_plane import Cluster, OperatorProcess

pytestmark = pytest.mark.control_plane


def vlmctl(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("vlmctl")), *arguments]
    environment = os.environ | {"KUBECONFIG": str(cluster.kubeconfig), "HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_pod_is_diagnosed_by_the_run_that_failed(cluster: Cluster, operator: OperatorProcess, namespace: str) -> None:
    """The container runs again already, and fails again: the log that ended says why. The operator is away."""

    def restarted() -> str | None:
        for pod in cluster.get("pod", None, namespace)["items"]:
            if any(status["restartCount"] for status in pod["status"].get("containerStatuses", ())):
                name: str = pod["metadata"]["name"]
                return name
        return None

    with node_says(cluster, fails_with="ArchitectureUnsupported"):
        cluster.apply(vlmd("model", namespace))
        cluster.wait("a pod", lambda: cluster.get("pod", None, namespace)["items"])
        operator.kill()
        name = cluster.wait("a restart", restarted)
        done = vlmctl(cluster, "diagnose", f"pod/{name}", "-n", namespace, "-o", "json")
    assert done.returncode == 0
    assert "previous run" in done.stderr
    answer = json.loads(done.stdout)
    assert (answer["outcome"], answer["failure"]["reason"]) == ("Failed", "ArchitectureUnsupported")


def test_a_pod_that_is_not_there_is_named(cluster: Cluster, namespace: str) -> None:
    done = vlmctl(cluster, "diagnose", "pod/nobody", "-n", namespace)
    assert done.returncode == 2
    assert "nobody" in done.stderr


@pytest.mark.usefixtures("operator")
def test_what_a_cluster_has_measured_makes_an_offline_plan_right(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    manifest = vlmd("model", namespace)
    cluster.apply(manifest)
    verified = ready(cluster, namespace, "model")["status"]["observed"]
    exported = vlmctl(cluster, "observations", "export")
    assert exported.returncode == 0
    again = vlmctl(cluster, "observations", "export")
    assert again.stdout == exported.stdout
    measured, wanted = tmp_path / "observations.yaml", tmp_path / "model.yaml"
    measured.write_text(exported.stdout)
    wanted.write_text(yaml.safe_dump(manifest))

    def planned(*flags: str) -> dict[str, Any]:
        done = vlmctl(cluster, "plan", "-f", str(wanted), "--gpu", "RTX-5090", "-o", "json", *flags)
        plan: dict[str, Any] = json.loads(done.stdout)
        return plan

    blind, knowing = planned(), planned("--observations", str(measured))
    assert knowing["container"]["capacityTokens"] == verified["kvTokens"]
    assert blind["container"]["capacityTokens"] != verified["kvTokens"]


@pytest.mark.usefixtures("operator")
def test_what_was_exported_is_known_again_once_it_is_applied(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    cluster.apply(vlmd("first", namespace))
    ready(cluster, namespace, "first")
    file = tmp_path / "observations.yaml"
    file.write_text(vlmctl(cluster, "observations", "export").stdout)
    cluster.kubectl("delete", "startupobservations", "--all")
    cluster.kubectl("apply", "-f", str(file))
    cluster.apply(vlmd("second", namespace))
    item = ready(cluster, namespace, "second")
    assert any("earlier start-up" in sentence for sentence in item["status"]["plan"]["explanation"])
