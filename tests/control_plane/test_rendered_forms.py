"""Forms for other engines: taken by a real API server that has their CRDs, every field checked."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from kit.control_plane import Cluster, OperatorProcess
from kit.control_plane.cluster import REPOSITORY
from vlm_operator.cli.render import command as render_command

pytestmark = [
    pytest.mark.control_plane,
    pytest.mark.skipif(shutil.which("go") is None, reason="the CRDs come from Go modules, and there is no `go`"),
]

LARGE = {
    "apiVersion": "vlm-operator.dev/v1alpha1",
    "kind": "VLMDeployment",
    "metadata": {"name": "large"},
    "spec": {
        "model": {"id": "Qwen/Qwen3-VL-235B-A22B-Instruct"},
        "gpu": {"product": "NVIDIA-H100-80GB-HBM3", "count": 16},
    },
}
"""BF16 over 2 x 8 H100."""


@pytest.fixture(scope="module")
def with_engines(cluster: Cluster, running_operator: OperatorProcess) -> Cluster:
    """The cluster with the CRDs of the engines, beside those of the chart."""
    assert running_operator.running
    found = subprocess.run(
        [sys.executable, str(REPOSITORY / "hack/tools/crds"), "leaderworkerset", "kserve"],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    for path in found.stdout.split():
        cluster.kubectl("apply", "--server-side", "-f", path)
    names = ("leaderworkersets.leaderworkerset.x-k8s.io", "llminferenceservices.serving.kserve.io")
    cluster.wait("the kinds are served", lambda: all(_is_established(cluster.get("crd", name)) for name in names))
    return cluster


def _is_established(crd: dict[str, Any]) -> bool:
    """`kubectl wait` fails where a CRD has no conditions yet."""
    conditions = (crd.get("status") or {}).get("conditions") or ()
    return any((entry["type"], entry["status"]) == ("Established", "True") for entry in conditions)


def test_a_leader_worker_set_is_taken_with_every_field(with_engines: Cluster, namespace: str, tmp_path: Path) -> None:
    file = tmp_path / "large.yaml"
    file.write_text(yaml.safe_dump({**LARGE, "metadata": {"name": "large", "namespace": namespace}}))
    arguments = ["-f", str(file), "-o", "leaderworkerset", "--offline"]
    rendered = CliRunner().invoke(render_command, arguments, standalone_mode=False, catch_exceptions=False)
    assert rendered.return_value == 0
    with_engines.kubectl("create", "--validate=strict", "-f", "-", text=rendered.stdout)
    made = yaml.safe_load(with_engines.kubectl("get", "leaderworkerset/large", "-n", namespace, "-o", "yaml"))
    wanted = next(yaml.safe_load_all(rendered.stdout))
    assert made["spec"]["leaderWorkerTemplate"]["size"] == 2
    for role in ("leaderTemplate", "workerTemplate"):
        (server,) = made["spec"]["leaderWorkerTemplate"][role]["spec"]["containers"]
        (asked,) = wanted["spec"]["leaderWorkerTemplate"][role]["spec"]["containers"]
        assert server["args"] == asked["args"]
        assert server["resources"]["limits"] == {"nvidia.com/gpu": "8"}
    with_engines.kubectl("delete", "leaderworkerset/large", "-n", namespace, "--wait=false")


def test_an_llm_inference_service_is_taken_with_every_field(
    with_engines: Cluster, namespace: str, tmp_path: Path
) -> None:
    file = tmp_path / "large.yaml"
    file.write_text(yaml.safe_dump({**LARGE, "metadata": {"name": "large", "namespace": namespace}}))
    arguments = ["-f", str(file), "-o", "kserve", "--offline"]
    rendered = CliRunner().invoke(render_command, arguments, standalone_mode=False, catch_exceptions=False)
    assert rendered.return_value == 0
    with_engines.kubectl("create", "--validate=strict", "-f", "-", text=rendered.stdout)
    made = yaml.safe_load(with_engines.kubectl("get", "llminferenceservice/large", "-n", namespace, "-o", "yaml"))
    assert made["spec"]["parallelism"] == {"tensor": 8, "pipeline": 2}
    assert made["spec"]["worker"] == yaml.safe_load(rendered.stdout)["spec"]["worker"]
