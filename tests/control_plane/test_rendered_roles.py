"""Encoder, prefill and decode apart: taken by a real API server that has the CRDs, every field checked."""

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

KINDS = ("disaggregatedsets.disaggregatedset.x-k8s.io", "llminferenceservices.serving.kserve.io")

DEPLOYMENT = """\
apiVersion: vlm-operator.dev/v1alpha1
kind: VLMDeployment
metadata: {name: vision, namespace: NAMESPACE}
spec:
  model: {id: Qwen/Qwen3-VL-32B-Instruct}
  gpu: {product: NVIDIA-H100-80GB-HBM3, count: 2}
  workload: {images: {count: 4}}
"""


@pytest.fixture(scope="module")
def with_kinds(cluster: Cluster, running_operator: OperatorProcess) -> Cluster:
    """The cluster with the CRDs of the LeaderWorkerSet project and of KServe."""
    assert running_operator.running
    crds = [sys.executable, str(REPOSITORY / "hack/tools/crds"), "leaderworkerset", "kserve"]
    found = subprocess.run(crds, stdout=subprocess.PIPE, text=True, check=True)
    for path in found.stdout.split():
        cluster.kubectl("apply", "--server-side", "-f", path)
    cluster.wait("the kinds are served", lambda: all(_is_established(cluster.get("crd", name)) for name in KINDS))
    return cluster


def _is_established(crd: dict[str, Any]) -> bool:
    conditions = (crd.get("status") or {}).get("conditions") or ()
    return any((entry["type"], entry["status"]) == ("Established", "True") for entry in conditions)


@pytest.mark.parametrize("split", ["e-pd", "e-p-d"])
@pytest.mark.parametrize("by", ["disaggregatedset", "kserve"])
def test_roles_are_taken_with_every_field(
    with_kinds: Cluster, namespace: str, tmp_path: Path, by: str, split: str
) -> None:
    file = tmp_path / "vision.yaml"
    file.write_text(DEPLOYMENT.replace("NAMESPACE", namespace))
    arguments = ["-f", str(file), "--offline", "-o", "disaggregated", "--split", split, "--roles-by", by]
    rendered = CliRunner().invoke(render_command, arguments, standalone_mode=False, catch_exceptions=False)
    assert rendered.return_value == 0
    with_kinds.kubectl("create", "--validate=strict", "-f", "-", text=rendered.stdout)
    wanted = next(yaml.safe_load_all(rendered.stdout))
    made = with_kinds.get(wanted["kind"].lower(), "vision", namespace)
    if by == "kserve":
        assert made["spec"].get("prefill", {}).get("labels") == wanted["spec"].get("prefill", {}).get("labels")
    else:
        assert [role["name"] for role in made["spec"]["roles"]] == [role["name"] for role in wanted["spec"]["roles"]]
