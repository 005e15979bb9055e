"""``spec.model.cache``: where downloaded models and compiled code lie, and how long they stay."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from vlm_operator.api.base import ApiModel, Bool, Quantity, Rule, matching

_CLAIM_VALIDATOR, _CLAIM_CEL = matching(
    r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", "must be the name of a PersistentVolumeClaim in the same namespace"
)
_CLASS_VALIDATOR, _CLASS_CEL = matching(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", "must be the name of a StorageClass")
_HOST_PATH_VALIDATOR, _HOST_PATH_CEL = matching(
    r"(/[A-Za-z0-9_@+=,.~-]*[A-Za-z0-9_@+=,~-])+/?", "must be an absolute directory of the node such as /var/cache/vllm"
)

ClaimName = Annotated[str, Field(min_length=1, max_length=253), _CLAIM_VALIDATOR, _CLAIM_CEL]
"""Name of a PersistentVolumeClaim in the VLMDeployment's namespace."""


class EmptyDirSpec(ApiModel):
    """A volume that is made with a pod and goes with it."""

    size_limit: Quantity | None = Field(
        default=None,
        description="Most that the volume may hold, for instance 60Gi: Kubernetes evicts a pod that writes more. "
        "Default: what the node's disk holds.",
    )


class ModelCacheSpec(ApiModel):
    """The volume for downloaded models (HF_HOME) and vLLM's compiled code (VLLM_CACHE_ROOT)."""

    claim: ClaimName | None = Field(
        default=None,
        description="A PersistentVolumeClaim of yours in the same namespace. The operator never changes or deletes it. "
        "Exactly one of claim, size, hostPath and emptyDir. Default: none.",
    )
    size: Quantity | None = Field(
        default=None,
        description="Size of a PersistentVolumeClaim that the operator creates as NAME-model-cache, for instance "
        "100Gi. It stays through every retune and change of the spec, and is deleted with the VLMDeployment; it may "
        "grow where its StorageClass allows that. Exactly one of claim, size, hostPath and emptyDir. Default: none.",
    )
    storage_class_name: Annotated[str, Field(min_length=1, max_length=253), _CLASS_VALIDATOR, _CLASS_CEL] | None = (
        Field(
            default=None,
            description="StorageClass of the claim that is created. Fixed while size is set. Default: the cluster's.",
        )
    )
    access_mode: Literal["ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"] | None = Field(
        default=None,
        description="Access mode of the claim that is created; ReadWriteMany for replicas on several nodes. Fixed "
        "while size is set. Default: ReadWriteOnce.",
    )
    host_path: Annotated[str, Field(min_length=2, max_length=1024), _HOST_PATH_VALIDATOR, _HOST_PATH_CEL] | None = (
        Field(
            default=None,
            description="Directory of the node, made where it is not there. Only where the operator's "
            "podTemplatePolicy is Unrestricted. Exactly one of claim, size, hostPath and emptyDir. Default: none.",
        )
    )
    empty_dir: EmptyDirSpec | None = Field(
        default=None,
        description="A volume that goes with the pod: every new pod downloads and compiles anew. Exactly one of claim, "
        "size, hostPath and emptyDir. Default: none.",
    )
    read_only: Bool | None = Field(
        default=None,
        description="True: the claim or hostPath is mounted read-only and already holds the model in the layout of "
        "HF_HOME; nothing is downloaded (HF_HUB_OFFLINE=1), and compiled code goes with the pod. Default: false.",
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="[has(self.claim), has(self.size), has(self.hostPath), has(self.emptyDir)]"
            ".filter(each, each).size() == 1",
            message="exactly one of claim, size, hostPath and emptyDir must be set",
            holds=lambda c: sum(each is not None for each in (c.claim, c.size, c.host_path, c.empty_dir)) == 1,
        ),
        Rule(
            cel="has(self.size) || (!has(self.storageClassName) && !has(self.accessMode))",
            message="storageClassName and accessMode belong to size: a claim of yours has its own; remove them",
            holds=lambda c: c.size is not None or (c.storage_class_name is None and c.access_mode is None),
        ),
        Rule(
            cel="!has(self.readOnly) || !self.readOnly || has(self.claim) || has(self.hostPath)",
            message="readOnly belongs to claim or hostPath: a new volume holds no model",
            holds=lambda c: not c.read_only or c.claim is not None or c.host_path is not None,
        ),
        Rule(
            cel="!has(self.size) || !has(oldSelf.size) || (has(self.storageClassName) == "
            "has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == "
            "oldSelf.storageClassName) && has(self.accessMode) == has(oldSelf.accessMode) && "
            "(!has(self.accessMode) || self.accessMode == oldSelf.accessMode))",
            message="storageClassName and accessMode of a claim cannot change: use a claim of yours, or delete the "
            "VLMDeployment and create it again",
        ),
    )
