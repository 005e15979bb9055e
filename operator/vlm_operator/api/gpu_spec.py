"""``spec.gpu``: which GPUs a server runs on."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from vlm_operator.api.base import ApiModel, Integer, Rule, matching
from vlm_operator.gpu.node_labels import GPU_RESOURCE

_PRODUCT_VALIDATOR, _PRODUCT_CEL = matching(
    r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?",
    "must be a value of the node label nvidia.com/gpu.product, such as NVIDIA-GeForce-RTX-5090",
)
_RESOURCE_VALIDATOR, _RESOURCE_CEL = matching(
    r"nvidia\.com/[a-z0-9]([a-z0-9.+-]{0,61}[a-z0-9])?",
    "must be an extended resource of NVIDIA's device plugin: nvidia.com/gpu or, for instance, nvidia.com/mig-3g.40gb",
)


class GPUSpec(ApiModel):
    """Which GPUs the server runs on. What is left out, the operator chooses among the cluster's GPUs."""

    product: Annotated[str, Field(min_length=1, max_length=63), _PRODUCT_VALIDATOR, _PRODUCT_CEL] | None = Field(
        default=None,
        description="GPU product as the node label nvidia.com/gpu.product spells it, for instance "
        "NVIDIA-GeForce-RTX-5090. Default: the operator chooses among the products of the cluster.",
    )
    resource: Annotated[str, Field(min_length=1, max_length=75), _RESOURCE_VALIDATOR, _RESOURCE_CEL] = Field(
        default=GPU_RESOURCE,
        description="Extended resource that the pod asks for: nvidia.com/gpu, or a MIG profile such as "
        "nvidia.com/mig-3g.40gb. Default: nvidia.com/gpu.",
    )
    count: Annotated[Integer, Field(ge=1, le=64)] | None = Field(
        default=None, description="GPUs of one node for one replica. Default: the smallest number that fits."
    )
    platform: Literal["linux", "wsl2", "windows"] | None = Field(
        default=None,
        description="Operating system under the GPU's driver: under Windows and WSL2 CUDA reports another total. "
        "Default: as the node label feature.node.kubernetes.io/kernel-version.full tells, else linux.",
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="!has(self.count) || self.count == 1 || !has(self.resource) || "
            "!self.resource.startsWith('nvidia.com/mig-')",
            message="count must be 1 for a MIG resource: one server cannot span MIG instances; choose a larger profile",
            holds=lambda g: g.count in {None, 1} or not g.resource.startswith("nvidia.com/mig-"),
        ),
    )
