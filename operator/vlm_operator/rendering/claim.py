"""A ResourceClaimTemplate: the GPUs of a pod from NVIDIA's DRA driver (``resource.k8s.io/v1``).

The claim asks for devices of the planned product and of at least the planned memory, in CEL. The template's spec cannot
be changed, so its name tells its content: another plan has another template.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any, Final

from vlm_operator.api.object_names import digest_of
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.gpu.resources import DRA_DRIVER, GPU_DEVICE_CLASS, MIG_DEVICE_CLASS
from vlm_operator.units import MIB

CLAIM: Final = "gpus"
"""Name of the claim in the pod, by which the server's container refers to it."""

_SPREAD_MIB: Final = 64
"""NVML's totals of one product differ by up to this between drivers; sizes of a card differ by 1.5 GiB at least."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What the pod's claim asks for.

    Attributes:
        device_class: DeviceClass.
        count: devices of one pod.
        product: NVML's name with dashes in the place of blanks, as node labels spell it.
        least_mib: least memory of a device in MiB, None where the driver tells none (GB10).
        profile: MIG profile, None for whole GPUs.
        share_mib: memory of each device that is claimed in MiB, None for whole devices.
    """

    device_class: str
    count: int
    product: str
    least_mib: int | None
    profile: str | None = None
    share_mib: int | None = None

    @property
    def expression(self) -> str:
        """The selector in CEL, whose string literals JSON's are. NVML's name has blanks where labels have dashes."""
        attributes, capacity = f"device.attributes['{DRA_DRIVER}']", f"device.capacity['{DRA_DRIVER}']"
        parts = [f"{attributes}.productName.replace(' ', '-') == {json.dumps(self.product)}"]
        if self.profile is not None:
            parts.append(f"{attributes}.profile == {json.dumps(self.profile)}")
        if self.least_mib is not None:
            parts.append(f"{capacity}.memory.compareTo(quantity('{self.least_mib}Mi')) >= 0")
        return " && ".join(parts)

    @property
    def spec(self) -> dict[str, Any]:
        """The spec of a ResourceClaim."""
        exactly: dict[str, Any] = {"deviceClassName": self.device_class, "allocationMode": "ExactCount"}
        exactly |= {"count": self.count, "selectors": [{"cel": {"expression": self.expression}}]}
        if self.share_mib is not None:
            exactly["capacity"] = {"requests": {"memory": f"{self.share_mib}Mi"}}
        return {"devices": {"requests": [{"name": CLAIM, "exactly": exactly}]}}


def claim_of(gpu: GPUFacts, count: int, device_class: str | None, share_bytes: int | None = None) -> Claim:
    """The claim of ``count`` GPUs of a plan.

    Args:
        gpu: what the plan is for.
        device_class: as ``spec.gpu.claim`` names it, None for the driver's own.
        share_bytes: memory of each that is claimed, None for whole GPUs.
    """
    memory = gpu.total_bytes if gpu.mig_profile else gpu.nvml_total_bytes
    return Claim(
        device_class=device_class or (MIG_DEVICE_CLASS if gpu.mig_profile else GPU_DEVICE_CLASS),
        count=count,
        product=gpu.product,
        least_mib=None if memory is None else max(memory // MIB - _SPREAD_MIB, 1),
        profile=gpu.mig_profile,
        share_mib=None if share_bytes is None else math.ceil(share_bytes / MIB),
    )


def claim_template(
    claim: Claim, *, name: str, namespace: str, labels: dict[str, str], selector: dict[str, str], owner: Any
) -> dict[str, Any]:
    """The template from which every pod gets a claim of its own.

    Args:
        name: of the VLMDeployment.
        selector: labels of the claims, by which they are counted as the VLMDeployment's own.
        owner: owner reference, None for none.
    """
    metadata: dict[str, Any] = {"name": template_name(claim, name), "namespace": namespace, "labels": labels}
    if owner is not None:
        metadata["ownerReferences"] = [owner]
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "ResourceClaimTemplate",
        "metadata": metadata,
        "spec": {"metadata": {"labels": selector}, "spec": claim.spec},
    }


def template_name(claim: Claim, name: str) -> str:
    """Name of the template: the VLMDeployment's with digits that follow from what is claimed."""
    return f"{name}-{digest_of(claim.spec)[:8]}"
