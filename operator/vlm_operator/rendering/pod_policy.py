"""What ``spec.podTemplate`` may ask for: the operator creates pods for people who may only write VLMDeployments.

``Restricted`` refuses what would reach beyond the namespace: the host, other pods' GPUs, more rights than the server
needs. It follows the Pod Security Standard "baseline" and adds GPUs, scheduling past the scheduler and privilege
escalation. What stays within the namespace, such as mounting its Secrets or naming its ServiceAccounts, is allowed: who
may write VLMDeployments in a namespace may read what is in it (docs/security.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.errors import InputError
from vlm_operator.rendering.pod_template import CONTAINER


class PodTemplatePolicy(StrEnum):
    """What a pod template may ask for."""

    RESTRICTED = "Restricted"
    UNRESTRICTED = "Unrestricted"


_HOST_FIELDS: Final = ("hostNetwork", "hostPID", "hostIPC")
_VOLUMES: Final = {
    "hostPath": "files of the node",
    "flexVolume": "a driver that runs on the node as root",
    "gitRepo": "a volume that runs commands on the node as root",
}
_CONTAINER_LISTS: Final = ("containers", "initContainers", "ephemeralContainers")
_PLAIN_RESOURCES: Final = ("cpu", "memory", "ephemeral-storage")
_GPU_VARIABLES: Final = {
    "NVIDIA_VISIBLE_DEVICES",
    "CUDA_VISIBLE_DEVICES",
    "AMD_VISIBLE_DEVICES",
    "ROCR_VISIBLE_DEVICES",
    "HIP_VISIBLE_DEVICES",
}
"""Variables by which a container runtime, or CUDA, is told of GPUs that nobody asked the scheduler for."""

_HARMLESS_CAPABILITIES: Final = {"NET_BIND_SERVICE"}
_SAFE_SYSCTLS: Final = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.ping_group_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
}


def check_pod_template(template: Mapping[str, Any] | None, policy: PodTemplatePolicy) -> None:
    """Raises InputError if the policy forbids something of an overlay, or of a whole pod template; it names each."""
    if policy is PodTemplatePolicy.UNRESTRICTED or not template:
        return
    found = [f"{field}: {why}" for field, why in forbidden(template)]
    if found:
        more = f"; and {len(found) - _MOST_SHOWN} more" if len(found) > _MOST_SHOWN else ""
        raise InputError(
            f"the policy Restricted forbids {'; '.join(found[:_MOST_SHOWN])}{more}",
            field=found[0].partition(": ")[0],
            hint="remove it, or ask the administrator for podTemplatePolicy: Unrestricted (a value of the Helm chart)",
        )


def check_spec(spec: VLMDeploymentSpec, policy: PodTemplatePolicy) -> None:
    """Raises InputError if the policy forbids something that a spec asks of its pods."""
    check_pod_template(spec.pod_template, policy)
    cache = spec.model.cache
    if policy is PodTemplatePolicy.RESTRICTED and cache is not None and cache.host_path is not None:
        raise InputError(
            f"the policy Restricted forbids spec.model.cache.hostPath: {_VOLUMES['hostPath']}",
            field="spec.model.cache.hostPath",
            hint="use claim or size, or ask the administrator for podTemplatePolicy: Unrestricted (a value of the Helm "
            "chart)",
        )


_MOST_SHOWN: Final = 5


def forbidden(template: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Fields that ``Restricted`` forbids, each with why."""
    spec, where = _mapping(template.get("spec")), "spec.podTemplate.spec"
    for field in _HOST_FIELDS:
        if _is_set(spec.get(field)):
            yield f"{where}.{field}", "a namespace of the node"
    if _is_set(spec.get("nodeName")):
        yield f"{where}.nodeName", "goes past the scheduler, and with it past GPUs that are in use"
    yield from _annotations(_mapping(_mapping(template.get("metadata")).get("annotations")))
    yield from _security(f"{where}.securityContext", _mapping(spec.get("securityContext")))
    for volume in _mappings(spec.get("volumes")):
        for kind, why in _VOLUMES.items():
            if volume.get(kind) is not None:
                yield f"{where}.volumes[{volume.get('name')}].{kind}", why
    for field in _CONTAINER_LISTS:
        for container in _mappings(spec.get(field)):
            yield from _container(f"{where}.{field}[{container.get('name')}]", container)
    if spec.get("resourceClaims"):
        yield f"{where}.resourceClaims", "devices beside those that are planned"
    yield from _devices(f"{where}.resources", _mapping(spec.get("resources")))


def _container(where: str, container: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield from _security(f"{where}.securityContext", _mapping(container.get("securityContext")))
    for port in _mappings(container.get("ports")):
        if _is_set(port.get("hostPort")):
            yield f"{where}.ports[{port.get('containerPort')}].hostPort", "a port of the node"
    for variable in _mappings(container.get("env")):
        if variable.get("name") in _GPU_VARIABLES:
            yield f"{where}.env[{variable['name']}]", "GPUs that were not asked for"
    if container.get("name") == CONTAINER and ".containers[" in where:
        return  # its devices are the plan's: rendering refuses others
    yield from _devices(f"{where}.resources", _mapping(container.get("resources")))


def _devices(where: str, resources: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for part in ("limits", "requests"):
        for name in _mapping(resources.get(part)):
            if name not in _PLAIN_RESOURCES and not name.startswith("hugepages-"):
                yield f"{where}.{part}[{name}]", "a device beside those that are planned"


def _security(where: str, context: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field in ("privileged", "allowPrivilegeEscalation"):
        if _is_set(context.get(field)):
            yield f"{where}.{field}", "more rights than a model server needs"
    added = _mapping(context.get("capabilities")).get("add")
    for capability in added if isinstance(added, list | tuple) else ():
        if str(capability) not in _HARMLESS_CAPABILITIES:
            yield f"{where}.capabilities.add[{capability}]", "a right that a model server does not need"
    if context.get("procMount") not in {None, "Default"}:
        yield f"{where}.procMount", "unmasked files of the kernel"
    for field in ("seccompProfile", "appArmorProfile"):
        if _mapping(context.get(field)).get("type") == "Unconfined":
            yield f"{where}.{field}", "Unconfined: system calls without a filter"
    if _is_set(_mapping(context.get("windowsOptions")).get("hostProcess")):
        yield f"{where}.windowsOptions.hostProcess", "a process of the node"
    selinux = _mapping(context.get("seLinuxOptions"))
    if selinux.get("user") or selinux.get("role") or selinux.get("type") not in _SELINUX_TYPES:
        yield f"{where}.seLinuxOptions", "another SELinux identity"
    for sysctl in _mappings(context.get("sysctls")):
        if sysctl.get("name") not in _SAFE_SYSCTLS:
            yield f"{where}.sysctls[{sysctl.get('name')}]", "a setting of the node's kernel"


_SELINUX_TYPES: Final = {None, "", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}


_PROFILE_ANNOTATIONS: Final = (
    "container.apparmor.security.beta.kubernetes.io/",
    "seccomp.security.alpha.kubernetes.io/",
    "container.seccomp.security.alpha.kubernetes.io/",
)


def _annotations(annotations: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, value in annotations.items():
        if str(value).casefold() == "unconfined" and name.startswith(_PROFILE_ANNOTATIONS):
            yield f"spec.podTemplate.metadata.annotations[{name}]", "Unconfined: system calls without a filter"


def _is_set(value: Any) -> bool:
    """True for true, and for text that says something: what is no truth value is the API server's to refuse."""
    return value not in (None, False, 0, "")


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(value, list | tuple):
        yield from (item for item in value if isinstance(item, Mapping))
