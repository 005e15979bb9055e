"""vLLM servers among pods of any owner, as frozen facts."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from vlm_operator.api.names import DEPLOYMENT_LABEL
from vlm_operator.audit.container_command import ConfigMaps, Manifest, find_command, is_resolved
from vlm_operator.audit.placement import Placement, read_placement
from vlm_operator.audit.serve_command import ServeCommand
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.gpu.resources import AMD_RESOURCE, NVIDIA_DOMAIN
from vlm_operator.units import parse_bytes

GPU_RESOURCES: Final = (NVIDIA_DOMAIN, AMD_RESOURCE)
"""Extended resources that are GPUs start so."""

_NO_GPUS: Final = frozenset({f"{NVIDIA_DOMAIN}hostdev"})
_SHARED_MEMORY: Final = "/dev/shm"
_OWNER_LABELS: Final = (
    (DEPLOYMENT_LABEL, "VLMDeployment"),
    ("serving.kserve.io/inferenceservice", "InferenceService"),
    ("leaderworkerset.sigs.k8s.io/name", "LeaderWorkerSet"),
)
"""Labels that name the object a person wrote, before owner references, which name what a controller made of it."""


@dataclass(frozen=True, slots=True, order=True)
class Workload:
    """The object that a person would change: who owns the pod, as far as the pod tells."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class PodState:
    """How a server's container does now.

    Attributes:
        serves: the container is ready.
        restarts: how often it was restarted.
        waiting: reason it does not run for, such as ``CrashLoopBackOff``.
        last_words: what Kubernetes kept of the last run's output.
    """

    phase: str = "Running"
    serves: bool = True
    restarts: int = 0
    waiting: str = ""
    last_words: str = ""


@dataclass(frozen=True, slots=True)
class ServerPod:
    """One pod that runs vLLM.

    Attributes:
        workload: who owns it.
        node: name of its node, empty where it has none yet.
        container: name of the container that runs vLLM.
        command: what it asks for.
        version: release by the image's tag, None where the tag names none.
        resource: extended resource of its GPUs, empty where it asks for none.
        gpus: how many of it the pod asks for.
        memory_limit_bytes: of the container; None where there is none.
        shared_memory: a volume in memory is at /dev/shm, or the host's is used.
        model: the model's Hugging Face id, as far as it can be told, else the path.
        environment: variables whose value is known.
        placement: what it asks of its node.
        pods_of_group: pods that share the command's ranks (LeaderWorkerSet): the GPUs of all of them count.
        notes: what could not be read.
    """

    name: str
    workload: Workload
    node: str
    container: str
    command: ServeCommand
    image: str
    version: EngineVersion | None
    resource: str
    gpus: int
    memory_limit_bytes: int | None
    shared_memory: bool
    model: str
    environment: Mapping[str, str] = field(default_factory=dict)
    placement: Placement = field(default_factory=Placement)
    claims_devices: bool = False
    pods_of_group: int = 1
    state: PodState = field(default_factory=PodState)
    notes: tuple[str, ...] = ()

    @property
    def is_worker(self) -> bool:
        """Whether it only lends its GPUs to another pod's server."""
        return self.command.has("--headless")


def read_servers(pods: Iterable[Manifest], config_maps: ConfigMaps) -> tuple[ServerPod, ...]:
    """Every pod that runs a vLLM server and has not ended, in the order given."""
    found = (_read(pod, config_maps) for pod in pods)
    return tuple(server for server in found if server is not None)


def _read(pod: Manifest, config_maps: ConfigMaps) -> ServerPod | None:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    if status.get("phase") == "Succeeded" or (status.get("phase") == "Failed" and _is_replaced(pod)):
        return None
    for container in spec.get("containers") or ():
        found = find_command(container, pod, config_maps)
        if found is None:
            continue
        image = str(container.get("image") or "")
        resource, gpus = gpus_of(container)
        metadata = pod.get("metadata") or {}
        labels: Mapping[str, str] = metadata.get("labels") or {}
        model, notes = _model(found.command, pod)
        group = str((metadata.get("annotations") or {}).get("leaderworkerset.sigs.k8s.io/size", "1"))
        return ServerPod(
            name=str(metadata.get("name")),
            workload=workload_of(pod),
            node=str(spec.get("nodeName") or ""),
            container=str(container.get("name")),
            command=found.command,
            image=image,
            version=_version(image, labels),
            resource=resource,
            gpus=gpus,
            memory_limit_bytes=_memory_limit(container, spec),
            shared_memory=bool(spec.get("hostIPC")) or _has_shared_memory(container, spec),
            model=model,
            environment=found.environment,
            placement=read_placement(spec),
            claims_devices=bool(spec.get("resourceClaims")),
            pods_of_group=int(group) if group.isdecimal() else 1,
            state=_state(str(container.get("name")), status),
            notes=(*found.notes, *notes),
        )
    return None


def _is_replaced(pod: Manifest) -> bool:
    """Whether a controller made the pod: it makes another in the place of one that failed (evicted, node lost)."""
    return bool((pod.get("metadata") or {}).get("ownerReferences"))


def _version(image: str, labels: Mapping[str, str]) -> EngineVersion | None:
    version = EngineVersion.of_image(image)
    if version is not None:
        return version
    try:
        return EngineVersion.parse(labels["vllm.ai/version"]) if "vllm.ai/version" in labels else None
    except InputError:
        return None


def gpus_of(container: Manifest) -> tuple[str, int]:
    """(resource, how many) of the GPUs that a container asks for."""
    resources = container.get("resources") or {}
    amounts = {**(resources.get("requests") or {}), **(resources.get("limits") or {})}
    for name in sorted(amounts):
        if name.startswith(GPU_RESOURCES) and name not in _NO_GPUS and str(amounts[name]).isdecimal():
            return name, int(amounts[name])
    return "", 0


def _memory_limit(container: Manifest, spec: Manifest) -> int | None:
    limits = [(each.get("resources") or {}).get("limits") or {} for each in (container, spec)]
    text = next((str(each["memory"]) for each in limits if each.get("memory")), None)
    try:
        return None if text is None else parse_bytes(text, field="memory")
    except InputError:
        return None


def _has_shared_memory(container: Manifest, spec: Manifest) -> bool:
    volumes = {volume.get("name"): volume for volume in spec.get("volumes") or ()}
    mounts = [mount for mount in container.get("volumeMounts") or () if mount.get("mountPath") == _SHARED_MEMORY]
    return any("emptyDir" in (volumes.get(mount.get("name")) or {}) for mount in mounts) or any(
        "hostPath" in (volumes.get(mount.get("name")) or {}) for mount in mounts
    )


def _model(command: ServeCommand, pod: Manifest) -> tuple[str, tuple[str, ...]]:
    """The Hugging Face id of what is served, and what is assumed for it."""
    if not is_resolved(command.model):
        return "", (f"model: {command.model} is not known before the container runs",)
    if command.model and not command.model.startswith(("/", ".")):
        return command.model.removeprefix("hf://"), ()
    for uri in _storage_uris(pod):
        if uri.startswith("hf://"):
            return uri.removeprefix("hf://").partition("@")[0].partition(":")[0], ()
    served = (command.value("--served-model-name") or command.value("--model-name") or "").split()
    named = next((name for name in served if re.fullmatch(r"[\w.-]+/[\w.-]+", name, re.ASCII)), None)
    if named is not None:
        return named, (f"model: {command.model or 'the folder'} is taken for {named}, the name that it is served by",)
    return command.model, ()


def _storage_uris(pod: Manifest) -> Iterator[str]:
    """Where an init container of KServe or an annotation says that the model comes from."""
    for container in (pod.get("spec") or {}).get("initContainers") or ():
        yield from (str(word) for word in container.get("args") or () if "://" in str(word))
    for key, value in ((pod.get("metadata") or {}).get("annotations") or {}).items():
        if key.endswith("storage-initializer-sourceuri"):
            yield str(value)


def workload_of(pod: Manifest) -> Workload:
    """Who owns a pod: the object that a person would change, as far as the pod's labels and owners tell."""
    metadata = pod.get("metadata") or {}
    labels: Mapping[str, str] = metadata.get("labels") or {}
    namespace, name = str(metadata.get("namespace") or "default"), str(metadata.get("name"))
    for label, kind in _OWNER_LABELS:
        if labels.get(label):
            return Workload(kind, namespace, labels[label])
    if labels.get("app.kubernetes.io/part-of") == "llminferenceservice" and labels.get("app.kubernetes.io/name"):
        return Workload("LLMInferenceService", namespace, labels["app.kubernetes.io/name"])
    owner: Mapping[str, Any] = next(
        (each for each in metadata.get("ownerReferences") or () if each.get("controller")), {}
    )
    if owner.get("kind") == "ReplicaSet":
        made, hashed = str(owner["name"]), labels.get("pod-template-hash", "")
        if hashed and made.endswith(f"-{hashed}"):
            return Workload("Deployment", namespace, made.removesuffix(f"-{hashed}"))
    if owner:
        return Workload(str(owner["kind"]), namespace, str(owner["name"]))
    return Workload("Pod", namespace, name)


def _state(container: str, status: Manifest) -> PodState:
    own: Mapping[str, Any] = next(
        (each for each in status.get("containerStatuses") or () if each.get("name") == container), {}
    )
    waiting = ((own.get("state") or {}).get("waiting") or {}).get("reason") or ""
    last = (own.get("lastState") or {}).get("terminated") or (own.get("state") or {}).get("terminated") or {}
    return PodState(
        phase=str(status.get("phase") or "Unknown"),
        serves=bool(own.get("ready")),
        restarts=int(own.get("restartCount") or 0),
        waiting=str(waiting),
        last_words=str(last.get("message") or ""),
    )
