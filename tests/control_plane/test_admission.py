"""The API server says the same about a VLMDeployment as the Python models, by the CRD alone."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from kit.control_plane import Cluster
from kit.control_plane.cluster import CommandFailed

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/unit/api"))

from spec_cases import ACCEPTED, REFUSED, UNKNOWN_FIELDS, Refused, manifest  # noqa: E402 - after the path is set

pytestmark = pytest.mark.control_plane


@pytest.fixture(scope="module", autouse=True)
def crds(cluster: Cluster) -> None:
    cluster.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(ROOT / "crds"))
    cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(ROOT / "crds"))


def dry_run(cluster: Cluster, *manifests: dict[str, Any]) -> str:
    text = "\n---\n".join(json.dumps(item) for item in manifests)
    return cluster.kubectl("create", "--dry-run=server", "--validate=strict", "-f", "-", text=text)


def _term(lowest: int, highest: int, latest: int) -> dict[str, int]:
    return {"lowestBytes": lowest, "highestBytes": highest, "latestBytes": latest}


def test_every_sensible_spec_is_admitted(cluster: Cluster) -> None:
    specs = [manifest(spec, f"case-{number}") for number, spec in enumerate(ACCEPTED.values())]
    assert dry_run(cluster, *specs).count("created") == len(ACCEPTED)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in REFUSED])
def test_a_wrong_spec_is_refused_at_the_door(cluster: Cluster, case: Refused) -> None:
    """Numbers out of range and wrong types are said in the API server's own words, everything else in ours."""
    with pytest.raises(CommandFailed) as refusal:
        dry_run(cluster, manifest(case.spec))
    words = str(refusal.value)
    assert case.field in words
    generic = ("should be", "must be of type", "Unsupported value", "Required value", "Too many", "may not be")
    assert case.words in words or any(word in words for word in generic)


@pytest.mark.parametrize("case", [pytest.param(case, id=case.id) for case in UNKNOWN_FIELDS])
def test_an_unknown_field_is_refused_as_kubectl_asks_for(cluster: Cluster, case: Refused) -> None:
    with pytest.raises(CommandFailed, match=f'unknown field "{case.field}"'):
        dry_run(cluster, manifest(case.spec))


def test_a_name_that_no_service_can_have_is_refused(cluster: Cluster) -> None:
    with pytest.raises(CommandFailed, match="DNS name"):
        dry_run(cluster, manifest({}, "3b"))


def test_a_server_cannot_move_between_gpu_and_cpu(cluster: Cluster) -> None:
    cluster.apply(manifest({"cpu": {"kvCacheSpace": "4Gi"}}, "stays-on-the-cpu"))
    try:
        with pytest.raises(CommandFailed, match="cannot move between GPU and CPU backend"):
            cluster.kubectl("patch", "vlmd", "stays-on-the-cpu", "--type=merge", "-p", '{"spec": {"cpu": null}}')
        cluster.kubectl("patch", "vlmd", "stays-on-the-cpu", "--type=merge", "-p", '{"spec": {"goal": "SingleUser"}}')
    finally:
        cluster.kubectl("delete", "vlmd", "stays-on-the-cpu")


def test_what_an_observation_is_about_cannot_change(cluster: Cluster) -> None:
    key = {"model": "a/b", "gpuProduct": "NVIDIA-L4", "vllmVersion": "0.32.0", "flags": {"max_model_len": 8192}}
    observation = {
        "apiVersion": "vlm-operator.dev/v1alpha1",
        "kind": "StartupObservation",
        "metadata": {"name": "fixed"},
        "spec": {"key": key, "outcome": "Started", "measured": {"weights": _term(1, 3, 2)}},
    }
    cluster.apply(observation)
    try:
        patch = json.dumps({"spec": {"key": {"vllmVersion": "0.33.0"}}})
        with pytest.raises(CommandFailed, match="key is fixed"):
            cluster.kubectl("patch", "vlmobs", "fixed", "--type=merge", "-p", patch)
        patch = json.dumps({"spec": {"measured": {"weights": _term(1, 2, 3)}}})
        with pytest.raises(CommandFailed, match="latestBytes must lie between"):
            cluster.kubectl("patch", "vlmobs", "fixed", "--type=merge", "-p", patch)
    finally:
        cluster.kubectl("delete", "vlmobs", "fixed")


def test_the_status_is_no_part_of_what_a_user_writes(cluster: Cluster) -> None:
    cluster.apply({**manifest({}, "no-status"), "status": {"gpu": "mine"}})
    try:
        assert "gpu" not in cluster.get("vlmd", "no-status").get("status", {})
        patch = json.dumps({"status": {"gpu": "2x NVIDIA-L4", "contextLength": 8192, "kvTokens": 9000, "conditions": [
            {"type": "Ready", "status": "False", "reason": "Starting", "message": "loading",
             "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1}]}})  # fmt: skip
        cluster.kubectl("patch", "vlmd", "no-status", "--subresource=status", "--type=merge", "-p", patch)
        head, line = cluster.kubectl("get", "vlmd", "no-status").splitlines()
        assert head.split() == ["NAME", "MODEL", "GPU", "CONTEXT", "KV", "TOKENS", "READY", "REASON", "AGE"]
        assert "Qwen/Qwen3-VL-8B-Instruct" in line
        assert "2x NVIDIA-L4" in line
        assert line.split()[-5:-1] == ["8192", "9000", "False", "Starting"]
        assert "loading" in cluster.kubectl("get", "vlmd", "no-status", "-o", "wide")
    finally:
        cluster.kubectl("delete", "vlmd", "no-status")


def test_explain_tells_unit_default_and_flag(cluster: Cluster) -> None:
    words = " ".join(cluster.kubectl("explain", "vlmd.spec.engine.contextLength").split())
    assert "tokens. Becomes --max-model-len. Default: chosen" in words
