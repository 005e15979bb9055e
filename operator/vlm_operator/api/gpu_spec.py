"""``spec.gpu``: which GPUs a server runs on."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from vlm_operator.api.base import ApiModel, Integer, Quantity, Rule, matching
from vlm_operator.gpu.resources import (
    GPU_DEVICE_CLASS,
    GPU_RESOURCE,
    MIG_DEVICE_CLASS,
    MIG_PREFIX,
    NVIDIA_DOMAIN,
    PRODUCT_LABEL,
)

_PRODUCT_VALIDATOR, _PRODUCT_CEL = matching(
    r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?",
    f"must be a value of the node label {PRODUCT_LABEL}, such as NVIDIA-GeForce-RTX-5090",
)
_RESOURCE_VALIDATOR, _RESOURCE_CEL = matching(
    rf"{re.escape(NVIDIA_DOMAIN)}[a-z0-9]([a-z0-9.+-]{{0,61}}[a-z0-9])?",
    f"must be an extended resource of NVIDIA's device plugin: {GPU_RESOURCE} or, for instance, {MIG_PREFIX}3g.40gb",
)


_CLASS_VALIDATOR, _CLASS_CEL = matching(
    r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", "must be the name of a DeviceClass, such as gpu.nvidia.com"
)


class ClaimSpec(ApiModel):
    """GPUs by a ResourceClaim (dynamic resource allocation) in the place of an extended resource."""

    device_class: Annotated[str, Field(min_length=1, max_length=253), _CLASS_VALIDATOR, _CLASS_CEL] | None = Field(
        default=None,
        description=f"DeviceClass of the claim. Default: {GPU_DEVICE_CLASS}, or {MIG_DEVICE_CLASS} for a MIG profile: "
        "those that NVIDIA's DRA driver installs.",
    )
    memory: Quantity | None = Field(
        default=None,
        description="Share of each device's memory that is claimed, for instance 30Gi, of devices that several claims "
        "may hold at once (consumable capacity): --gpu-memory-utilization is chosen so that vLLM takes no more. "
        "Default: whole devices.",
    )


_GROUP_VALIDATOR, _GROUP_CEL = matching(
    r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?",
    "must be at most 40 lower-case letters, digits and dashes, a letter or digit at both ends",
)


class ShareSpec(ApiModel):
    """A GPU for several VLMDeployments of one namespace."""

    group: Annotated[str, Field(min_length=1, max_length=40), _GROUP_VALIDATOR, _GROUP_CEL] = Field(
        description="VLMDeployments of this namespace with the same group run on one GPU together. Each gets the "
        "utilisation of its own need on what the reserve and the others leave, and starts when those before it serve."
    )


class GPUSpec(ApiModel):
    """Which GPUs the server runs on. What is left out, the operator chooses among the cluster's GPUs."""

    product: Annotated[str, Field(min_length=1, max_length=63), _PRODUCT_VALIDATOR, _PRODUCT_CEL] | None = Field(
        default=None,
        description=f"GPU product as the node label {PRODUCT_LABEL} spells it, for instance "
        "NVIDIA-GeForce-RTX-5090. Default: the operator chooses among the products of the cluster.",
    )
    resource: Annotated[str, Field(min_length=1, max_length=75), _RESOURCE_VALIDATOR, _RESOURCE_CEL] = Field(
        default=GPU_RESOURCE,
        description=f"Extended resource that the pod asks for: {GPU_RESOURCE}, or a MIG profile such as "
        f"{MIG_PREFIX}3g.40gb. Default: {GPU_RESOURCE}. With claim it says which kind of device is claimed.",
    )
    claim: ClaimSpec | None = Field(
        default=None,
        description="Claim the GPUs from NVIDIA's DRA driver (resource.k8s.io/v1) in the place of asking for the "
        "resource: the operator writes a ResourceClaimTemplate that asks for the planned product and memory. {} takes "
        "the driver's own DeviceClass. Default: the pod asks for the extended resource.",
    )
    count: Annotated[Integer, Field(ge=1, le=64)] | None = Field(
        default=None,
        description="GPUs of one replica, on all its nodes together (spec.topology). Default: the smallest number that "
        "fits on one node, or whole nodes.",
    )
    share: ShareSpec | None = Field(
        default=None,
        description="Run on one GPU together with other VLMDeployments. With claim the group has one ResourceClaim; "
        "without, its pods meet on a node whose only GPU is replicated by time slicing. Default: GPUs of its own.",
    )
    reserve: Quantity | None = Field(
        default=None,
        description="Memory of each GPU that stays free for a desktop or another process, for instance 4Gi: "
        "--gpu-memory-utilization is chosen so that vLLM asks for no more than the rest. Default: nothing is reserved.",
    )
    platform: Literal["linux", "wsl2", "windows"] | None = Field(
        default=None,
        description="Operating system under the GPU's driver: under Windows and WSL2 CUDA reports another total. "
        "Default: as the node label feature.node.kubernetes.io/kernel-version.full tells, else linux.",
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.count) || self.count == 1 || !has(self.resource) || "
            f"!self.resource.startsWith('{MIG_PREFIX}')",
            message="count must be 1 for a MIG resource: one server cannot span MIG instances; choose a larger profile",
            holds=lambda g: g.count in {None, 1} or not g.resource.startswith(MIG_PREFIX),
        ),
        Rule(
            cel="!has(self.share) || !has(self.count) || self.count == 1",
            message="count must be 1 with share: a group shares one GPU",
            holds=lambda g: g.share is None or g.count in {None, 1},
        ),
        Rule(
            cel="!has(self.share) || !has(self.claim) || !has(self.claim.memory)",
            message="claim.memory contradicts share: a claim of its own takes a part of the card, a group divides one "
            "claim; set one of them",
            holds=lambda g: g.share is None or g.claim is None or g.claim.memory is None,
        ),
    )
