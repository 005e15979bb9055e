"""How the pods of a group (``spec.gpu.share``) come onto the same GPU: one ResourceClaim, or one node with one GPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vlm_operator.api.names import API_VERSION, FIELD_MANAGER, SHARE_LABEL
from vlm_operator.api.object_names import digest_of
from vlm_operator.rendering.claim import Claim


@dataclass(frozen=True, slots=True)
class SharedGPU:
    """The group that a server belongs to.

    Attributes:
        group: ``spec.gpu.share.group``.
        node_labels: beside the product's, of nodes that have one GPU only; empty where the GPU is claimed.
        members: name and UID of every VLMDeployment of the group; the claim goes when the last of them does.
    """

    group: str
    node_labels: Mapping[str, str] = field(default_factory=dict)
    members: tuple[tuple[str, str], ...] = ()

    @property
    def affinity(self) -> dict[str, Any]:
        """Keeps the group on one node. The first pod meets its own term: the scheduler lets it pass."""
        term = {"labelSelector": {"matchLabels": {SHARE_LABEL: self.group}}, "topologyKey": "kubernetes.io/hostname"}
        return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def shared_claim(claim: Claim, share: SharedGPU, namespace: str) -> dict[str, Any]:
    """The ResourceClaim that all pods of the group refer to."""
    metadata: dict[str, Any] = {
        "name": shared_claim_name(claim, share),
        "namespace": namespace,
        "labels": {"app.kubernetes.io/managed-by": FIELD_MANAGER, SHARE_LABEL: share.group},
    }
    if share.members:
        metadata["ownerReferences"] = [
            {"apiVersion": API_VERSION, "kind": "VLMDeployment", "name": name, "uid": uid}
            for name, uid in sorted(share.members)
        ]
    return {"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaim", "metadata": metadata, "spec": claim.spec}


def shared_claim_name(claim: Claim, share: SharedGPU) -> str:
    """The group's name with digits that follow from what is claimed: a claim's spec cannot be changed."""
    return f"{share.group}-{digest_of(claim.spec)[:8]}"
