"""Build the Job of a dry run: the server's image, volumes and environment, the program, and no GPU.

The pod is made of the server's pod under the user's overlay, so that it finds the model where the server will. Only
what a reader of files needs is taken from it; init containers and sidecars are not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from vlm_operator.api.names import DRY_RUN_ANNOTATION, DRY_RUN_LABEL, FIELD_MANAGER, GPU_PRODUCT_LABEL
from vlm_operator.rendering.pod_template import CONTAINER
from vlm_operator.rendering.server import ServerRequest, one_node_objects
from vlm_operator.rendering.templates import plain
from vlm_operator.units import GIB, MIB

DRY_RUN_CONTAINER: Final = "dry-run"
"""Name of the Job's container."""

DEADLINE_SECONDS: Final = 1800
"""Longest time of a dry run: its image may have to be pulled first; the run itself takes a minute."""

KEPT_SECONDS: Final = 3600
"""How long a Job that ended is kept where no operator removes it."""

MEMORY_BYTES: Final = 4 * GIB
"""Memory limit of the first try; 0.7 to 1.0 GiB were measured."""

MEMORY_REQUEST_BYTES: Final = 1 * GIB
CPU_REQUEST: Final = "500m"

PROGRAM_PATH: Final = "/opt/vlm-operator"
REQUEST_NAME: Final = "request.json"
_MESSAGE_PATH: Final = "/dev/termination-log"
_USER: Final = 65534
"""``nobody``: what the container runs as where the overlay names nobody else."""

_POD_FIELDS: Final = (
    "imagePullSecrets", "serviceAccountName", "nodeSelector", "affinity", "tolerations", "hostAliases", "dnsPolicy",
    "dnsConfig",
)  # fmt: skip
"""Fields of the server's pod that decide where it runs and what it reaches."""

_OWN_VOLUMES: Final = frozenset({"dshm"})
"""Volumes of the server that no dry run needs."""

_ENVIRONMENT: Final = {
    # Images name all GPUs in NVIDIA_VISIBLE_DEVICES: on a node with NVIDIA's runtime the pod would see them unasked.
    "NVIDIA_VISIBLE_DEVICES": "void",
    "CUDA_VISIBLE_DEVICES": "",
    "HOME": "/tmp",
    "USER": "dry-run",  # torch asks for the user's name, and an arbitrary user has none
    "PYTHONDONTWRITEBYTECODE": "1",
}


@dataclass(frozen=True, slots=True)
class DryRunRequest:
    """Everything the Job of one dry run depends on.

    Attributes:
        name: of the Job and its ConfigMap.
        server: the server whose image, volumes and environment it has; its arguments and GPUs do not matter.
        digest: of what is asked.
        question: the program's request (``engine_facts.request_document``).
        program: text of the program's files by name.
        memory_bytes: memory limit.
    """

    name: str
    server: ServerRequest
    digest: str
    question: Mapping[str, Any]
    program: Mapping[str, str]
    memory_bytes: int = MEMORY_BYTES


def render_dry_run(request: DryRunRequest) -> tuple[dict[str, Any], dict[str, Any]]:
    """The ConfigMap with program and question, and the Job, in the order of creation.

    Raises:
        PodTemplateClash: the overlay changes what the plan owns.
        InputError: the overlay is no pod template, or a text holds what no manifest can.
    """
    labels = {
        "app.kubernetes.io/name": "vllm",
        "app.kubernetes.io/instance": request.server.name,
        "app.kubernetes.io/component": "dry-run",
        "app.kubernetes.io/managed-by": FIELD_MANAGER,
        DRY_RUN_LABEL: request.server.name,
    }
    annotations = {DRY_RUN_ANNOTATION: request.digest}
    metadata = {"name": request.name, "namespace": request.server.namespace, "labels": labels}
    metadata |= {"annotations": annotations}
    question = json.dumps(plain(request.question), sort_keys=True, indent=1)
    config_map = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": metadata,
        "data": {**plain(request.program), REQUEST_NAME: question},
    }
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": DEADLINE_SECONDS,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": _pod(request)},
        },
    }
    return config_map, job


def _pod(request: DryRunRequest) -> dict[str, Any]:
    reader = replace(request.server, cache=request.server.cache.without_created_claim())
    server: Mapping[str, Any] = one_node_objects(reader)[0]["spec"]["template"]["spec"]
    served = next(each for each in server["containers"] if each["name"] == CONTAINER)
    pod = {name: server[name] for name in _POD_FIELDS if server.get(name)}
    selector = {key: value for key, value in pod.pop("nodeSelector", {}).items() if key != GPU_PRODUCT_LABEL}
    volumes = [each for each in server.get("volumes") or () if each["name"] not in _OWN_VOLUMES]
    return {
        **pod,
        **({"nodeSelector": selector} if selector else {}),
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": 5,
        "securityContext": _pod_security(server.get("securityContext") or {}),
        "containers": [_container(request, served)],
        "volumes": [*volumes, _program_volume(request), {"name": "dry-run-tmp", "emptyDir": {}}],
    }


def _container(request: DryRunRequest, served: Mapping[str, Any]) -> dict[str, Any]:
    variables = [each for each in served.get("env") or () if each["name"] not in _ENVIRONMENT]
    variables += [{"name": name, "value": value} for name, value in _ENVIRONMENT.items()]
    mounts = [each for each in served.get("volumeMounts") or () if each["name"] not in _OWN_VOLUMES]
    mounts = [each for each in mounts if each["mountPath"].rstrip("/") not in {"/tmp", PROGRAM_PATH}]
    container = {
        "name": DRY_RUN_CONTAINER,
        "image": request.server.image,
        "command": ["python3", "-m", "dryrun"],
        "args": [f"{PROGRAM_PATH}/{REQUEST_NAME}", "--termination-message", _MESSAGE_PATH],
        "workingDir": PROGRAM_PATH,
        "env": variables,
        "resources": {
            "requests": {"cpu": CPU_REQUEST, "memory": f"{MEMORY_REQUEST_BYTES // MIB}Mi"},
            "limits": {"memory": f"{request.memory_bytes // MIB}Mi"},
        },
        "securityContext": _container_security(served.get("securityContext") or {}),
        "terminationMessagePath": _MESSAGE_PATH,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            *({**each, "readOnly": True} for each in mounts),
            {"name": "dry-run-program", "mountPath": PROGRAM_PATH, "readOnly": True},
            {"name": "dry-run-tmp", "mountPath": "/tmp"},
        ],
    }
    for name in ("envFrom", "imagePullPolicy"):
        if served.get(name):
            container[name] = served[name]
    return container


def _pod_security(server: Mapping[str, Any]) -> dict[str, Any]:
    """The server's own (``fsGroup`` opens its volumes), with a user that is not root where it names none."""
    named = server.get("runAsUser") is not None
    return {
        **server,
        "seccompProfile": {"type": "RuntimeDefault"},
        **({} if named else {"runAsUser": _USER, "runAsGroup": server.get("runAsGroup", _USER)}),
        "runAsNonRoot": server.get("runAsUser") != 0,
    }


def _container_security(server: Mapping[str, Any]) -> dict[str, Any]:
    """The Pod Security Standard "restricted", and a root file system that is not written to."""
    kept = {name: server[name] for name in ("runAsUser", "runAsGroup", "runAsNonRoot") if name in server}
    if kept.get("runAsUser") == 0:
        kept["runAsNonRoot"] = False
    return {
        **kept,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }


def _program_volume(request: DryRunRequest) -> dict[str, Any]:
    """The ConfigMap's keys as a Python package and the question beside it."""
    items = [{"key": name, "path": f"dryrun/{name}"} for name in sorted(request.program)]
    items.append({"key": REQUEST_NAME, "path": REQUEST_NAME})
    return {"name": "dry-run-program", "configMap": {"name": request.name, "items": items}}
