"""The Job of a dry run: where the model lies as for the server, and never a GPU."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest
from server_requests import request as server

from vlm_operator.api.names import DEPLOYMENT_LABEL, DRY_RUN_LABEL
from vlm_operator.rendering import DryRunRequest, PodTemplateClash, render, render_dry_run
from vlm_operator.rendering.dry_run import MEMORY_BYTES
from vlm_operator.sources.dry_run_program import program_files

QUESTION = {"model": "/models/qwen3-vl", "gpu": {"name": "NVIDIA L4"}, "engine": {"max_model_len": 8192}}
VOLUMES: dict[str, Any] = {
    "model": {"path": "/models/qwen3-vl"},
    "cacheClaim": "cache",
    "podTemplate": {
        "metadata": {"annotations": {"example/team": "vision"}},
        "spec": {
            "runtimeClassName": "nvidia",
            "priorityClassName": "serving",
            "imagePullSecrets": [{"name": "registry"}],
            "nodeSelector": {"pool": "gpu"},
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "securityContext": {"fsGroup": 2000},
            "volumes": [{"name": "models", "persistentVolumeClaim": {"claimName": "models", "readOnly": True}}],
            "initContainers": [{"name": "fetch", "image": "fetch"}],
            "containers": [
                {
                    "name": "vllm",
                    "env": [{"name": "HF_ENDPOINT", "value": "https://hub.example"}],
                    "envFrom": [{"secretRef": {"name": "proxy"}}],
                    "volumeMounts": [{"name": "models", "mountPath": "/models"}],
                },
                {"name": "sidecar", "image": "proxy"},
            ],
        },
    },
}


def dry_run(spec: dict[str, Any] | None = None, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    asked = DryRunRequest("qwen3-vl-dry-run-1", server(spec), "0123456789abcdef", QUESTION, program_files(), **more)
    return render_dry_run(asked)


def pod_of(spec: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = dry_run(spec, **more)[1]["spec"]["template"]["spec"]
    return found


def container_of(spec: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    (found,) = pod_of(spec, **more)["containers"]
    return dict(found)


def environment(container: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


@pytest.mark.parametrize("spec", [pytest.param({}, id="a model by id"), pytest.param(VOLUMES, id="a model by path")])
def test_both_objects_are_valid(spec: dict[str, Any]) -> None:
    for item in dry_run(spec):
        kubernetes_validate.validate(item, "1.33", strict=True)


def test_no_gpu_is_asked_for_or_seen() -> None:
    container = container_of({"gpu": {"count": 2}})
    assert set(container["resources"]["limits"]) == {"memory"}
    assert set(container["resources"]["requests"]) == {"cpu", "memory"}
    assert environment(container)["NVIDIA_VISIBLE_DEVICES"] == "void"
    pod = pod_of(VOLUMES)
    assert pod["nodeSelector"] == {"pool": "gpu"}
    assert "nodeSelector" not in pod_of()
    assert "runtimeClassName" not in pod


def test_it_finds_the_model_where_the_server_will() -> None:
    pod, (container,) = pod_of(VOLUMES), pod_of(VOLUMES)["containers"]
    mounts = {each["name"]: each for each in container["volumeMounts"]}
    assert mounts["models"] == {"name": "models", "mountPath": "/models", "readOnly": True}
    assert mounts["cache"]["mountPath"] == "/cache"
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert volumes["models"]["persistentVolumeClaim"]["claimName"] == "models"
    assert volumes["cache"]["persistentVolumeClaim"]["claimName"] == "cache"
    assert set(mounts) == set(volumes) == {"models", "cache", "dry-run-program", "dry-run-tmp"}


def test_it_reaches_what_the_server_reaches() -> None:
    pod, container = pod_of(VOLUMES), container_of(VOLUMES)
    assert pod["imagePullSecrets"] == [{"name": "registry"}]
    assert {"key": "gpu", "operator": "Exists"} in pod["tolerations"]
    assert environment(container)["HF_ENDPOINT"] == "https://hub.example"
    assert container["envFrom"] == [{"secretRef": {"name": "proxy"}}]


def test_the_token_is_referred_to_and_not_read() -> None:
    model = {"id": "Qwen/Qwen3-VL-8B-Instruct", "tokenSecretRef": {"name": "hub", "key": "token"}}
    reference = {"secretKeyRef": {"name": "hub", "key": "token", "optional": False}}
    assert environment(container_of({"model": model}))["HF_TOKEN"] == reference


def test_init_containers_sidecars_and_priority_stay_with_the_server() -> None:
    pod = pod_of(VOLUMES)
    assert [each["name"] for each in pod["containers"]] == ["dry-run"]
    assert {"initContainers", "priorityClassName", "topologySpreadConstraints"} & pod.keys() == set()


@pytest.mark.parametrize(
    ("security", "user", "non_root"),
    [
        pytest.param({}, 65534, True, id="nobody where no user is named"),
        pytest.param({"runAsUser": 2000, "fsGroup": 2000}, 2000, True, id="the user that the overlay names"),
        pytest.param({"runAsUser": 0}, 0, False, id="root where the overlay says so"),
    ],
)
def test_it_has_no_rights(security: dict[str, Any], user: int, non_root: bool) -> None:
    pod = pod_of({"podTemplate": {"spec": {"securityContext": security}}})
    context = pod["securityContext"]
    assert (context["runAsUser"], context["runAsNonRoot"]) == (user, non_root)
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["containers"][0]["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert pod["automountServiceAccountToken"] is False


def test_it_runs_once_within_bounds() -> None:
    spec = dry_run(memory_bytes=2 * MEMORY_BYTES)[1]["spec"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"], spec["ttlSecondsAfterFinished"]) == (0, 1800, 3600)
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["template"]["spec"]["containers"][0]["resources"]["limits"] == {"memory": "8192Mi"}


def test_the_program_is_a_package_beside_its_question() -> None:
    config_map, job = dry_run()
    pod = job["spec"]["template"]["spec"]
    (volume,) = (each for each in pod["volumes"] if each["name"] == "dry-run-program")
    paths = {item["key"]: item["path"] for item in volume["configMap"]["items"]}
    assert volume["configMap"]["name"] == config_map["metadata"]["name"]
    assert set(paths) == set(config_map["data"]) == {*program_files(), "request.json"}
    assert paths["__main__.py"] == "dryrun/__main__.py"
    assert paths["request.json"] == "request.json"
    (container,) = pod["containers"]
    assert container["workingDir"] == "/opt/vlm-operator"
    assert container["args"][0] == "/opt/vlm-operator/request.json"
    assert sum(map(len, config_map["data"].values())) < 900_000, "a ConfigMap holds 1 MiB"


def test_its_pods_are_not_the_servers() -> None:
    config_map, job = dry_run()
    for labels in (job["metadata"]["labels"], job["spec"]["template"]["metadata"]["labels"]):
        assert labels[DRY_RUN_LABEL] == "qwen3-vl"
        assert DEPLOYMENT_LABEL not in labels
    service = render(server())[1]
    assert service["spec"]["selector"].items() - job["spec"]["template"]["metadata"]["labels"].items()
    assert config_map["metadata"]["labels"] == job["metadata"]["labels"]


def test_an_overlay_that_the_server_would_not_take_is_not_taken() -> None:
    asked = DryRunRequest("a", server(), "0", QUESTION, program_files())
    mine = {"spec": {"containers": [{"name": "vllm", "image": "mine"}]}}
    with pytest.raises(PodTemplateClash):
        render_dry_run(replace(asked, server=replace(asked.server, pod_template=mine)))
