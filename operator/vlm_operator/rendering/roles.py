"""One role of a model whose encoder, prefill and decode stand apart: its pod and its Service.

Roles find one another through whoever routes requests (llm-d's coordinator, for instance): it sends items to an
encoder, and their addresses with the request to a language role.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from vlm_operator.api.names import GROUP
from vlm_operator.engine.encoder_transfer import ENCODER_HOST_VARIABLE, ENCODER_PORT, ENCODER_PORT_VARIABLE
from vlm_operator.rendering.pod_template import CONTAINER
from vlm_operator.rendering.server import ServerRequest, one_node_objects
from vlm_operator.units import MIB

ROLE_LABEL: Final = f"{GROUP}/role"
"""On pods and Services of a role: ``encode``, ``prefill`` or ``decode``."""

FIGURES: Final = f"figures.{GROUP}"
"""Prefix of annotations that say where a figure comes from."""


@dataclass(frozen=True, slots=True)
class RolePod:
    """What one role runs.

    Attributes:
        role: ``encode``, ``prefill`` or ``decode``.
        request: the server, its flags complete.
        shared_memory_bytes: size of /dev/shm.
        address_variables: variables that hold the pod's own address, at which other roles reach it.
        figures: where its figures come from, by name.
    """

    role: str
    request: ServerRequest
    shared_memory_bytes: int
    address_variables: tuple[str, ...] = ()
    figures: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Of the role's own objects."""
        return f"{self.request.name}-{self.role}"


def role_objects(pod: RolePod) -> tuple[dict[str, Any], dict[str, Any]]:
    """Deployment and Service of the role alone, named after it.

    Raises:
        PodTemplateClash, InputError: as ``rendering.render``.
    """
    deployment, service = (copy.deepcopy(each) for each in one_node_objects(replace(pod.request, uid=None)))
    labels = {ROLE_LABEL: pod.role}
    for each in (deployment, service):
        each["metadata"]["name"] = pod.name
        each["metadata"]["labels"] |= labels
    figures = {f"{FIGURES}/{name}": text for name, text in pod.figures.items()}
    deployment["metadata"]["annotations"] |= figures
    deployment["spec"]["selector"]["matchLabels"] |= labels
    service["spec"]["selector"] |= labels
    template = deployment["spec"]["template"]
    template["metadata"]["labels"] |= labels
    template["metadata"]["annotations"] |= figures
    for spread in template["spec"].get("topologySpreadConstraints", ()):
        spread["labelSelector"]["matchLabels"] |= labels
    for volume in template["spec"]["volumes"]:
        if volume["name"] == "dshm":
            volume["emptyDir"]["sizeLimit"] = f"{math.ceil(pod.shared_memory_bytes / MIB)}Mi"
    (server,) = (each for each in template["spec"]["containers"] if each["name"] == CONTAINER)
    address = {"fieldRef": {"fieldPath": "status.podIP"}}
    server["env"] += [{"name": name, "valueFrom": address} for name in pod.address_variables]
    if ENCODER_HOST_VARIABLE in pod.address_variables:
        server["env"].append({"name": ENCODER_PORT_VARIABLE, "value": str(ENCODER_PORT)})
        server["ports"].append({"name": "encodings", "containerPort": ENCODER_PORT, "protocol": "TCP"})
    return deployment, service
