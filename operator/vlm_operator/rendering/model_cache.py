"""The volume that holds downloaded models and compiled code: its mounts, its variables, the claim that is created."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vlm_operator.api.model_cache_spec import ModelCacheSpec
from vlm_operator.errors import InputError
from vlm_operator.units import GIB, KIB, MIB, parse_bytes

CACHE_PATH: Final = "/cache"
"""Where the volume ``cache`` is mounted."""

COMPILED_PATH: Final = "/compiled"
"""Where compiled code lies beside a read-only cache, in a volume that goes with the pod."""

ONE_NODE: Final = frozenset({"ReadWriteOnce", "ReadWriteOncePod"})
"""Access modes of volumes that the pods of one node mount at a time."""


@dataclass(frozen=True, slots=True)
class ModelCache:
    """Where downloads and compiled code lie. With every field at its default: a volume that goes with the pod.

    Attributes:
        claim: PersistentVolumeClaim that is mounted, None for another volume.
        created_bytes: size of the claim that the operator creates, 0 where the claim is the user's.
        storage_class: of the created claim, None for the cluster's default.
        access_mode: of the created claim.
        host_path: directory of the node, None for another volume.
        limit_bytes: most that a volume that goes with the pod may hold, 0 for no limit.
        read_only: the volume holds the model already and is not written to.
    """

    claim: str | None = None
    created_bytes: int = 0
    storage_class: str | None = None
    access_mode: str = "ReadWriteOnce"
    host_path: str | None = None
    limit_bytes: int = 0
    read_only: bool = False

    @property
    def outlives_the_pod(self) -> bool:
        """False where every new pod downloads anew."""
        return self.claim is not None or self.host_path is not None

    def without_created_claim(self) -> ModelCache:
        """For a pod that may run before the created claim exists, or while the server's node holds it."""
        return ModelCache() if self.created_bytes else self


def cache_of(name: str, spec: ModelCacheSpec | None) -> ModelCache:
    """The cache that a spec asks for.

    Args:
        name: of the VLMDeployment, after which a created claim is named.
    """
    if spec is None:
        return ModelCache()
    read_only = bool(spec.read_only)
    if spec.claim is not None:
        return ModelCache(claim=spec.claim, read_only=read_only)
    if spec.host_path is not None:
        return ModelCache(host_path=spec.host_path.rstrip("/"), read_only=read_only)
    if spec.size is not None:
        return ModelCache(
            claim=f"{name}-model-cache",
            created_bytes=parse_bytes(str(spec.size), field="model.cache.size"),
            storage_class=spec.storage_class_name,
            access_mode=spec.access_mode or "ReadWriteOnce",
        )
    limit = spec.empty_dir.size_limit if spec.empty_dir else None
    return ModelCache(limit_bytes=parse_bytes(str(limit), field="model.cache.emptyDir.sizeLimit") if limit else 0)


def cache_volumes(cache: ModelCache) -> list[dict[str, Any]]:
    """Volumes of the pod: ``cache`` and, beside a read-only one, ``compiled``."""
    source: dict[str, Any]
    if cache.claim is not None:
        read_only = {"readOnly": True} if cache.read_only else {}
        source = {"persistentVolumeClaim": {"claimName": cache.claim, **read_only}}
    elif cache.host_path is not None:
        kind = "Directory" if cache.read_only else "DirectoryOrCreate"
        source = {"hostPath": {"path": cache.host_path, "type": kind}}
    else:
        source = {"emptyDir": {"sizeLimit": quantity(cache.limit_bytes)} if cache.limit_bytes else {}}
    compiled = [{"name": "compiled", "emptyDir": {}}] if cache.read_only else []
    return [{"name": "cache", **source}, *compiled]


def cache_mounts(cache: ModelCache) -> list[dict[str, Any]]:
    """Mounts of the server's container."""
    mounted = {"name": "cache", "mountPath": CACHE_PATH}
    if not cache.read_only:
        return [mounted]
    return [{**mounted, "readOnly": True}, {"name": "compiled", "mountPath": COMPILED_PATH}]


def cache_environment(cache: ModelCache) -> dict[str, str]:
    """Variables that say where downloads and compiled code go.

    A read-only cache is read offline: huggingface_hub writes locks and references otherwise. Python code of models
    that bring their own (``--trust-remote-code``) is copied before it is imported (transformers:
    ``dynamic_module_utils.py``), to where ``HF_MODULES_CACHE`` says.
    """
    if not cache.read_only:
        return {"HF_HOME": f"{CACHE_PATH}/huggingface", "VLLM_CACHE_ROOT": f"{CACHE_PATH}/vllm"}
    return {
        "HF_HOME": f"{CACHE_PATH}/huggingface",
        "HF_HUB_OFFLINE": "1",
        "HF_MODULES_CACHE": f"{COMPILED_PATH}/modules",
        "VLLM_CACHE_ROOT": f"{COMPILED_PATH}/vllm",
    }


def created_claim(
    cache: ModelCache, metadata: Mapping[str, Any], *, on_several_nodes: str = ""
) -> dict[str, Any] | None:
    """The PersistentVolumeClaim that the operator creates and owns; None where none is asked for.

    Args:
        metadata: namespace, labels and owner references.
        on_several_nodes: what makes pods of several nodes mount it, in words; empty where nothing does.

    Raises:
        InputError: such pods, and a volume that one node mounts at a time.
    """
    if not cache.created_bytes:
        return None
    if on_several_nodes and cache.access_mode in ONE_NODE:
        raise InputError(
            f"model.cache.accessMode: {on_several_nodes}, and a {cache.access_mode} volume is mounted on one at a time",
            field="model.cache.accessMode",
            hint="set it to ReadWriteMany with a StorageClass that has it, or use model.cache.claim",
        )
    storage_class = {"storageClassName": cache.storage_class} if cache.storage_class else {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": cache.claim, **metadata},
        "spec": {
            "accessModes": [cache.access_mode],
            **storage_class,
            "resources": {"requests": {"storage": quantity(cache.created_bytes)}},
        },
    }


def quantity(size_bytes: int) -> str:
    """Bytes as Kubernetes writes them, in the largest binary unit that is whole.

    >>> quantity(100 * 2**30), quantity(1536 * 2**20), quantity(10**9)
    ('100Gi', '1536Mi', '976563Ki')
    """
    for unit, suffix in ((GIB, "Gi"), (MIB, "Mi")):
        if size_bytes % unit == 0:
            return f"{size_bytes // unit}{suffix}"
    return f"{math.ceil(size_bytes / KIB)}Ki"
