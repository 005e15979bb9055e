"""Nodes and pods as the API server gives them, in the forms that people and other projects write."""

from __future__ import annotations

from typing import Any

from vlm_operator.gpu.catalogue import find_gpu
from vlm_operator.units import MIB

Manifest = dict[str, Any]

IMAGE = "vllm/vllm-openai:v0.32.0"


def node(
    name: str,
    product: str,
    count: int,
    *,
    resource: str = "nvidia.com/gpu",
    cordoned: bool = False,
    ready: bool = True,
    labels: dict[str, str] | None = None,
    taints: list[Manifest] | None = None,
) -> Manifest:
    """A node with the labels of GPU feature discovery; of MIG slices and shared GPUs as ``labels`` adds."""
    gpu = find_gpu(product)
    memory = {"nvidia.com/gpu.memory": str(gpu.nvml_total_bytes // MIB)} if gpu.nvml_total_bytes else {}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"nvidia.com/gpu.product": product, "kubernetes.io/hostname": name, **memory, **(labels or {})},
        },
        "spec": {**({"unschedulable": True} if cordoned else {}), **({"taints": taints} if taints else {})},
        "status": {
            "allocatable": {"cpu": "64", "memory": "512Gi", "pods": "110", resource: str(count)},
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def pod(
    name: str,
    at: str,
    *,
    args: list[str] | None = None,
    command: list[str] | None = None,
    image: str = IMAGE,
    gpus: int = 1,
    resource: str = "nvidia.com/gpu",
    namespace: str = "models",
    memory: str | None = "64Gi",
    shm: bool = True,
    owner: tuple[str, str] | None = None,
    labels: dict[str, str] | None = None,
    annotations: dict[str, str] | None = None,
    env: list[Manifest] | None = None,
    selector: dict[str, str] | None = None,
    container: str = "vllm",
    state: Manifest | None = None,
    phase: str = "Running",
    volumes: list[Manifest] | None = None,
    mounts: list[Manifest] | None = None,
    init: list[Manifest] | None = None,
    placed: Manifest | None = None,
) -> Manifest:
    """A pod on the node ``at`` that serves; ``owner`` is (kind, name) of its controller."""
    limits: dict[str, str] = {resource: str(gpus)} if gpus else {}
    if memory:
        limits["memory"] = memory
    metadata: Manifest = {"name": name, "namespace": namespace, "uid": f"uid-{name}"}
    metadata |= {"labels": labels} if labels else {}
    metadata |= {"annotations": annotations} if annotations else {}
    if owner is not None:
        metadata["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "controller": True}]
    shared = [{"name": "shm", "emptyDir": {"medium": "Memory"}}] if shm else []
    mounted = [{"name": "shm", "mountPath": "/dev/shm"}] if shm else []
    server: Manifest = {
        "name": container,
        "image": image,
        "resources": {"limits": limits, "requests": dict(limits)},
        "env": env or [],
        "volumeMounts": [*mounted, *(mounts or [])],
    }
    server |= {"command": command} if command is not None else {}
    server |= {"args": args} if args is not None else {}
    status = {"name": container, "ready": True, "restartCount": 0, "state": {"running": {}}, **(state or {})}
    spec: Manifest = {"containers": [server], "volumes": [*shared, *(volumes or [])]}
    spec |= {"nodeName": at} if at else {}
    spec |= {"nodeSelector": selector} if selector else {}
    spec |= {"initContainers": init} if init else {}
    spec |= placed or {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": spec,
        "status": {"phase": phase, "containerStatuses": [status]},
    }


def deployment_pod(name: str, at: str, **more: Any) -> Manifest:
    """A pod of a Deployment, as the ReplicaSet controller names it."""
    hashed = "7c9d8b6f54"
    labels = {**(more.pop("labels", None) or {}), "pod-template-hash": hashed}
    return pod(f"{name}-{hashed}-x{at[-2:]}", at, owner=("ReplicaSet", f"{name}-{hashed}"), labels=labels, **more)


def listed(kind: str, items: list[Manifest]) -> Manifest:
    """What ``kubectl get -o json`` prints."""
    return {"apiVersion": "v1", "kind": "List", "items": [item for item in items if item["kind"] == kind]}
