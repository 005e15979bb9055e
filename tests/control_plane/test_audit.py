"""``vlmctl audit`` against a real API server, under the rights that the chart gives and no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from kit.audit_cluster import UPGRADE, simulated_cluster
from kit.control_plane import Cluster, OperatorProcess

ROOT = Path(__file__).resolve().parents[2]
CHART = str(ROOT / "charts/vlm-operator")
RELEASE = "audited"
SERVERS = 24
"""Pods of the simulated cluster that are loaded: those with something to find first."""

pytestmark = pytest.mark.control_plane


def on_a_server(manifest: dict[str, Any]) -> dict[str, Any]:
    """A node or pod of the simulated cluster as an API server takes it: without owners, which are not there."""
    metadata = {key: value for key, value in manifest["metadata"].items() if key not in {"uid", "ownerReferences"}}
    if manifest["kind"] == "Node":
        metadata = {**metadata, "annotations": {"kwok.x-k8s.io/node": "fake"}}
        return {**manifest, "metadata": metadata}
    spec = json.loads(json.dumps(manifest["spec"]))
    for container in spec.get("initContainers", ()):
        container.setdefault("image", "kserve/storage-initializer:v0.15.0")
    return {**{key: manifest[key] for key in ("apiVersion", "kind")}, "metadata": metadata, "spec": spec}


@pytest.fixture(scope="module")
def loaded(cluster: Cluster) -> Iterator[Cluster]:
    """A part of the simulated cluster: the nodes of some servers, and the servers."""
    simulated = simulated_cluster()
    pods = [on_a_server(each) for each in simulated.pods[:SERVERS]]
    places = {pod["spec"].get("nodeName") for pod in pods}
    nodes = [on_a_server(each) for each in simulated.nodes if each["metadata"]["name"] in places]
    namespaces = sorted({pod["metadata"]["namespace"] for pod in pods})
    for name in namespaces:
        cluster.kubectl("create", "namespace", name)
        cluster.wait("its ServiceAccount", lambda name=name: cluster.get("serviceaccount", "default", name))
    cluster.apply(*nodes)
    cluster.apply(*pods)
    yield cluster
    cluster.kubectl("delete", "namespace", *namespaces, "--wait=false")
    cluster.kubectl("delete", "node", *(node["metadata"]["name"] for node in nodes))


@pytest.fixture(scope="module")
def rights(loaded: Cluster) -> Iterator[Path]:
    """A kubeconfig of the scheduled audit's ServiceAccount, as the chart installs it."""
    flags = ["--set=audit.schedule=0 5 * * *", "--set=audit.upgradeTo=" + UPGRADE]
    text = loaded.helm("template", RELEASE, CHART, "--namespace=audit-system", *flags)
    documents = [document for document in yaml.safe_load_all(text) if document]
    crds = [document for document in documents if document["kind"] == "CustomResourceDefinition"]
    audits = [
        document
        for document in documents
        if document["metadata"]["name"].endswith(("-audit", "-audit-schedule")) and document["kind"] != "CronJob"
    ]
    loaded.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "audit-system"}})
    loaded.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", text=yaml.safe_dump_all(crds))
    loaded.kubectl("wait", "--for=condition=Established", *(f"crd/{crd['metadata']['name']}" for crd in crds))
    loaded.kubectl("apply", "-f", "-", text=yaml.safe_dump_all(audits))
    account = next(document["metadata"]["name"] for document in audits if document["kind"] == "ServiceAccount")
    yield loaded.service_account_kubeconfig("audit-system", account)
    loaded.kubectl("delete", "--ignore-not-found", "-f", "-", text=yaml.safe_dump_all(audits))


def vlmctl(kubeconfig: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("vlmctl")), *arguments]
    environment = os.environ | {"KUBECONFIG": str(kubeconfig), "HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def found(answer: str) -> set[tuple[str, str]]:
    return {(each["kind"], each["id"]) for each in json.loads(answer)["findings"]}


def test_the_live_answer_is_that_of_the_same_objects_from_files(loaded: Cluster, rights: Path, tmp_path: Path) -> None:
    live = vlmctl(rights, "audit", "--no-metrics", "--to", UPGRADE, "-o", "json")
    assert live.returncode == 1, live.stderr
    files = []
    for name, flags in (("nodes", ()), ("pods", ("-A",))):
        path = tmp_path / f"{name}.json"
        path.write_text(json.dumps(json.loads(loaded.kubectl("get", name, *flags, "-o", "json"))))
        files += [f"--{name}", str(path)]
    offline = vlmctl(rights, "audit", *files, "--to", UPGRADE, "-o", "json")
    assert found(live.stdout) == found(offline.stdout)
    planted = {kind for kind, _ in simulated_cluster().expected}
    kinds = {kind for kind, _ in found(live.stdout)}
    assert len(kinds & planted) >= 8
    assert "WouldNotFit" in kinds


@pytest.mark.parametrize("lost", ["nodes", "pods"])
def test_without_a_right_the_rights_needed_are_printed(loaded: Cluster, rights: Path, lost: str) -> None:
    name = next(
        each["metadata"]["name"]
        for each in loaded.get("clusterrole")["items"]
        if each["metadata"]["name"].endswith("-audit-schedule")
    )
    role = loaded.get("clusterrole", name)
    fewer = json.loads(json.dumps(role))
    for rule in fewer["rules"]:
        rule["resources"] = [each for each in rule["resources"] if each != lost]
    fewer["rules"] = [rule for rule in fewer["rules"] if rule["resources"]]
    fewer["metadata"].pop("resourceVersion")
    try:
        loaded.kubectl("replace", "-f", "-", text=json.dumps(fewer))
        done = loaded.wait(
            "the right is gone", lambda: (answer := vlmctl(rights, "audit", "--no-metrics")).returncode == 5 and answer
        )
    finally:
        role["metadata"].pop("resourceVersion")
        loaded.kubectl("replace", "-f", "-", text=json.dumps(role))
    assert f"list {lost}" in done.stderr
    for right in ("list nodes", "list pods", "get configmaps", "get pods/proxy"):
        assert right in done.stderr


def test_the_cron_jobs_command_writes_a_report_that_the_operator_exports(
    loaded: Cluster, rights: Path, operator: OperatorProcess
) -> None:
    text = loaded.helm("template", RELEASE, CHART, "--set=audit.schedule=0 5 * * *", f"--set=audit.upgradeTo={UPGRADE}")
    (job,) = [each for each in yaml.safe_load_all(text) if each and each["kind"] == "CronJob"]
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    command, *words = [*container["command"], *container["args"]]
    assert command == "vlmctl"

    def written() -> dict[str, Any] | None:
        done = vlmctl(rights, *words)
        assert done.returncode in {0, 5}, done.stderr
        return loaded.get("gpufitreport", "cluster") if done.returncode == 0 else None

    report = loaded.wait("the rights are back", written)
    summary = report["spec"]["summary"]
    assert summary["servers"] >= SERVERS - 1
    assert summary["findings"]["error"] > 0
    assert report["spec"]["upgradeTo"] == UPGRADE
    line = loaded.kubectl("get", "gpufitreports").splitlines()
    assert line[0].split()[:5] == ["NAME", "SERVERS", "ERRORS", "WARNINGS", "NODES"]
    assert line[1].split()[:3] == ["cluster", str(summary["servers"]), str(summary["findings"]["error"])]

    def exported() -> bool:
        with urllib.request.urlopen(f"http://127.0.0.1:{operator.port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        rows = [line for line in text.splitlines() if line.startswith("vlm_operator_gpu_reserved_bytes{")]
        reserved = sum(float(row.rsplit(" ", 1)[1]) for row in rows)
        return reserved > 0 and reserved == sum(group["reservedBytes"] for group in report["spec"]["groups"])

    assert loaded.wait("the report's figures are metrics", exported)


def test_the_scheduled_audit_may_write_its_report_and_nothing_else(loaded: Cluster, rights: Path) -> None:
    done = vlmctl(rights, "audit", "--no-metrics", "--write-report", "another", "--fail-on", "never")
    assert done.returncode == 5
    assert "gpufitreports" in done.stderr
    assert "another" not in {each["metadata"]["name"] for each in loaded.get("gpufitreports")["items"]}
