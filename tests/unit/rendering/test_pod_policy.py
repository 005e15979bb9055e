"""``podTemplatePolicy: Restricted`` refuses what reaches beyond the namespace, by name, and no more."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_operator.errors import InputError
from vlm_operator.rendering.pod_policy import PodTemplatePolicy, check_pod_template, forbidden

RESTRICTED = PodTemplatePolicy.RESTRICTED


def pod(**spec: Any) -> dict[str, Any]:
    return {"spec": spec}


def server(**fields: Any) -> dict[str, Any]:
    return pod(containers=[{"name": "vllm", **fields}])


def sidecar(**fields: Any) -> dict[str, Any]:
    return pod(containers=[{"name": "proxy", "image": "proxy", **fields}])


def secured(**context: Any) -> dict[str, Any]:
    return server(securityContext=context)


PRIVILEGED = {"privileged": True}
GPU = {"limits": {"nvidia.com/gpu": 1}}
FORBIDDEN = [
    ("hostNetwork", pod(hostNetwork=True)),
    ("hostPID", pod(hostPID=True)),
    ("hostIPC", pod(hostIPC=True)),
    ("nodeName", pod(nodeName="gpu-1")),
    ("volumes[root].hostPath", pod(volumes=[{"name": "root", "hostPath": {"path": "/"}}])),
    ("volumes[root].hostPath", pod(volumes=[{"name": "root", "hostPath": {}}])),
    ("volumes[v].flexVolume", pod(volumes=[{"name": "v", "flexVolume": {"driver": "x"}}])),
    ("volumes[v].gitRepo", pod(volumes=[{"name": "v", "gitRepo": {"repository": "x"}}])),
    ("containers[vllm].securityContext.privileged", secured(privileged=True)),
    ("containers[vllm].securityContext.allowPrivilegeEscalation", secured(allowPrivilegeEscalation=True)),
    ("capabilities.add[SYS_ADMIN]", secured(capabilities={"add": ["SYS_ADMIN"]})),
    ("capabilities.add[ALL]", secured(capabilities={"add": ["NET_BIND_SERVICE", "ALL"], "drop": ["ALL"]})),
    ("procMount", secured(procMount="Unmasked")),
    ("seccompProfile", secured(seccompProfile={"type": "Unconfined"})),
    ("appArmorProfile", secured(appArmorProfile={"type": "Unconfined"})),
    ("windowsOptions.hostProcess", secured(windowsOptions={"hostProcess": True})),
    ("seLinuxOptions", secured(seLinuxOptions={"type": "spc_t"})),
    ("seLinuxOptions", pod(securityContext={"seLinuxOptions": {"user": "root"}})),
    ("sysctls[kernel.msgmax]", pod(securityContext={"sysctls": [{"name": "kernel.msgmax", "value": "1"}]})),
    ("ports[8000].hostPort", server(ports=[{"containerPort": 8000, "hostPort": 80}])),
    ("containers[proxy].securityContext.privileged", sidecar(securityContext={"privileged": True})),
    ("initContainers[i].securityContext", pod(initContainers=[{"name": "i", "securityContext": PRIVILEGED}])),
    ("ephemeralContainers[e].securityContext", pod(ephemeralContainers=[{"name": "e", "securityContext": PRIVILEGED}])),
    ("containers[proxy].resources.limits[nvidia.com/gpu]", sidecar(resources=GPU)),
    ("resources.requests[nvidia.com/mig-1g.10gb]", sidecar(resources={"requests": {"nvidia.com/mig-1g.10gb": 1}})),
    ("resources.limits[amd.com/gpu]", sidecar(resources={"limits": {"amd.com/gpu": "1"}})),
    ("resources.limits[example.com/fuse]", sidecar(resources={"limits": {"example.com/fuse": 1}})),
    ("initContainers[vllm].resources.limits[nvidia.com/gpu]", pod(initContainers=[{"name": "vllm", "resources": GPU}])),
    ("env[NVIDIA_VISIBLE_DEVICES]", sidecar(env=[{"name": "NVIDIA_VISIBLE_DEVICES", "value": "all"}])),
    ("env[NVIDIA_VISIBLE_DEVICES]", server(env=[{"name": "NVIDIA_VISIBLE_DEVICES", "valueFrom": {}}])),
    ("resourceClaims", pod(resourceClaims=[{"name": "gpu", "resourceClaimName": "x"}])),
    ("spec.resources.limits[nvidia.com/gpu]", pod(resources=GPU)),
    (
        "annotations[container.apparmor.security.beta.kubernetes.io/vllm]",
        {"metadata": {"annotations": {"container.apparmor.security.beta.kubernetes.io/vllm": "unconfined"}}},
    ),
    (
        "annotations[container.seccomp.security.alpha.kubernetes.io/vllm]",
        {"metadata": {"annotations": {"container.seccomp.security.alpha.kubernetes.io/vllm": "unconfined"}}},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("field", "template"), FORBIDDEN, ids=[f"{number} {case[0]}" for number, case in enumerate(FORBIDDEN)]
)
def test_what_reaches_beyond_the_namespace_is_refused_by_name(field: str, template: dict[str, Any]) -> None:
    with pytest.raises(InputError) as refusal:
        check_pod_template(template, RESTRICTED)
    assert field in refusal.value.message
    assert "spec.podTemplate." in refusal.value.message
    assert "podTemplatePolicy: Unrestricted" in str(refusal.value.hint)
    check_pod_template(template, PodTemplatePolicy.UNRESTRICTED)


@pytest.mark.parametrize(
    "template",
    [
        pytest.param(None, id="none"),
        pytest.param({}, id="empty"),
        pytest.param(pod(tolerations=[{"operator": "Exists"}], runtimeClassName="nvidia"), id="where it runs"),
        pytest.param(pod(hostNetwork=False, hostPID=None), id="said to be off"),
        pytest.param(secured(privileged=False, allowPrivilegeEscalation=False, runAsUser=0), id="fewer rights"),
        pytest.param(secured(capabilities={"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}), id="a harmless capability"),
        pytest.param(secured(seccompProfile={"type": "RuntimeDefault"}), id="a profile"),
        pytest.param(
            sidecar(resources={"limits": {"cpu": 1, "memory": "1Gi", "hugepages-2Mi": "2Mi"}}), id="a sidecar"
        ),
        pytest.param(server(resources={"limits": {"rdma/ib": 1}}), id="a network device of the server"),
        pytest.param(
            pod(
                serviceAccountName="models",
                volumes=[
                    {"name": "a", "secret": {"secretName": "s"}},
                    {"name": "b", "persistentVolumeClaim": {"claimName": "c"}},
                    {"name": "c", "nfs": {"server": "s", "path": "/"}},
                    {"name": "d", "emptyDir": {"medium": "Memory"}},
                ],
            ),
            id="what is in the namespace",
        ),
        pytest.param(server(envFrom=[{"secretRef": {"name": "s"}}]), id="variables from a Secret"),
    ],
)
def test_what_stays_within_the_namespace_is_allowed(template: dict[str, Any] | None) -> None:
    check_pod_template(template, RESTRICTED)


def test_many_are_named_up_to_five() -> None:
    template = pod(
        hostNetwork=True,
        hostPID=True,
        hostIPC=True,
        nodeName="n",
        volumes=[{"name": str(n), "hostPath": {}} for n in range(9)],
    )
    with pytest.raises(InputError, match="and 8 more"):
        check_pod_template(template, RESTRICTED)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["spec", "containers", "securityContext", "volumes", "env", "resources", "limits", "metadata"]
            ),
            children,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(["spec", "metadata"]), json_values))
def test_whatever_stands_there_it_answers(template: dict[str, Any]) -> None:
    """What is no pod template at all is refused by rendering and the API server, not by a crash here."""
    list(forbidden(template))
