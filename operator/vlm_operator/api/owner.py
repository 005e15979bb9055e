"""The owner reference by which children are found and removed with their VLMDeployment."""

from __future__ import annotations

from typing import Any

from vlm_operator.api.names import API_VERSION


def owner_reference(name: str, uid: str) -> dict[str, Any]:
    """The reference to the VLMDeployment of that name and UID as the controller of a child."""
    return {
        "apiVersion": API_VERSION,
        "kind": "VLMDeployment",
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
