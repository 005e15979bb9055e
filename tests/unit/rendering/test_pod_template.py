"""The overlay wins, except over what the plan owns: that is refused with path, value and remedy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from server_requests import request

from vlm_operator.errors import InputError
from vlm_operator.rendering import Claim, PodTemplateClash, ServerRequest, render


def server(**fields: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "vllm", **fields}]}}


def case(overlay: dict[str, Any], **spec: Any) -> ServerRequest:
    return request({**spec, "podTemplate": overlay})


SERVER = "spec.podTemplate.spec.containers[vllm]"

CLASHES: dict[str, tuple[dict[str, Any], str, str]] = {
    "the arguments": (server(args=["other"]), f"{SERVER}.args", "spec.engine.extraArgs"),
    "no arguments": (server(args=None), f"{SERVER}.args", "removes it"),
    "the command": (server(command=["sh", "-c", "x"]), f"{SERVER}.command", "vLLM is started by its own command"),
    "the image": (server(image="vllm/vllm-openai:latest"), f"{SERVER}.image", "spec.engine.image"),
    "more GPUs": (
        server(resources={"limits": {"nvidia.com/gpu": 2}}), f"{SERVER}.resources.limits[nvidia.com/gpu]", "gpu.count",
    ),
    "GPUs as a request": (
        server(resources={"requests": {"nvidia.com/gpu": 1}}), f"{SERVER}.resources.requests[nvidia.com/gpu]",
        "gpu.count",
    ),
    "another kind of GPU": (
        server(resources={"limits": {"nvidia.com/mig-1g.10gb": 1}}),
        f"{SERVER}.resources.limits[nvidia.com/mig-1g.10gb]", "spec.gpu.resource",
    ),
    "no GPU": (
        server(resources={"limits": {"nvidia.com/gpu": None}}), f"{SERVER}.resources.limits[nvidia.com/gpu]",
        "removes it",
    ),
    "other limits in place of all": (
        server(resources={"$patch": "replace", "limits": {"memory": "1Gi"}}),
        f"{SERVER}.resources.limits[nvidia.com/gpu]", "removes it",
    ),
    "a claim beside the GPUs": (
        {"spec": {"resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "big"}],
                  **server(resources={"claims": [{"name": "gpu"}]})["spec"]}},
        f"{SERVER}.resources.claims[gpu]", "set spec.gpu.claim",
    ),
    "which GPUs are seen": (
        server(env=[{"name": "CUDA_VISIBLE_DEVICES", "value": "0"}]), f"{SERVER}.env[CUDA_VISIBLE_DEVICES]",
        "leaves it unset",
    ),
    "the port": (
        server(ports=[{"containerPort": 8000, "$patch": "delete"}]), f"{SERVER}.ports[http]", "spec.service.port",
    ),
    "another product": (
        {"spec": {"nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-T4"}}},
        "spec.podTemplate.spec.nodeSelector[nvidia.com/gpu.product]", "'NVIDIA-T4'",
    ),
    "any product": (
        {"spec": {"nodeSelector": None}}, "spec.podTemplate.spec.nodeSelector[nvidia.com/gpu.product]", "removes it",
    ),
    "no server": ({"spec": {"containers": [{"name": "vllm", "$patch": "delete"}]}}, f"{SERVER}.image", "removes it"),
    "only a sidecar": (
        {"spec": {"containers": [{"$patch": "replace"}, {"name": "x", "image": "y"}]}}, f"{SERVER}.image", "removes it",
    ),
    "no pod at all": ({"spec": {"$patch": "delete"}}, "spec.podTemplate.spec.nodeSelector", "removes it"),
    "the label the operator finds pods by": (
        {"metadata": {"labels": {"vlm-operator.dev/vlmdeployment": "other"}}},
        "spec.podTemplate.metadata.labels[vlm-operator.dev/vlmdeployment]", "remove it from the overlay",
    ),
    "the fingerprint": (
        {"metadata": {"annotations": {"vlm-operator.dev/fingerprint": "0"}}},
        "spec.podTemplate.metadata.annotations[vlm-operator.dev/fingerprint]", "'0123456789abcdef'",
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("overlay", "field", "words"), [pytest.param(*item, id=name) for name, item in CLASHES.items()]
)
def test_what_the_plan_owns_is_not_overlaid(overlay: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(PodTemplateClash) as clash:
        render(case(overlay))
    assert str(clash.value.field).startswith(field)
    assert clash.value.message.startswith(field)
    assert words in f"{clash.value.message}\n{clash.value.hint}"


CLAIMED = Claim("gpu.nvidia.com", 1, "NVIDIA-L4", 22970)


def test_beside_claimed_gpus_other_devices_may_be_claimed() -> None:
    nic = {"name": "nic", "resourceClaimTemplateName": "nic"}
    overlay = server(resources={"claims": [{"name": "gpus"}, {"name": "nic"}]})
    overlay["spec"]["resourceClaims"] = [nic]
    pod = render(replace(case(overlay), claim=CLAIMED))[1]["spec"]["template"]["spec"]
    assert [each["name"] for each in pod["containers"][0]["resources"]["claims"]] == ["gpus", "nic"]
    assert nic in pod["resourceClaims"]
    assert "limits" not in pod["containers"][0]["resources"]


@pytest.mark.parametrize(
    "overlay",
    [
        pytest.param(
            {"spec": {"resourceClaims": [{"name": "gpus", "resourceClaimTemplateName": "mine"}]}}, id="another template"
        ),
        pytest.param(server(resources={"claims": []}), id="no claim"),
    ],
)
def test_the_claim_of_the_gpus_is_owned(overlay: dict[str, Any]) -> None:
    with pytest.raises(PodTemplateClash, match="gpus"):
        render(replace(case(overlay), claim=CLAIMED))


def test_the_cache_of_the_cpu_backend_is_owned() -> None:
    overlay = server(env=[{"name": "VLLM_CPU_KVCACHE_SPACE", "value": "40"}])
    with pytest.raises(PodTemplateClash, match="makes it '40', but the plan needs '4'"):
        render(case(overlay, cpu={"kvCacheSpace": "4Gi"}))


def test_saying_what_the_plan_says_is_no_clash() -> None:
    plain = render(request())
    same = server(image="vllm/vllm-openai:v0.32.0", resources={"limits": {"nvidia.com/gpu": 1}})
    spec = render(case(same))[0]["spec"]["template"]["spec"]
    assert spec["containers"][0]["image"] == plain[0]["spec"]["template"]["spec"]["containers"][0]["image"]


@pytest.mark.parametrize(
    "overlay",
    [
        pytest.param({"spec": {"nodeSelector": {"zone": "a"}}}, id="a further node label"),
        pytest.param({"spec": {"securityContext": {"runAsNonRoot": True, "runAsUser": 2000}}}, id="a user"),
        pytest.param(server(env=[{"name": "HF_TOKEN", "value": "x"}]), id="a token of one's own"),
        pytest.param(server(env=[{"name": "VLLM_LOGGING_LEVEL", "value": "DEBUG"}]), id="a setting of vLLM"),
        pytest.param(server(livenessProbe=None), id="no liveness probe"),
        pytest.param(server(imagePullPolicy="Always"), id="a pull policy"),
        pytest.param({"spec": {"containers": [{"name": "s", "image": "y"}]}}, id="a sidecar"),
        pytest.param({"metadata": {"labels": {"team": "a"}}}, id="a label"),
    ],
)
def test_everything_else_is_the_users(overlay: dict[str, Any]) -> None:
    pod = render(case(overlay))[0]["spec"]["template"]
    assert pod != render(request())[0]["spec"]["template"]


def test_labels_of_the_overlay_do_not_reach_the_selector() -> None:
    deployment = render(case({"metadata": {"labels": {"app.kubernetes.io/name": "mine"}}}))[0]
    assert deployment["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"] == "mine"
    selector = deployment["spec"]["selector"]["matchLabels"]
    assert selector.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()


@pytest.mark.parametrize(
    ("overlay", "field"),
    [
        ({"strategy": {"type": "RollingUpdate"}}, "spec.podTemplate.strategy"),
        ({"spec": ["containers"]}, "spec.podTemplate.spec"),
        ({"metadata": {"name": "x"}}, "spec.podTemplate.metadata.name"),
        ({"spec": {"containers": [{"image": "x"}]}}, "spec.podTemplate.spec.containers[0]"),
    ],
)
def test_what_is_no_pod_template_is_refused_by_path(overlay: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as refusal:
        render(case(overlay))
    assert refusal.value.field == field
    assert refusal.value.hint is not None or "object" in refusal.value.message
