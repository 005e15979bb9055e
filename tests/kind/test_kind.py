"""The operator as users install it: its image, its chart, a kind cluster. Skipped where no Docker engine answers."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.control_plane.cluster import find_tools

ROOT = Path(__file__).resolve().parents[2]

pytestmark = [pytest.mark.kind, pytest.mark.timeout(1200)]

NAME = "vlm-operator-test"
IMAGE = "vlm-operator:test"


def run(*command: str, text: str | None = None) -> str:
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    return done.stdout


def docker_answers() -> bool:
    try:
        return subprocess.run(["docker", "info"], capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


class Kind:
    """A kind cluster with the chart installed."""

    def __init__(self, tools: Path, kubeconfig: Path) -> None:
        self.tools = tools
        self.kubeconfig = kubeconfig

    def kubectl(self, *arguments: str, text: str | None = None) -> str:
        return run(str(self.tools / "kubectl"), f"--kubeconfig={self.kubeconfig}", *arguments, text=text)


@pytest.fixture(scope="module")
def kind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kind]:
    if not docker_answers():
        pytest.skip("no Docker engine answers: kind needs one")
    tools = find_tools()
    cluster = Kind(tools, tmp_path_factory.mktemp("kind") / "kubeconfig")
    binary = str(tools / "kind")
    run("docker", "build", "--tag", IMAGE, "--file", "hack/image/Dockerfile", ".")
    run(binary, "create", "cluster", f"--name={NAME}", f"--kubeconfig={cluster.kubeconfig}", "--wait=120s")
    try:
        run(binary, "load", "docker-image", IMAGE, f"--name={NAME}")
        run(
            *(str(tools / "helm"), "install", "vlm-operator", "charts/vlm-operator"),
            *("--namespace=vlm-operator", "--create-namespace", f"--kubeconfig={cluster.kubeconfig}"),
            *("--set=image.repository=vlm-operator", "--set=image.tag=test", "--wait", "--timeout=180s"),
        )
        yield cluster
    finally:
        run(binary, "delete", "cluster", f"--name={NAME}", f"--kubeconfig={cluster.kubeconfig}")


def test_the_installed_operator_plans_and_deploys(kind: Kind) -> None:
    kind.kubectl("apply", "-f", "examples/04-without-a-gpu.yaml")
    kind.kubectl("wait", "--for=condition=Planned", "vlmd/on-cpu", "--timeout=60s")
    deployment = json.loads(kind.kubectl("get", "deployment", "on-cpu", "-o", "json"))
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "VLLM_CPU_KVCACHE_SPACE", "value": "4"} in container["env"]


def test_a_gpu_that_no_node_has_is_said(kind: Kind) -> None:
    kind.kubectl("apply", "-f", "examples/02-too-large-for-a-t4.yaml")
    kind.kubectl("wait", "--for=condition=Planned=False", "vlmd/too-large", "--timeout=60s")
