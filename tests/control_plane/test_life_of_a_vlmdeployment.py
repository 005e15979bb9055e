"""From ``kubectl apply`` to a serving model, on a real API server: planned, deployed, reported, repaired, removed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from vlmdeployments import condition, engine, vlmd

from kit.control_plane import Cluster, OperatorProcess
from kit.control_plane.cluster import CommandFailed

pytestmark = pytest.mark.control_plane


def ready(cluster: Cluster, namespace: str, name: str, seconds: int = 60) -> dict[str, Any]:
    try:
        cluster.kubectl("wait", "--for=condition=Ready", f"vlmd/{name}", "-n", namespace, f"--timeout={seconds}s")
    except CommandFailed as error:
        status = cluster.get("vlmd", name, namespace).get("status", {})
        pods = cluster.kubectl("get", "pods", "-n", namespace, "-o", "wide")
        pytest.fail(f"{error}\n{yaml.safe_dump([status.get('conditions'), status.get('attempts')])}\n{pods}")
    return cluster.get("vlmd", name, namespace)


def planned_as(cluster: Cluster, namespace: str, name: str, status: str, reason: str) -> dict[str, Any]:
    def seen() -> dict[str, Any] | None:
        item = cluster.get("vlmd", name, namespace)
        found = condition(item, "Planned")
        return item if (found.get("status"), found.get("reason")) == (status, reason) else None

    found: dict[str, Any] = cluster.wait(f"{name} is Planned={status} ({reason})", seen)
    return found


def arguments(cluster: Cluster, namespace: str, name: str) -> list[str]:
    deployment = cluster.get("deployment", name, namespace)
    args: list[str] = deployment["spec"]["template"]["spec"]["containers"][0]["args"]
    return args


def flag(args: list[str], name: str) -> str:
    return args[args.index(name) + 1]


@pytest.mark.usefixtures("operator")
def test_kubectl_wait_sees_it_ready_and_the_columns_say_what_was_planned(cluster: Cluster, namespace: str) -> None:
    cluster.apply(vlmd("model", namespace))
    item = ready(cluster, namespace, "model")
    assert {
        kind: condition(item, kind)["status"] for kind in ("Planned", "CapacityVerified", "Available", "Ready")
    } == {
        "Planned": "True",
        "CapacityVerified": "True",
        "Available": "True",
        "Ready": "True",
    }
    assert item["status"]["observedGeneration"] == item["metadata"]["generation"]
    table = cluster.kubectl("get", "vlmd", "-n", namespace)
    assert all(word in table for word in ("Qwen/Qwen3-VL-8B-Instruct", "NVIDIA-GeForce-RTX-5090", "16384", "True"))
    events = cluster.get("events.events.k8s.io", None, namespace)["items"]
    told = Counter(event["reason"] for event in events if event["regarding"]["kind"] == "VLMDeployment")
    assert told == {"Planned": 1, "Deployed": 1, "Observed": 1, "CapacityVerified": 1, "Ready": 1}


@pytest.mark.usefixtures("operator")
def test_nothing_of_the_framework_is_left_on_users_objects(cluster: Cluster, namespace: str) -> None:
    cluster.apply(vlmd("model", namespace))
    metadata = ready(cluster, namespace, "model")["metadata"]
    assert "finalizers" not in metadata
    assert set(metadata.get("annotations", {})) <= {"kubectl.kubernetes.io/last-applied-configuration"}


@pytest.mark.usefixtures("operator")
def test_what_does_not_fit_is_refused_with_numbers_before_a_pod_exists(cluster: Cluster, namespace: str) -> None:
    model, gpu = {"id": "Qwen/Qwen3-VL-30B-A3B-Instruct"}, {"product": "Tesla-T4", "count": 1}
    cluster.apply(vlmd("large", namespace, model=model, gpu=gpu, engine=None))
    item = cluster.wait("a refusal", lambda: condition(cluster.get("vlmd", "large", namespace), "Planned") or None)
    assert item["status"] == "False"
    assert "GiB" in item["message"]
    assert condition(cluster.get("vlmd", "large", namespace), "Stalled")["status"] == "True"
    assert not cluster.get("deployment", None, namespace)["items"]


@pytest.mark.usefixtures("operator")
def test_a_deployment_that_was_edited_is_put_back(cluster: Cluster, namespace: str) -> None:
    cluster.apply(vlmd("model", namespace))
    ready(cluster, namespace, "model")
    before = arguments(cluster, namespace, "model")
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/args", "value": ["--something-else"]}]
    cluster.kubectl("patch", "deployment", "model", "-n", namespace, "--type=json", "-p", json.dumps(patch))
    cluster.wait("its arguments are back", lambda: arguments(cluster, namespace, "model") == before)


@pytest.mark.usefixtures("operator")
@pytest.mark.parametrize("kind", ["deployment", "service"])
def test_a_child_that_was_deleted_comes_back(cluster: Cluster, namespace: str, kind: str) -> None:
    cluster.apply(vlmd("model", namespace))
    ready(cluster, namespace, "model")
    before = cluster.get(kind, "model", namespace)["metadata"]["uid"]
    cluster.kubectl("delete", kind, "model", "-n", namespace)
    cluster.wait(f"another {kind}", lambda: cluster.get(kind, "model", namespace)["metadata"]["uid"] != before)


@pytest.mark.usefixtures("operator")
def test_a_deployment_of_somebody_else_is_not_taken_over(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("create", "deployment", "model", "--image=nginx", "-n", namespace)
    cluster.apply(vlmd("model", namespace))
    item = planned_as(cluster, namespace, "model", "False", "InvalidSpec")
    assert "somebody else's" in condition(item, "Ready")["message"]
    deployment = cluster.get("deployment", "model", namespace)
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "nginx"
    cluster.kubectl("delete", "deployment", "model", "-n", namespace)
    cluster.kubectl("annotate", "vlmd", "model", "look=again", "-n", namespace)
    ready(cluster, namespace, "model")


@pytest.mark.usefixtures("operator")
def test_a_service_of_somebody_else_stays_as_it_is_even_without_a_field_in_conflict(
    cluster: Cluster, namespace: str
) -> None:
    ports = {"ports": [{"port": 9999}]}
    cluster.apply(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "model"}, "spec": ports}, namespace=namespace
    )
    before = cluster.get("service", "model", namespace, "--show-managed-fields")
    cluster.apply(vlmd("model", namespace))
    item = planned_as(cluster, namespace, "model", "False", "InvalidSpec")
    assert "somebody else's" in condition(item, "Ready")["message"]
    assert cluster.get("service", "model", namespace, "--show-managed-fields") == before


@pytest.mark.usefixtures("operator")
def test_a_pod_template_the_api_server_refuses_is_said_in_its_words(cluster: Cluster, namespace: str) -> None:
    overlay = {"spec": {"volumes": [{"name": "Not_A_Name", "emptyDir": {}}]}}
    cluster.apply(vlmd("model", namespace, podTemplate=overlay))
    item = planned_as(cluster, namespace, "model", "False", "InvalidSpec")
    assert "Not_A_Name" in condition(item, "Planned")["message"]
    cluster.apply(vlmd("model", namespace))
    ready(cluster, namespace, "model")


@pytest.mark.usefixtures("operator")
def test_two_of_one_name_in_two_namespaces_do_not_meet(cluster: Cluster, namespace: str) -> None:
    other = f"{namespace}-other"
    cluster.kubectl("create", "namespace", other)
    try:
        cluster.apply(vlmd("model", namespace), vlmd("model", other, engine=engine(contextLength=8192)))
        ready(cluster, namespace, "model")
        ready(cluster, other, "model")
        assert flag(arguments(cluster, namespace, "model"), "--max-model-len") == "16384"
        assert flag(arguments(cluster, other, "model"), "--max-model-len") == "8192"
    finally:
        cluster.kubectl("delete", "vlmd", "--all", "-n", other)
        cluster.kubectl("delete", "namespace", other, "--wait=false")


@pytest.mark.usefixtures("operator")
def test_deleting_it_removes_its_children_and_never_hangs(cluster: Cluster, namespace: str) -> None:
    cluster.apply(vlmd("model", namespace))
    ready(cluster, namespace, "model")
    cluster.kubectl("delete", "vlmd", "model", "-n", namespace, "--timeout=20s")

    def left() -> list[Any]:
        items: list[Any] = cluster.get("deployment,service,pod", None, namespace)["items"]
        return items

    cluster.wait("its children are gone", lambda: not left())


@pytest.mark.usefixtures("operator")
def test_deleted_while_it_is_being_worked_on_leaves_nothing(cluster: Cluster, namespace: str) -> None:
    for number in range(5):
        cluster.apply(vlmd(f"short-{number}", namespace))
        cluster.kubectl("delete", "vlmd", f"short-{number}", "-n", namespace, "--wait=false")
    cluster.wait("nothing is left", lambda: not cluster.get("vlmd,deployment,service,pod", None, namespace)["items"])


@pytest.mark.usefixtures("operator")
def test_a_changed_spec_is_planned_anew_and_served(cluster: Cluster, namespace: str) -> None:
    cluster.apply(vlmd("model", namespace))
    ready(cluster, namespace, "model")
    cluster.apply(vlmd("model", namespace, engine=engine(contextLength=8192)))
    cluster.wait(
        "served with the new context",
        lambda: (
            cluster.get("vlmd", "model", namespace)["status"]["contextLength"] == 8192
            and condition(cluster.get("vlmd", "model", namespace), "Ready")["status"] == "True"
        ),
    )
    assert flag(arguments(cluster, namespace, "model"), "--max-model-len") == "8192"


@pytest.mark.usefixtures("operator")
def test_render_prints_what_is_in_the_api_server_but_for_what_the_server_adds(
    cluster: Cluster, namespace: str, tmp_path: Path
) -> None:
    manifest = vlmd("model", namespace)
    cluster.apply(manifest)
    ready(cluster, namespace, "model")
    file = tmp_path / "vlmd.yaml"
    file.write_text(yaml.safe_dump(manifest))
    command = [str(Path(sys.executable).with_name("vlmctl")), "render", "-f", str(file), "--offline"]
    rendered = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    objects = list(yaml.safe_load_all(rendered))
    assert [item["kind"] for item in objects] == ["Deployment", "Service"]
    for item in objects:
        live = cluster.get(item["kind"].lower(), "model", namespace)
        assert _only(live, item) == item
        managed = [entry for entry in _managed(cluster, item["kind"], namespace) if entry["manager"] == "vlm-operator"]
        assert [entry["operation"] for entry in managed] == ["Apply"]


def _managed(cluster: Cluster, kind: str, namespace: str) -> list[dict[str, Any]]:
    live = cluster.get(kind.lower(), "model", namespace, "--show-managed-fields")
    entries: list[dict[str, Any]] = live["metadata"]["managedFields"]
    return entries


def _only(live: Any, wanted: Any) -> Any:
    """``live`` without the fields that ``wanted`` does not have: those the server added."""
    if isinstance(wanted, dict) and isinstance(live, dict):
        return {key: _only(live[key], value) for key, value in wanted.items() if key in live}
    if isinstance(wanted, list) and isinstance(live, list) and len(live) == len(wanted):
        return [_only(*pair) for pair in zip(live, wanted, strict=True)]
    return live


@pytest.mark.usefixtures("operator")
def test_the_operators_token_opens_no_secret(cluster: Cluster, operator: OperatorProcess, namespace: str) -> None:
    cluster.kubectl("create", "secret", "generic", "token", "--from-literal=token=hf_x", "-n", namespace)
    with pytest.raises(CommandFailed, match="forbidden"):
        cluster.kubectl("get", "secrets", "-n", namespace, f"--kubeconfig={operator.kubeconfig}")
