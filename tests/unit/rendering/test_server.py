"""What a model server consists of: whole manifests as goldens, and the promises they must keep."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import kubernetes_validate
import pytest
import yaml
from server_requests import FLAGS, request
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.single_file import SingleFileSnapshotExtension, WriteMode

from vlm_operator.api.base import parse
from vlm_operator.api.vlm_deployment import VLMDeployment
from vlm_operator.engine.version import EngineVersion, default_image
from vlm_operator.errors import InputError
from vlm_operator.rendering import CONTAINER, ServerRequest, render, to_yaml
from vlm_operator.rendering.model_cache import ModelCache
from vlm_operator.rendering.server import LONGEST_ARGUMENT, server_arguments, startup_seconds


class YAMLFile(SingleFileSnapshotExtension):
    """One file per case, so that a reviewer reads manifests."""

    _write_mode = WriteMode.TEXT
    file_extension = "yaml"


EVERYTHING: dict[str, Any] = {
    "model": {
        "id": "Qwen/Qwen3-VL-30B-A3B-Instruct",
        "revision": "1f2e3d",
        "tokenSecretRef": {"name": "hf-token"},
    },
    "gpu": {"count": 2},
    "engine": {
        "image": "registry.example/vllm:v0.31.0",
        "servedModelName": "vision",
        "extraArgs": ["--enable-auto-tool-choice", "--tool-call-parser", "hermes"],
    },
    "replicas": 2,
    "service": {"port": 80},
}

FROM_A_VOLUME: dict[str, Any] = {
    "model": {"path": "/models/qwen3-vl"},
    "podTemplate": {
        "metadata": {"labels": {"team": "vision"}, "annotations": {"prometheus.io/scrape": "false"}},
        "spec": {
            "runtimeClassName": "nvidia",
            "priorityClassName": "serving",
            "tolerations": [{"key": "gpu", "operator": "Exists"}],
            "volumes": [
                {"name": "models", "persistentVolumeClaim": {"claimName": "models", "readOnly": True}},
                {"name": "cache", "persistentVolumeClaim": {"claimName": "cache"}},
            ],
            "containers": [
                {
                    "name": "vllm",
                    "resources": {"requests": {"cpu": "8", "memory": "32Gi"}, "limits": {"memory": "64Gi"}},
                    "env": [{"name": "NCCL_DEBUG", "value": "INFO"}, {"name": "DO_NOT_TRACK", "$patch": "delete"}],
                    "volumeMounts": [{"name": "models", "mountPath": "/models", "readOnly": True}],
                    "startupProbe": {"failureThreshold": 360},
                },
                {"name": "proxy", "image": "envoyproxy/envoy:v1.34.0"},
            ],
        },
    },
}

CASES: dict[str, ServerRequest] = {
    "one-gpu": request(),
    "gated-model-on-two-gpus": request(EVERYTHING, gpus=2, product="NVIDIA-H100-80GB-HBM3"),
    "mig-profile": request({"gpu": {"resource": "nvidia.com/mig-3g.40gb"}}, product="NVIDIA-A100-SXM4-80GB"),
    "cpu": request({"cpu": {"kvCacheSpace": "4Gi"}}, product=None),
    "volume-and-overlay": request(FROM_A_VOLUME),
}


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_manifests_are_as_reviewed(case: ServerRequest, snapshot: SnapshotAssertion) -> None:
    assert to_yaml(render(case)) == snapshot(extension_class=YAMLFile)


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in CASES.items()])
def test_manifests_are_valid_by_kubernetes_own_schemas(case: ServerRequest) -> None:
    for manifest in yaml.safe_load_all(to_yaml(render(case))):
        kubernetes_validate.validate(manifest, "1.33", strict=True)


def container(case: ServerRequest) -> dict[str, Any]:
    found: dict[str, Any] = render(case)[0]["spec"]["template"]["spec"]["containers"][0]
    assert found["name"] == CONTAINER
    return found


def test_the_same_request_gives_the_same_bytes() -> None:
    assert to_yaml(render(request(EVERYTHING))) == to_yaml(render(request(EVERYTHING)))


def test_arguments_stand_in_a_stable_order_with_the_users_own_last() -> None:
    assert container(request(EVERYTHING))["args"] == [
        "Qwen/Qwen3-VL-30B-A3B-Instruct",
        *("--revision", "1f2e3d"),
        *("--served-model-name", "vision"),
        *FLAGS,
        *("--port", "8000"),
        *("--enable-auto-tool-choice", "--tool-call-parser", "hermes"),
    ]


def test_an_owner_is_named_only_where_one_is_known() -> None:
    assert all("ownerReferences" not in manifest["metadata"] for manifest in render(request()))
    for manifest in render(replace(request(), uid="uid-1")):
        (owner,) = manifest["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"], owner["uid"], owner["controller"]) == (
            "VLMDeployment",
            "qwen3-vl",
            "uid-1",
            True,
        )


def test_a_slow_load_of_thirty_minutes_is_neither_killed_nor_a_failed_rollout() -> None:
    probe = container(request())["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] >= 30 * 60
    spec = render(request())[0]["spec"]
    assert spec["progressDeadlineSeconds"] > probe["periodSeconds"] * probe["failureThreshold"]
    assert spec["strategy"] == {"type": "Recreate"}


@pytest.mark.parametrize(
    ("weights", "seconds"),
    [
        pytest.param(None, 1800, id="not known"),
        pytest.param(16 * 10**9, 1800, id="16 GB"),
        pytest.param(75 * 10**9, 1800, id="75 GB"),
        pytest.param(810 * 10**9, 13560, id="810 GB take more than three hours at 500 Mbit/s"),
    ],
)
def test_the_probe_allows_for_the_download_of_the_weights(weights: int | None, seconds: int) -> None:
    assert startup_seconds(weights) == seconds
    deployment = render(replace(request(), startup_seconds=seconds))[0]
    probe = deployment["spec"]["template"]["spec"]["containers"][0]["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == seconds
    assert deployment["spec"]["progressDeadlineSeconds"] > seconds


def test_replicas_are_left_alone_unless_asked_for() -> None:
    assert "replicas" not in render(request())[0]["spec"]
    assert render(request({"replicas": 0}))[0]["spec"]["replicas"] == 0


def test_the_token_is_referred_to_and_never_written() -> None:
    token = next(variable for variable in container(request(EVERYTHING))["env"] if variable["name"] == "HF_TOKEN")
    assert token == {
        "name": "HF_TOKEN",
        "valueFrom": {"secretKeyRef": {"name": "hf-token", "key": "token", "optional": False}},
    }


def test_the_cpu_backend_gets_its_cache_in_whole_gib_and_no_gpu() -> None:
    case = request({"cpu": {"kvCacheSpace": "4GiB"}}, product="NVIDIA-L4")
    assert {"name": "VLLM_CPU_KVCACHE_SPACE", "value": "4"} in container(case)["env"]
    assert "resources" not in container(case)
    pod = render(case)[0]["spec"]["template"]["spec"]
    assert "nodeSelector" not in pod
    assert "tolerations" not in pod
    assert container(case)["image"] == "vllm/vllm-openai-cpu:v0.32.0"


def test_the_default_image_is_that_of_the_release_planned_for() -> None:
    assert default_image(EngineVersion(0, 29, 1), cpu=False) == "vllm/vllm-openai:v0.29.1"


def test_the_service_finds_the_servers_pods_and_port() -> None:
    deployment, service = render(request(EVERYTHING))
    pod = deployment["spec"]["template"]
    assert service["spec"]["selector"].items() <= pod["metadata"]["labels"].items()
    assert deployment["spec"]["selector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    (port,) = service["spec"]["ports"]
    assert port["port"] == 80
    assert port["targetPort"] == container(request())["ports"][0]["name"] == "http"


def test_the_server_has_no_more_rights_than_its_image_permits() -> None:
    pod = render(request())[0]["spec"]["template"]["spec"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert container(request())["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }


def test_a_text_that_is_no_text_is_refused() -> None:
    with pytest.raises(InputError, match=r"lone surrogate U\+D800"):
        render(replace(request(), args=("model", "\ud800")))


@pytest.mark.parametrize("size", [LONGEST_ARGUMENT - 1, LONGEST_ARGUMENT])
@pytest.mark.parametrize("form", ["two words", "one word"])
def test_an_argument_that_no_process_can_be_started_with_is_refused_by_the_name_of_its_flag(
    size: int, form: str
) -> None:
    name = "--mm-processor-kwargs"
    value = "x" * size if form == "two words" else "x" * (size - len(name) - 1)
    flags = (name, value) if form == "two words" else (f"{name}={value}",)
    spec = parse(VLMDeployment, {"metadata": {"name": "m"}, "spec": {"model": {"id": "a/b"}}}).spec
    if size < LONGEST_ARGUMENT:
        assert server_arguments(spec, flags)
        return
    with pytest.raises(InputError, match="--mm-processor-kwargs: the argument takes 131,072 bytes"):
        server_arguments(spec, flags)


def test_the_cache_lies_on_the_claim_that_is_named() -> None:
    """Downloads and compiled code: a new pod neither loads nor compiles anew."""
    deployment, _ = render(replace(request(), cache=ModelCache(claim="models")))
    pod = deployment["spec"]["template"]["spec"]
    (volume,) = [volume for volume in pod["volumes"] if volume["name"] == "cache"]
    assert volume == {"name": "cache", "persistentVolumeClaim": {"claimName": "models"}}
    environment = {each["name"]: each.get("value") for each in pod["containers"][0]["env"]}
    assert environment["VLLM_CACHE_ROOT"].startswith("/cache/")
    assert environment["HF_HOME"].startswith("/cache/")
    assert {"name": "cache", "mountPath": "/cache"} in pod["containers"][0]["volumeMounts"]
    (other,) = [v for v in render(request())[0]["spec"]["template"]["spec"]["volumes"] if v["name"] == "cache"]
    assert other == {"name": "cache", "emptyDir": {}}
