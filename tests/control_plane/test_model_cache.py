"""The claim of a model cache on a real API server: created first, bound, kept through a retune, gone with its owner."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from vlmdeployments import SERVES, condition, vlmd

from kit.control_plane import Cluster

pytestmark = pytest.mark.control_plane

CLAIM = "model-model-cache"


def cached(namespace: str, size: str) -> dict[str, Any]:
    cache = {"size": size, "storageClassName": f"cache-{namespace}"}
    return vlmd("model", namespace, model={**SERVES["model"], "cache": cache})


def volume(namespace: str) -> dict[str, Any]:
    """A volume for the claim: nothing provisions any here."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": f"cache-{namespace}"},
        "spec": {
            "capacity": {"storage": "100Gi"},
            "accessModes": ["ReadWriteOnce"],
            "storageClassName": f"cache-{namespace}",
            "hostPath": {"path": "/tmp/cache"},
        },
    }


@pytest.mark.usefixtures("operator")
def test_the_claim_is_made_bound_reported_and_deleted_with_the_vlmdeployment(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    cluster.apply(volume(namespace))
    manifest = cached(namespace, "40Gi")
    cluster.apply(manifest)
    cluster.kubectl("wait", "--for=condition=Ready", "vlmd/model", "-n", namespace, "--timeout=60s")
    claim = cluster.get("pvc", CLAIM, namespace)
    assert claim["status"]["phase"] == "Bound"
    (owner,) = claim["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("VLMDeployment", "model", True)
    status = cluster.get("vlmd", "model", namespace)["status"]["modelCache"]
    assert (status["volume"], status["name"]) == ("CreatedClaim", CLAIM)
    assert status["message"] == "kept through every retune; deleted with the VLMDeployment"

    file = tmp_path / "vlmd.yaml"
    file.write_text(yaml.safe_dump(manifest))
    command = [str(Path(sys.executable).with_name("vlmctl")), "render", "-f", str(file), "--offline"]
    rendered = list(yaml.safe_load_all(subprocess.run(command, capture_output=True, text=True, check=True).stdout))
    assert [item["kind"] for item in rendered] == ["PersistentVolumeClaim", "Deployment", "Service"]
    assert rendered[0]["spec"].items() <= claim["spec"].items()
    assert rendered[0]["metadata"]["labels"] == claim["metadata"]["labels"]

    cluster.kubectl("delete", "vlmd", "model", "-n", namespace)

    def going() -> bool:
        found = cluster.get("pvc", "", namespace)
        return all("deletionTimestamp" in item["metadata"] for item in found["items"])

    assert cluster.wait("the claim goes with its owner", going)


@pytest.mark.usefixtures("operator")
def test_a_claim_that_cannot_grow_is_said_in_the_api_servers_words(cluster: Cluster, namespace: str) -> None:
    cluster.apply(volume(namespace))
    cluster.apply(cached(namespace, "40Gi"))
    cluster.kubectl("wait", "--for=condition=Ready", "vlmd/model", "-n", namespace, "--timeout=60s")
    cluster.apply(cached(namespace, "60Gi"))

    def refused() -> str | None:
        said = condition(cluster.get("vlmd", "model", namespace), "Planned").get("message", "")
        return said if CLAIM in said else None

    assert "can be resized" in str(cluster.wait("the refusal is told", refused))
