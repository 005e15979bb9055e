"""VLMDeployments that the simulated nodes have records of."""

from __future__ import annotations

from typing import Any

SERVES: dict[str, Any] = {
    "model": {"id": "Qwen/Qwen3-VL-8B-Instruct"},
    "gpu": {"product": "NVIDIA-GeForce-RTX-5090", "count": 1},
    "engine": {
        "image": "vllm/vllm-openai:v0.11.0",
        "gpuMemoryUtilization": 0.9,
        "contextLength": 16384,
        "limitMMPerPrompt": {"image": 2, "video": 0},
    },
}
"""Fits by plan and by record, at the first start-up."""


def vlmd(name: str, namespace: str, **changes: Any) -> dict[str, Any]:
    """A VLMDeployment that serves at once, but for what is changed; a change to None removes the field."""
    spec = {key: value for key, value in (SERVES | changes).items() if value is not None}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "vlm-operator.dev/v1alpha1", "kind": "VLMDeployment", "metadata": metadata, "spec": spec}


def engine(**changes: Any) -> dict[str, Any]:
    """The engine of ``SERVES`` with other flags."""
    return {**SERVES["engine"], **changes}


def condition(item: dict[str, Any], kind: str) -> dict[str, Any]:
    """A condition of a VLMDeployment; empty while it is not there."""
    conditions = (item.get("status") or {}).get("conditions") or ()
    return next((condition for condition in conditions if condition["type"] == kind), {})
