"""Encoder, prefill and decode apart: taken by a real API server that has the CRDs, every field checked."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from kit.control_plane import Cluster, LeaderWorkerSetManager, OperatorProcess
from kit.control_plane.cluster import REPOSITORY
from vlm_operator.cli.render import command as render_command

pytestmark = [
    pytest.mark.control_plane,
    pytest.mark.skipif(shutil.which("go") is None, reason="the CRDs come from Go modules, and there is no `go`"),
]

DEPLOYMENT = """\
apiVersion: vlm-operator.dev/v1alpha1
kind: VLMDeployment
metadata: {name: vision, namespace: NAMESPACE}
spec:
  model: {id: Qwen/Qwen3-VL-32B-Instruct}
  gpu: {product: NVIDIA-H100-80GB-HBM3, count: 2}
  workload: {images: {count: 4}}
"""

SERVICES = "llminferenceservices.serving.kserve.io"


@pytest.fixture(scope="module")
def with_kinds(cluster: Cluster, running_operator: OperatorProcess) -> Iterator[Cluster]:
    """The cluster with the real manager of the LeaderWorkerSet project, and with the CRD of KServe."""
    assert running_operator.running
    crds = [sys.executable, str(REPOSITORY / "hack/tools/crds"), "kserve"]
    found = subprocess.run(crds, stdout=subprocess.PIPE, text=True, check=True)
    for path in found.stdout.split():
        cluster.kubectl("apply", "--server-side", "-f", path)
    cluster.wait("KServe's kind is served", lambda: _is_established(cluster.get("crd", SERVICES)))
    manager = LeaderWorkerSetManager(cluster)
    manager.stop()  # whatever another module installed
    manager.install()
    manager.start()
    yield cluster
    manager.stop()


def _is_established(crd: dict[str, Any]) -> bool:
    conditions = (crd.get("status") or {}).get("conditions") or ()
    return any((entry["type"], entry["status"]) == ("Established", "True") for entry in conditions)


def rendered_as(folder: Path, namespace: str, split: str, by: str) -> str:
    file = folder / "vision.yaml"
    file.write_text(DEPLOYMENT.replace("NAMESPACE", namespace))
    arguments = ["-f", str(file), "--offline", "-o", "disaggregated", "--split", split, "--roles-by", by]
    rendered = CliRunner().invoke(render_command, arguments, standalone_mode=False, catch_exceptions=False)
    assert rendered.return_value == 0
    return rendered.stdout


@pytest.mark.parametrize("split", ["e-pd", "e-p-d"])
@pytest.mark.parametrize("by", ["disaggregatedset", "kserve"])
def test_roles_are_taken_with_every_field(
    with_kinds: Cluster, namespace: str, tmp_path: Path, by: str, split: str
) -> None:
    text = rendered_as(tmp_path, namespace, split, by)
    with_kinds.kubectl("create", "--validate=strict", "-f", "-", text=text)
    wanted = next(yaml.safe_load_all(text))
    made = with_kinds.get(wanted["kind"].lower(), "vision", namespace)
    if by == "kserve":
        assert made["spec"].get("prefill", {}).get("labels") == wanted["spec"].get("prefill", {}).get("labels")
    else:
        assert [role["name"] for role in made["spec"]["roles"]] == [role["name"] for role in wanted["spec"]["roles"]]


def test_the_real_manager_forms_a_group_for_every_role(with_kinds: Cluster, namespace: str, tmp_path: Path) -> None:
    with_kinds.kubectl("create", "-f", "-", text=rendered_as(tmp_path, namespace, "e-p-d", "disaggregatedset"))
    roles = ("encode", "prefill", "decode")

    def pods() -> dict[str, list[str]] | None:
        """Names of the pods that each role's Service selects, once every role has one."""
        found: dict[str, list[str]] = {}
        for role in roles:
            selector = with_kinds.get("service", f"vision-{role}", namespace)["spec"]["selector"]
            labels = ",".join(f"{name}={value}" for name, value in selector.items())
            items = with_kinds.get("pod", None, namespace, "-l", labels)["items"]
            found[role] = [item["metadata"]["name"] for item in items]
        return found if all(found.values()) else None

    found = with_kinds.wait("a pod of every role", pods)
    assert [len(names) for names in found.values()] == [1, 1, 1]
    assert len({name for names in found.values() for name in names}) == 3
