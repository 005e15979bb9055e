"""The worked intents on a real API server: admitted as they stand, and planned by the operator as offline."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from vlmdeployments import condition

from kit.control_plane import Cluster, SimulatedGpuNode
from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.units import MIB

ROOT = Path(__file__).resolve().parents[2]
INTENTS = sorted((ROOT / "examples" / "intents").glob("*.yaml"))

pytestmark = pytest.mark.control_plane


@pytest.fixture(scope="module", autouse=True)
def crds(cluster: Cluster) -> None:
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(ROOT / "crds"))


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in INTENTS])
def test_each_is_admitted(cluster: Cluster, path: Path) -> None:
    said = cluster.kubectl("create", "--dry-run=server", "--validate=strict", "-f", str(path))
    assert "created (server dry run)" in said


@pytest.fixture(scope="module")
def nodes(cluster: Cluster) -> Iterator[None]:
    """One node for each kind of GPU that an intent asks for."""
    wanted = [spec["gpu"] for spec in (yaml.safe_load(path.read_text())["spec"] for path in INTENTS) if "gpu" in spec]
    manifests = {f"{gpu['product']} {gpu.get('resource')}": _node(number, gpu) for number, gpu in enumerate(wanted)}
    cluster.add_nodes(manifests.values())
    yield
    cluster.kubectl("delete", "node", *(manifest["metadata"]["name"] for manifest in manifests.values()))


def _node(number: int, gpu: dict[str, Any]) -> dict[str, Any]:
    facts = find_gpu(gpu["product"])
    assert facts.nvml_total_bytes is not None
    assert facts.compute_capability is not None
    memory = facts.nvml_total_bytes // MIB
    node = SimulatedGpuNode(f"intent-{number}", gpu["product"], memory, facts.compute_capability, count=2)
    manifest = node.manifest()
    if "resource" in gpu:
        manifest["metadata"]["labels"]["nvidia.com/mig.strategy"] = "mixed"
        resources = manifest["status"]["allocatable"]
        resources[gpu["resource"]] = resources.pop("nvidia.com/gpu")
        manifest["status"] = {"allocatable": resources, "capacity": resources}
    return manifest


@pytest.mark.usefixtures("operator", "nodes")
@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in INTENTS])
def test_the_operator_deploys_what_is_rendered_offline(cluster: Cluster, namespace: str, path: Path) -> None:
    manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    name = manifest["metadata"]["name"]
    manifest["metadata"]["namespace"] = namespace
    cluster.apply(manifest)

    def planned() -> dict[str, Any] | None:
        item: dict[str, Any] = cluster.get("vlmd", name, namespace)
        return item if condition(item, "Planned").get("status") == "True" else None

    cluster.wait(f"{name} is planned", planned)
    live = cluster.wait(f"{name} has a deployment", lambda: cluster.get("deployment", name, namespace))
    command = [str(Path(sys.executable).with_name("vlmctl")), "render", "-f", str(path), "--offline"]
    rendered = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    (offline,) = [item for item in yaml.safe_load_all(rendered) if item["kind"] == "Deployment"]
    assert _server(live) == _server(offline)


def _server(deployment: dict[str, Any]) -> tuple[Any, ...]:
    """What the plan decides of a pod."""
    pod = deployment["spec"]["template"]["spec"]
    container = pod["containers"][0]
    resources = container.get("resources", {}).get("limits")
    return container["args"], container["image"], resources, container.get("env"), pod.get("nodeSelector")
