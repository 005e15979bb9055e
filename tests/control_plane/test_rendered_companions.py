"""Objects beside a model server: taken by a real API server that has their CRDs, every field checked."""

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

KINDS = ("inferencepools.inference.networking.k8s.io", "scaledobjects.keda.sh", "httproutes.gateway.networking.k8s.io")

DEPLOYMENT = """\
apiVersion: vlm-operator.dev/v1alpha1
kind: VLMDeployment
metadata: {name: vision, namespace: NAMESPACE}
spec:
  model: {id: Qwen/Qwen3-VL-8B-Instruct}
  gpu: {product: NVIDIA-H100-80GB-HBM3}
  replicas: 1
"""


@pytest.fixture(scope="module")
def with_kinds(cluster: Cluster, running_operator: OperatorProcess) -> Cluster:
    """The cluster with the CRDs of KEDA, the Gateway API and its inference extension."""
    assert running_operator.running
    crds = [sys.executable, str(REPOSITORY / "hack/tools/crds"), "inferencepool", "keda", "gateway"]
    found = subprocess.run(crds, stdout=subprocess.PIPE, text=True, check=True)
    for path in found.stdout.split():
        cluster.kubectl("apply", "--server-side", "-f", path)
    cluster.wait("the kinds are served", lambda: all(_is_established(cluster.get("crd", name)) for name in KINDS))
    return cluster


def _is_established(crd: dict[str, Any]) -> bool:
    conditions = (crd.get("status") or {}).get("conditions") or ()
    return any((entry["type"], entry["status"]) == ("Established", "True") for entry in conditions)


@pytest.mark.parametrize("autoscaler", ["hpa", "keda"])
@pytest.mark.parametrize("form", ["deployment", "companions"])
def test_companions_are_taken_with_every_field(
    with_kinds: Cluster, namespace: str, tmp_path: Path, form: str, autoscaler: str
) -> None:
    file = tmp_path / "vision.yaml"
    file.write_text(DEPLOYMENT.replace("NAMESPACE", namespace))
    beside = [part for name in ("pdb", "inferencepool", autoscaler) for part in ("--with", name)]
    arguments = ["-f", str(file), "--offline", "-o", form, *beside, "--max-replicas", "3"]
    rendered = CliRunner().invoke(render_command, arguments, standalone_mode=False, catch_exceptions=False)
    assert rendered.return_value == 0
    with_kinds.kubectl("create", "--validate=strict", "-f", "-", text=rendered.stdout)
    for wanted in yaml.safe_load_all(rendered.stdout):
        group = wanted["apiVersion"].rpartition("/")[0]
        kind = f"{wanted['kind'].lower()}{f'.{group}' if group else ''}"
        made = with_kinds.get(kind, "vision", namespace)
        assert {key: made["spec"][key] for key in wanted["spec"]}.keys() == wanted["spec"].keys()
