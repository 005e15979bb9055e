"""An InferencePool (``inference.networking.k8s.io/v1``) of the replicas, and the HTTPRoute that leads to it.

The endpoint picker is a deployment of its own (the chart of the Gateway API inference extension brings one). Where it
does not answer, the gateway takes any replica.
"""

from __future__ import annotations

from typing import Any, Final

from vlm_operator.errors import InputError
from vlm_operator.rendering.companions.subject import Subject
from vlm_operator.rendering.server import PORT

PICKER_PORT: Final = 9002
"""Port of the endpoint picker's external processing service."""


def inference_pool(subject: Subject) -> tuple[dict[str, Any], ...]:
    """The objects, in the order of application: InferencePool, HTTPRoute.

    Raises:
        InputError: KServe makes its own.
    """
    if subject.kind == "LLMInferenceService":
        raise InputError(
            "with: KServe makes the InferencePool and the route of an LLMInferenceService itself",
            field="with",
            hint="leave inferencepool out and set spec.router",
        )
    options = subject.options
    pool = {
        "apiVersion": "inference.networking.k8s.io/v1",
        "kind": "InferencePool",
        "metadata": subject.metadata(),
        "spec": {
            "selector": {"matchLabels": dict(subject.pods)},
            "targetPorts": [{"number": PORT}],
            "endpointPickerRef": {
                "name": options.picker or f"{subject.name}-epp",
                "port": {"number": PICKER_PORT},
                "failureMode": "FailOpen",
            },
        },
    }
    namespace, _, gateway = options.gateway.rpartition("/")
    parent = {"name": gateway, **({"namespace": namespace} if namespace else {})}
    backend = {"group": "inference.networking.k8s.io", "kind": "InferencePool", "name": subject.name}
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": subject.metadata(),
        "spec": {
            "parentRefs": [parent],
            "rules": [
                {
                    "matches": [{"path": {"type": "PathPrefix", "value": "/"}}],
                    "backendRefs": [backend],
                }
            ],
        },
    }
    return pool, route
