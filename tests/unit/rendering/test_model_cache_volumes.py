"""Where downloads and compiled code lie: each kind of volume, the claim that is created, what a read-only one needs."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest
import yaml
from server_requests import request

from vlm_operator.api.base import parse
from vlm_operator.api.vlm_deployment import VLMDeployment
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.errors import InputError
from vlm_operator.rendering import (
    DryRunRequest,
    PodTemplatePolicy,
    ServerRequest,
    check_spec,
    docker,
    leader_worker_set,
    llm_inference_service,
    render,
    render_dry_run,
    to_yaml,
)

MODEL = {"id": "Qwen/Qwen3-VL-8B-Instruct"}


def cached(cache: dict[str, Any], **spec: Any) -> ServerRequest:
    return request({"model": {**MODEL, "cache": cache}, **spec})


def pod_of(case: ServerRequest) -> dict[str, Any]:
    (deployment,) = [each for each in render(case) if each["kind"] == "Deployment"]
    pod: dict[str, Any] = deployment["spec"]["template"]["spec"]
    return pod


def variables(pod: dict[str, Any]) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in pod["containers"][0]["env"]}


@pytest.mark.parametrize(
    ("case", "volume"),
    [
        pytest.param(request(), {"emptyDir": {}}, id="the default goes with the pod"),
        pytest.param(cached({"emptyDir": {}}), {"emptyDir": {}}, id="said in words"),
        pytest.param(
            cached({"emptyDir": {"sizeLimit": "60GiB"}}), {"emptyDir": {"sizeLimit": "60Gi"}}, id="with a limit"
        ),
        pytest.param(
            cached({"claim": "models"}), {"persistentVolumeClaim": {"claimName": "models"}}, id="a claim of the user's"
        ),
        pytest.param(
            request({"cacheClaim": "models"}),
            {"persistentVolumeClaim": {"claimName": "models"}},
            id="by its older name",
        ),
        pytest.param(
            cached({"claim": "models", "readOnly": True}),
            {"persistentVolumeClaim": {"claimName": "models", "readOnly": True}},
            id="shared, read-only",
        ),
        pytest.param(
            cached({"size": "100Gi"}), {"persistentVolumeClaim": {"claimName": "qwen3-vl-model-cache"}}, id="created"
        ),
        pytest.param(
            cached({"hostPath": "/var/cache/vllm/"}),
            {"hostPath": {"path": "/var/cache/vllm", "type": "DirectoryOrCreate"}},
            id="a directory of the node",
        ),
        pytest.param(
            cached({"hostPath": "/srv/models", "readOnly": True}),
            {"hostPath": {"path": "/srv/models", "type": "Directory"}},
            id="a directory of the node that must be there",
        ),
    ],
)
def test_the_volume_is_what_the_spec_says(case: ServerRequest, volume: dict[str, Any]) -> None:
    pod = pod_of(case)
    (found,) = [each for each in pod["volumes"] if each["name"] == "cache"]
    assert found == {"name": "cache", **volume}
    (mount,) = [each for each in pod["containers"][0]["volumeMounts"] if each["name"] == "cache"]
    assert mount["mountPath"] == "/cache"
    assert variables(pod)["HF_HOME"] == "/cache/huggingface"


def test_a_read_only_cache_is_read_offline_and_compiled_code_goes_elsewhere() -> None:
    pod = pod_of(cached({"claim": "models", "readOnly": True}))
    mounts = {each["name"]: each for each in pod["containers"][0]["volumeMounts"]}
    assert mounts["cache"]["readOnly"] is True
    assert mounts["compiled"].get("readOnly") is None
    assert {"name": "compiled", "emptyDir": {}} in pod["volumes"]
    found = variables(pod)
    assert found["HF_HUB_OFFLINE"] == "1"
    writable = mounts["compiled"]["mountPath"]
    assert all(found[name].startswith(f"{writable}/") for name in ("VLLM_CACHE_ROOT", "HF_MODULES_CACHE"))
    assert "HF_HUB_OFFLINE" not in variables(pod_of(cached({"claim": "models"})))


def test_the_created_claim_comes_first_and_belongs_to_the_vlmdeployment() -> None:
    case = replace(cached({"size": "100GiB", "storageClassName": "fast", "accessMode": "ReadWriteMany"}), uid="uid-1")
    claim, deployment, service = render(case)
    assert [deployment["kind"], service["kind"]] == ["Deployment", "Service"]
    assert claim["spec"] == {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "100Gi"}},
    }
    metadata = claim["metadata"]
    assert (metadata["name"], metadata["namespace"]) == ("qwen3-vl-model-cache", "vision")
    assert metadata["ownerReferences"] == deployment["metadata"]["ownerReferences"]
    assert metadata["labels"] == deployment["metadata"]["labels"]
    assert "ownerReferences" not in render(cached({"size": "1Gi"}))[0]["metadata"], "vlmctl render knows no owner"


def test_a_stopped_server_keeps_its_claim() -> None:
    assert render(replace(cached({"size": "1Gi"}), replicas=0))[0]["kind"] == "PersistentVolumeClaim"


@pytest.mark.parametrize(
    "cache",
    [
        pytest.param({"claim": "models", "readOnly": True}, id="claim"),
        pytest.param({"size": "1500M"}, id="size"),
        pytest.param({"hostPath": "/srv/models"}, id="hostPath"),
        pytest.param({"emptyDir": {"sizeLimit": "60Gi"}}, id="emptyDir"),
    ],
)
def test_manifests_are_valid_by_kubernetes_own_schemas(cache: dict[str, Any]) -> None:
    for manifest in yaml.safe_load_all(to_yaml(render(cached(cache)))):
        kubernetes_validate.validate(manifest, "1.33", strict=True)


def test_forms_of_one_node_bring_the_claim_too() -> None:
    case = cached({"size": "100Gi"})
    assert leader_worker_set(case)[0] == render(case)[0]
    assert llm_inference_service(case, EngineSettings())[0] == render(case)[0]


@pytest.mark.parametrize(
    ("mode", "refused"),
    [
        pytest.param({}, True, id="one node, as nothing is said"),
        pytest.param({"accessMode": "ReadWriteOncePod"}, True, id="one pod"),
        pytest.param({"accessMode": "ReadWriteMany"}, False, id="many nodes"),
    ],
)
def test_nodes_of_one_replica_need_a_volume_that_all_of_them_mount(mode: dict[str, str], refused: bool) -> None:
    case = replace(cached({"size": "100Gi", **mode}), nodes=2)
    if refused:
        with pytest.raises(InputError, match=r"model\.cache\.accessMode: a replica stands on 2 nodes"):
            leader_worker_set(case)
    else:
        assert leader_worker_set(case)[0]["kind"] == "PersistentVolumeClaim"


def test_a_dry_run_does_not_wait_for_the_claim_that_the_server_holds() -> None:
    def volumes(cache: dict[str, Any]) -> list[dict[str, Any]]:
        _, job = render_dry_run(DryRunRequest("x", cached(cache), "d", {}, {}))
        return [each for each in job["spec"]["template"]["spec"]["volumes"] if each["name"] == "cache"]

    assert volumes({"size": "100Gi"}) == [{"name": "cache", "emptyDir": {}}]
    assert volumes({"claim": "models"}) == [{"name": "cache", "persistentVolumeClaim": {"claimName": "models"}}]


def test_on_one_machine_the_directory_takes_the_place_of_the_volume() -> None:
    assert "/srv/models:/cache" in docker(cached({"hostPath": "/srv/models"}))
    assert "qwen3-vl-cache:/cache" in docker(cached({"claim": "models", "readOnly": True}))


def test_a_directory_of_the_node_is_the_administrators_to_allow() -> None:
    manifest = {"metadata": {"name": "a"}, "spec": {"model": {**MODEL, "cache": {"hostPath": "/srv/models"}}}}
    spec = parse(VLMDeployment, manifest).spec
    check_spec(spec, PodTemplatePolicy.UNRESTRICTED)
    with pytest.raises(InputError, match=r"forbids spec\.model\.cache\.hostPath") as refusal:
        check_spec(spec, PodTemplatePolicy.RESTRICTED)
    assert "podTemplatePolicy: Unrestricted" in (refusal.value.hint or "")
