"""Build the Deployment and the Service of one model server from one request that holds all their inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from vlm_operator.api.model_spec import SecretKey
from vlm_operator.api.names import (
    DEPLOYMENT_LABEL,
    FIELD_MANAGER,
    FINGERPRINT_ANNOTATION,
    GPU_PRODUCT_LABEL,
    SHARE_LABEL,
)
from vlm_operator.api.owner import owner_reference
from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.engine.host_flags import NO_FLAGS, host_flags
from vlm_operator.engine.version import EngineVersion, default_image
from vlm_operator.errors import InputError
from vlm_operator.gpu.resources import GPU_RESOURCE
from vlm_operator.rendering.claim import CLAIM, Claim, claim_template, template_name
from vlm_operator.rendering.gpu_share import SharedGPU, shared_claim, shared_claim_name
from vlm_operator.rendering.model_cache import (
    ModelCache,
    cache_environment,
    cache_mounts,
    cache_of,
    cache_volumes,
    created_claim,
)
from vlm_operator.rendering.pod_template import CONTAINER, overlaid
from vlm_operator.rendering.templates import fill, plain
from vlm_operator.units import GIB, MIB, parse_bytes

PORT: Final = 8000
"""Port of the server: vLLM's own default, written out so that nothing depends on it."""

STARTUP_SECONDS: Final = 1800
"""How long a server may take to start at least: 30 minutes."""

COMPILE_SECONDS: Final = 600
"""Part of the start-up that does not depend on the weights: imports, compilation, profiling, CUDA graphs."""

SLOW_DOWNLOAD_BYTES_PER_SECOND: Final = 62_500_000
"""A slow connection to the Hugging Face Hub, 500 Mbit/s: what the start-up probe allows for."""

CPU_REQUEST: Final = "1"
"""Cores that a server on the CPU backend asks for at least; it uses what is there."""

SHARED_MEMORY_GIB: Final = 16
"""Most that worker processes and the multimodal cache may hold in /dev/shm; the runtimes' own 64 MiB are too few."""


@dataclass(frozen=True, slots=True)
class ServerRequest:
    """Everything the manifests of one model server depend on.

    Attributes:
        name, namespace: of the VLMDeployment; its children are named alike.
        image: container image of vLLM.
        args: arguments of ``vllm serve``, the model first.
        fingerprint: of the effective command.
        resources: extended resources of one pod, for instance ``{"nvidia.com/gpu": 2}``; empty on a CPU.
        claim: what takes their place in the pod where the GPUs are claimed; None where the pod asks for the resources.
        host_memory_bytes: main memory that the server holds for certain; 0 asks for none (GPUs hold what matters).
        startup_seconds: how long the start-up probe waits.
        gpu_product: value of the node label ``nvidia.com/gpu.product`` to run on, None for any node.
        env: variables that the plan owns, in order.
        token_secret: Secret key with the Hugging Face token; only referred to, never read.
        replicas: None leaves the number to whoever scales the Deployment.
        cache: where downloaded models and compiled kernels lie.
        pod_template: the user's overlay.
        nodes: nodes of one replica, each with a pod that runs the same command as another rank.
        share: the group that it shares its GPU with, None where it has GPUs of its own.
        shared_memory_gib: size of /dev/shm, GiB.
        uid: of the VLMDeployment; without one (``vlmctl render``) the objects name no owner.
    """

    name: str
    namespace: str
    image: str
    args: tuple[str, ...]
    fingerprint: str
    resources: Mapping[str, int] = field(default_factory=dict)
    host_memory_bytes: int = 0
    startup_seconds: int = STARTUP_SECONDS
    gpu_product: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    token_secret: SecretKey | None = None
    replicas: int | None = None
    service_port: int = PORT
    cache: ModelCache = field(default_factory=ModelCache)
    pod_template: Mapping[str, Any] | None = None
    nodes: int = 1
    uid: str | None = None
    claim: Claim | None = None
    share: SharedGPU | None = None
    shared_memory_gib: int = SHARED_MEMORY_GIB


LONGEST_ARGUMENT: Final = 128 * 1024
"""Bytes of one argument with its closing zero byte that Linux' ``execve`` takes (MAX_ARG_STRLEN: 32 pages)."""


def server_image(spec: VLMDeploymentSpec, version: EngineVersion) -> str:
    """The image the spec names, or the default one of the release."""
    named = spec.engine.image if spec.engine else None
    return named or default_image(version, cpu=spec.cpu is not None)


def server_arguments(spec: VLMDeploymentSpec, flags: Sequence[str]) -> tuple[str, ...]:
    """Arguments of ``vllm serve``: the model, what names it, the plan's flags, the port, the user's own at the end.

    Args:
        flags: as ``engine.flags.to_arguments`` writes the plan's settings.

    Raises:
        InputError: one argument is longer than Linux starts a process with.
    """
    engine = spec.engine
    revision = ("--revision", spec.model.revision) if spec.model.revision else ()
    served = ("--served-model-name", engine.served_model_name) if engine and engine.served_model_name else ()
    extra = engine.extra_args if engine else ()
    arguments = (spec.model.source, *revision, *served, *flags, "--port", str(PORT), *extra)
    for before, argument in zip(("", *arguments), arguments, strict=False):
        size = len(argument.encode(errors="surrogatepass"))
        if size >= LONGEST_ARGUMENT:
            flag = before if before.startswith("--") and not argument.startswith("--") else argument.partition("=")[0]
            raise InputError(
                f"{flag[:80]}: the argument takes {size:,} bytes, and Linux starts no process with one of "
                f"{LONGEST_ARGUMENT:,} or more",
                field=flag[:80],
                hint="shorten the value of that flag",
            )
    return arguments


def server_resources(spec: VLMDeploymentSpec, gpu_count: int) -> dict[str, int]:
    """Extended resources of one pod; none on the CPU backend."""
    if spec.cpu is not None:
        return {}
    return {spec.gpu.resource if spec.gpu else GPU_RESOURCE: gpu_count}


def server_request(
    spec: VLMDeploymentSpec,
    *,
    name: str,
    namespace: str,
    version: EngineVersion,
    flags: Sequence[str],
    fingerprint: str,
    gpu_count: int = 1,
    nodes: int = 1,
    gpu_product: str | None = None,
    uid: str | None = None,
    weights_bytes: int | None = None,
) -> ServerRequest:
    """The request for a spec and the flags planned for it.

    Args:
        version: vLLM release, for the default image.
        gpu_count: GPUs of one replica, on all its nodes together.
        flags: as ``engine.flags.to_arguments`` writes the plan's settings.
        gpu_product: value of the node label, as the nodes have it.
        weights_bytes: of the whole model, None where they are not known.

    Raises:
        InputError: ``cpu.kvCacheSpace`` is not whole GiB.
    """
    return ServerRequest(
        name=name,
        namespace=namespace,
        image=server_image(spec, version),
        args=server_arguments(spec, flags),
        fingerprint=fingerprint,
        resources=server_resources(spec, gpu_count // nodes),
        nodes=nodes,
        host_memory_bytes=_host_memory(spec, weights_bytes),
        startup_seconds=startup_seconds(weights_bytes),
        gpu_product=None if spec.cpu else gpu_product,
        env={"VLLM_CPU_KVCACHE_SPACE": str(_whole_gib(spec.cpu.kv_cache_space))} if spec.cpu else {},
        token_secret=spec.model.token_secret_ref,
        replicas=spec.replicas,
        service_port=spec.service.port,
        cache=cache_of(name, spec.model_cache),
        pod_template=spec.pod_template,
        uid=uid,
        shared_memory_gib=SHARED_MEMORY_GIB + _shared_cache_gib(spec),
    )


def _shared_cache_gib(spec: VLMDeploymentSpec) -> int:
    """GiB of the cache of processed items where ``extraArgs`` puts it into /dev/shm, up to a whole one."""
    flags = host_flags(spec.engine.extra_args) if spec.engine else NO_FLAGS
    return math.ceil(flags.processor_cache_gib) if flags.shared_cache else 0


def render(request: ServerRequest) -> tuple[dict[str, Any], ...]:
    """The objects of a model server, in the order of application: what its pods claim, Deployment, Service.

    The same request gives the same objects, whoever asks.

    Raises:
        PodTemplateClash: the overlay changes what the plan owns.
        InputError: the overlay is no pod template, a text holds what no manifest can, or the server spans nodes.
    """
    if request.nodes > 1:
        raise InputError(
            f"gpu.count: the plan takes {request.nodes} nodes, and a pod of a Deployment has the GPUs of one",
            field="gpu.count",
            hint="use -o leaderworkerset, or plan for GPUs of one node",
        )
    return *claim_objects(request), *one_node_objects(request)


def claim_objects(request: ServerRequest, on_several_nodes: str = "") -> tuple[dict[str, Any], ...]:
    """What the pods claim: the PersistentVolumeClaim of the model cache and the ResourceClaimTemplate of the GPUs.

    Nothing where the operator creates no cache and the pods ask for extended resources.

    Raises:
        InputError: see ``created_claim``.
    """
    metadata: dict[str, Any] = {"namespace": request.namespace, "labels": labels_of(request)}
    owner = owner_reference(request.name, request.uid) if request.uid is not None else None
    if owner is not None:
        metadata["ownerReferences"] = [owner]
    claim = created_claim(request.cache, metadata, on_several_nodes=on_several_nodes)
    return (() if claim is None else (plain(claim),)) + _device_claims(request, owner)


def _device_claims(request: ServerRequest, owner: dict[str, Any] | None) -> tuple[dict[str, Any], ...]:
    if request.claim is None:
        return ()
    if request.share is not None:
        return (shared_claim(request.claim, request.share, request.namespace),)
    selector = {DEPLOYMENT_LABEL: request.name}
    labels = {
        "app.kubernetes.io/instance": request.name,
        "app.kubernetes.io/managed-by": FIELD_MANAGER,
        "app.kubernetes.io/name": "vllm",
        **selector,
    }
    template = claim_template(
        request.claim,
        name=request.name,
        namespace=request.namespace,
        labels=labels,
        selector=selector,
        owner=owner,
    )
    return (template,)


def labels_of(request: ServerRequest) -> dict[str, str]:
    """Labels of every object of a server."""
    return {
        "app.kubernetes.io/name": "vllm",
        "app.kubernetes.io/instance": request.name,
        "app.kubernetes.io/component": "model-server",
        "app.kubernetes.io/managed-by": FIELD_MANAGER,
        DEPLOYMENT_LABEL: request.name,
        **({SHARE_LABEL: request.share.group} if request.share is not None else {}),
    }


def one_node_objects(request: ServerRequest) -> tuple[dict[str, Any], dict[str, Any]]:
    """Deployment and Service of what runs on one node of the replica; forms for several nodes take them apart.

    Raises:
        PodTemplateClash, InputError: as ``render``.
    """
    selector = {DEPLOYMENT_LABEL: request.name}
    labels = labels_of(request)
    claim = request.claim
    identity = {FINGERPRINT_ANNOTATION: request.fingerprint}
    values = {
        "name": request.name,
        "namespace": request.namespace,
        "owner": owner_reference(request.name, request.uid) if request.uid is not None else None,
        "labels": labels,
        "selector": selector,
        "identity_annotations": identity,
        "pod_annotations": {
            **identity,
            "kubectl.kubernetes.io/default-container": CONTAINER,
            "prometheus.io/scrape": "true",
            "prometheus.io/port": str(PORT),
            "prometheus.io/path": "/metrics",
        },
        "replicas": 1 if request.share is not None and request.replicas is None else request.replicas,
        "startup_seconds": request.startup_seconds,
        "node_selector": {
            **({GPU_PRODUCT_LABEL: request.gpu_product} if request.gpu_product else {}),
            **(request.share.node_labels if request.share is not None else {}),
        },
        "affinity": request.share.affinity if request.share is not None and claim is None else None,
        "tolerations": _tolerations(request),
        "container": CONTAINER,
        "image": request.image,
        "command": ["vllm", "serve"],
        "args": request.args,
        "env": _environment(request),
        "port": PORT,
        "limits": {name: str(count) for name, count in request.resources.items()} if claim is None else {},
        "claims": [{"name": CLAIM}] if claim is not None else [],
        "pod_claims": _pod_claims(request),
        "requests": _requests(request.host_memory_bytes),
        "shared_memory": f"{request.shared_memory_gib}Gi",
        "cache_mounts": cache_mounts(request.cache),
        "cache_volumes": cache_volumes(request.cache),
        "service_port": request.service_port,
    }
    deployment = fill("deployment.yaml.j2", values)
    deployment["spec"]["template"] = overlaid(deployment["spec"]["template"], request.pod_template)
    return deployment, fill("service.yaml.j2", values)


def _pod_claims(request: ServerRequest) -> list[dict[str, str]]:
    """What the pod claims: the group's claim, or one of its own by the template."""
    if request.claim is None:
        return []
    if request.share is not None:
        return [{"name": CLAIM, "resourceClaimName": shared_claim_name(request.claim, request.share)}]
    return [{"name": CLAIM, "resourceClaimTemplateName": template_name(request.claim, request.name)}]


def startup_seconds(weights_bytes: int | None) -> int:
    """How long the start-up probe waits: for the download of the weights over a slow connection, and for compilation.

    >>> startup_seconds(16_000_000_000), startup_seconds(200_000_000_000)
    (1800, 3800)
    """
    download = (weights_bytes or 0) / SLOW_DOWNLOAD_BYTES_PER_SECOND
    return max(STARTUP_SECONDS, math.ceil((COMPILE_SECONDS + download) / 10) * 10)


def _host_memory(spec: VLMDeploymentSpec, weights_bytes: int | None) -> int:
    """What a server on the CPU backend holds for certain: its KV cache and its weights."""
    if spec.cpu is None or weights_bytes is None:
        return 0
    return _whole_gib(spec.cpu.kv_cache_space) * GIB + weights_bytes


def _requests(host_memory_bytes: int) -> dict[str, str]:
    if not host_memory_bytes:
        return {}
    return {"cpu": CPU_REQUEST, "memory": f"{math.ceil(host_memory_bytes / MIB)}Mi"}


def plain_environment(request: ServerRequest) -> dict[str, str]:
    """The server's variables but for the token."""
    return {**cache_environment(request.cache), **_ALWAYS, **request.env}


_ALWAYS: Final = {
    # Nothing about a cluster leaves it unasked.
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
}


def _environment(request: ServerRequest) -> list[dict[str, Any]]:
    always = {**cache_environment(request.cache), **_ALWAYS}
    variables: list[dict[str, Any]] = [{"name": name, "value": value} for name, value in always.items()]
    if request.token_secret is not None:
        reference = {"name": request.token_secret.name, "key": request.token_secret.key, "optional": False}
        variables.append({"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": reference}})
    return variables + [{"name": name, "value": value} for name, value in request.env.items()]


def _tolerations(request: ServerRequest) -> list[dict[str, str]]:
    # GPU nodes are commonly tainted with the name of their resource, to keep other pods away.
    domains = {name.partition("/")[0] for name in request.resources}
    return [{"key": f"{domain}/gpu", "operator": "Exists", "effect": "NoSchedule"} for domain in sorted(domains)]


def _whole_gib(size: str) -> int:
    count, rest = divmod(parse_bytes(size, field="spec.cpu.kvCacheSpace"), GIB)
    if rest or not count:
        raise InputError(
            f"spec.cpu.kvCacheSpace: {size} is not a whole number of GiB, as VLLM_CPU_KVCACHE_SPACE must be",
            field="spec.cpu.kvCacheSpace",
            hint=f"use {max(1, count)}Gi or {count + 1}Gi",
        )
    return count
