"""Validate ``spec.podTemplate``: it overrides everything except what the plan owns; a clash is refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from vlm_operator.api.names import DEPLOYMENT_LABEL, FINGERPRINT_ANNOTATION, GPU_PRODUCT_LABEL, SHARE_LABEL
from vlm_operator.errors import InputError
from vlm_operator.gpu.resources import GPU_DOMAINS
from vlm_operator.rendering.claim import CLAIM
from vlm_operator.rendering.strategic_merge import strategic_merge

CONTAINER: Final = "vllm"
"""Name of the model server's container, under which an overlay extends it."""

OWNED_ENVIRONMENT: Final = ("VLLM_CPU_KVCACHE_SPACE", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES")
"""Variables of that container that decide memory or GPUs."""

FIELD: Final = "spec.podTemplate"


class PodTemplateClash(InputError):
    """The overlay sets what the plan owns.

    Attributes:
        field: path of the value in the overlay.
        value: what the overlay makes of it.
        planned: what the plan needs.
    """

    def __init__(self, field: str, value: Any, planned: Any, hint: str) -> None:
        said = "removes it" if value is None else f"makes it {_short(value)}"
        needed = "leaves it unset" if planned is None else f"needs {_short(planned)}"
        super().__init__(f"{field}: the overlay {said}, but the plan {needed}", field=field, hint=hint)
        self.value = value
        self.planned = planned


def overlaid(pod: Mapping[str, Any], overlay: Mapping[str, Any] | None) -> dict[str, Any]:
    """A rendered pod template under the user's overlay.

    Raises:
        PodTemplateClash: the overlay changes or removes what the plan owns.
        InputError: the overlay is no pod template.
    """
    if not overlay:
        return dict(pod)
    _check_shape(overlay)
    merged = strategic_merge(pod, overlay, field=FIELD)
    planned, found = dict(_owned(pod)), dict(_owned(merged))
    for path, (value, hint) in planned.items():
        if found.get(path, (None, ""))[0] != value:
            raise PodTemplateClash(path, found.get(path, (None, ""))[0], value, hint)
    for path, (value, hint) in found.items():
        if path not in planned:
            raise PodTemplateClash(path, value, None, hint)
    _check_one_way_to_gpus(pod, merged)
    return merged


def _check_one_way_to_gpus(pod: Mapping[str, Any], merged: Mapping[str, Any]) -> None:
    """Refuse devices that the overlay claims for a server which asks for its GPUs by name: it would get both."""
    planned, found = _server_resources(pod), _server_resources(merged)
    gpus = [name for name in _map(planned.get("limits")) if str(name).startswith(GPU_DOMAINS)]
    for claim in found.get("claims") or ():
        if gpus and isinstance(claim, Mapping):
            raise PodTemplateClash(
                f"{FIELD}.spec.containers[{CONTAINER}].resources.claims[{claim.get('name')}]",
                dict(claim),
                None,
                f"the server asks for {gpus[0]} and would get the claimed devices beside it: set spec.gpu.claim to "
                "claim the GPUs, then other devices may be claimed too",
            )


def _server_resources(pod: Mapping[str, Any]) -> Mapping[str, Any]:
    return _map(_server(_map(pod.get("spec"))).get("resources"))


def _server(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    containers = spec.get("containers")
    return next((c for c in containers or () if isinstance(c, Mapping) and c.get("name") == CONTAINER), {})


def _check_shape(overlay: Mapping[str, Any]) -> None:
    for key, value in overlay.items():
        if key not in {"metadata", "spec"}:
            raise InputError(
                f"{FIELD}.{key}: a pod template has metadata and spec only", field=f"{FIELD}.{key}", hint="remove it"
            )
        if not isinstance(value, Mapping):
            raise InputError(f"{FIELD}.{key}: {str(value)[:60]!r} is not an object", field=f"{FIELD}.{key}")
    for key in overlay.get("metadata", {}):
        if key not in {"labels", "annotations"}:
            raise InputError(
                f"{FIELD}.metadata.{key}: only labels and annotations of pods can be set",
                field=f"{FIELD}.metadata.{key}",
                hint="remove it",
            )


def _owned(pod: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, str]]]:
    """Path, value and remedy of everything in a pod template that the plan owns."""
    metadata, spec = _map(pod.get("metadata")), _map(pod.get("spec"))
    identity = "the operator finds its pods by it: remove it from the overlay"
    yield f"{FIELD}.metadata.labels[{DEPLOYMENT_LABEL}]", (_map(metadata.get("labels")).get(DEPLOYMENT_LABEL), identity)
    yield (
        f"{FIELD}.metadata.annotations[{FINGERPRINT_ANNOTATION}]",
        (_map(metadata.get("annotations")).get(FINGERPRINT_ANNOTATION), identity),
    )
    yield from _owned_by_a_share(_map(metadata.get("labels")), spec)
    yield (
        f"{FIELD}.spec.nodeSelector[{GPU_PRODUCT_LABEL}]",
        (_map(spec.get("nodeSelector")).get(GPU_PRODUCT_LABEL), "choose the GPU with spec.gpu.product"),
    )
    server = _server(spec)
    where = f"{FIELD}.spec.containers[{CONTAINER}]"
    yield f"{where}.image", (server.get("image"), "choose the image with spec.engine.image")
    yield f"{where}.command", (server.get("command"), "vLLM is started by its own command; remove it")
    yield f"{where}.args", (server.get("args"), "pin flags with spec.engine, add others with spec.engine.extraArgs")
    for kind in ("limits", "requests"):
        for name, amount in _map(_map(server.get("resources")).get(kind)).items():
            if str(name).startswith(GPU_DOMAINS):
                hint = "choose GPUs with spec.gpu.resource and spec.gpu.count"
                yield f"{where}.resources.{kind}[{name}]", (str(amount), hint)
    claimed = "the GPUs' claim is the plan's: choose them with spec.gpu, and give other claims another name"
    for claim in spec.get("resourceClaims") or ():
        if isinstance(claim, Mapping) and claim.get("name") == CLAIM:
            yield f"{FIELD}.spec.resourceClaims[{CLAIM}]", (dict(claim), claimed)
    for claim in _server_resources(pod).get("claims") or ():
        if isinstance(claim, Mapping) and claim.get("name") == CLAIM:
            yield f"{where}.resources.claims[{CLAIM}]", (dict(claim), claimed)
    for variable in server.get("env") or ():
        if isinstance(variable, Mapping) and variable.get("name") in OWNED_ENVIRONMENT:
            value = variable.get("value", variable.get("valueFrom"))
            hint = "choose memory and GPUs with spec.cpu and spec.gpu"
            yield f"{where}.env[{variable['name']}]", (value, hint)
    for port in server.get("ports") or ():
        if isinstance(port, Mapping) and port.get("name") == "http":
            hint = "the Service's port is spec.service.port"
            yield f"{where}.ports[http]", (port.get("containerPort"), hint)


def _owned_by_a_share(labels: Mapping[str, Any], spec: Mapping[str, Any]) -> Iterator[tuple[str, tuple[Any, str]]]:
    """What brings the pods of a group onto one GPU."""
    group = labels.get(SHARE_LABEL)
    hint = "the pods of a group meet by it: choose the group with spec.gpu.share"
    yield f"{FIELD}.metadata.labels[{SHARE_LABEL}]", (group, hint)
    if group is not None:
        yield f"{FIELD}.spec.affinity.podAffinity", (_map(spec.get("affinity")).get("podAffinity"), hint)
        for name, value in _map(spec.get("nodeSelector")).items():
            if str(name).startswith(GPU_DOMAINS) and str(name).endswith(".count"):
                yield f"{FIELD}.spec.nodeSelector[{name}]", (value, hint)


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:117]}..."
