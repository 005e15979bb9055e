"""The worked intents on a real API server: admitted as they stand, and planned by the operator as offline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hack.control_plane import Cluster
from vlmdeployments import condition

from vlm_operator.cli.deployment_file import plan_deployment, read_deployments

ROOT = Path(__file__).resolve().parents[2]
INTENTS = sorted((ROOT / "examples" / "intents").glob("*.yaml"))
ON_THESE_NODES = [
    path
    for path in INTENTS
    if any(product in path.read_text(encoding="utf-8") for product in ("NVIDIA-L4\n", "Tesla-T4", "cpu:"))
]
"""Those whose GPU is a node of the suite's cluster."""

pytestmark = pytest.mark.control_plane


@pytest.fixture(scope="module", autouse=True)
def crds(cluster: Cluster) -> None:
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(ROOT / "crds"))


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in INTENTS])
def test_each_is_admitted(cluster: Cluster, path: Path) -> None:
    said = cluster.kubectl("create", "--dry-run=server", "--validate=strict", "-f", str(path))
    assert "created (server dry run)" in said


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in ON_THESE_NODES])
def test_the_operator_plans_what_was_planned_offline(cluster: Cluster, namespace: str, path: Path) -> None:
    manifest = yaml.safe_load(path.read_text(encoding="utf-8"))
    name = manifest["metadata"]["name"]
    manifest["metadata"]["namespace"] = namespace
    cluster.apply(manifest)

    def planned() -> dict[str, Any] | None:
        item: dict[str, Any] = cluster.get("vlmd", name, namespace)
        return item if condition(item, "Planned").get("status") == "True" else None

    cluster.wait(f"{name} is planned", planned)
    (deployment,) = read_deployments(str(path))
    offline = plan_deployment(deployment, None, offline=True).plan

    def command() -> list[str] | None:
        deployed = cluster.get("deployment", name, namespace)
        args: list[str] = deployed["spec"]["template"]["spec"]["containers"][0]["args"]
        return args

    args = cluster.wait(f"{name} has a deployment", command)
    assert args[args.index("--max-model-len") + 1] == str(offline.settings.max_model_len)
