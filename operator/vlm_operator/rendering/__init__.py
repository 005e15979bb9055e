"""From a plan to manifests: Deployment, Service and what else a model server needs.

Belongs here: templates and the strategic merge of ``podTemplate``. Does not: applying them (``controller``).
Called by ``lifecycle`` and ``vlmctl render``: the same bytes.
"""

from vlm_operator.rendering.manifest_yaml import to_yaml
from vlm_operator.rendering.pod_policy import PodTemplatePolicy, check_pod_template
from vlm_operator.rendering.pod_template import CONTAINER, PodTemplateClash
from vlm_operator.rendering.server import (
    ServerRequest,
    render,
    server_arguments,
    server_image,
    server_request,
    server_resources,
)

__all__ = [
    "CONTAINER",
    "PodTemplateClash",
    "PodTemplatePolicy",
    "ServerRequest",
    "check_pod_template",
    "render",
    "server_arguments",
    "server_image",
    "server_request",
    "server_resources",
    "to_yaml",
]
