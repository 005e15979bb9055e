"""Roles apart as one object: a DisaggregatedSet of the LeaderWorkerSet project, or KServe's LLMInferenceService.

A DisaggregatedSet (``disaggregatedset.x-k8s.io/v1``) makes a LeaderWorkerSet for each role. KServe (v1alpha2) knows
prefill and decode, so the encoder is a Deployment beside its LLMInferenceService.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.rendering.kserve import llm_inference_service, main_container
from vlm_operator.rendering.roles import ROLE_LABEL, RolePod, role_objects
from vlm_operator.rendering.server import ServerRequest, claim_objects

APART: Final = "roles are pods that may stand on several nodes"
"""Why a model cache must be one that several nodes mount."""


def disaggregated_set(roles: Sequence[RolePod]) -> tuple[dict[str, Any], ...]:
    """The objects, in the order of application: what pods claim, DisaggregatedSet, a Service for each role.

    Raises:
        PodTemplateClash, InputError: as ``rendering.render``.
    """
    made = [(role, *role_objects(role)) for role in roles]
    request = roles[0].request
    labels = {name: value for name, value in made[0][1]["metadata"]["labels"].items() if name != ROLE_LABEL}
    entries = []
    for role, deployment, _ in made:
        group = {
            "size": 1,
            "restartPolicy": "RecreateGroupOnPodRestart",
            "workerTemplate": deployment["spec"]["template"],
        }
        replicas = {} if request.replicas is None else {"replicas": request.replicas}
        entries.append({"name": role.role, "spec": {**replicas, "leaderWorkerTemplate": group}})
    kind = {"apiVersion": "disaggregatedset.x-k8s.io/v1", "kind": "DisaggregatedSet"}
    metadata = {"name": request.name, "namespace": request.namespace, "labels": labels}
    services = (service for *_, service in made)
    return (
        *_claims(*(role.request for role in roles)),
        {**kind, "metadata": metadata, "spec": {"roles": entries}},
        *services,
    )


def inference_service_of_roles(roles: Sequence[RolePod], settings: EngineSettings) -> tuple[dict[str, Any], ...]:
    """The objects, in the order of application: what pods claim, LLMInferenceService of the language roles, the
    encoder's own.

    Args:
        settings: flags of the language roles.

    Raises:
        PodTemplateClash, InputError: as ``rendering.render``, or as ``llm_inference_service``.
    """
    by_role = {role.role: role for role in roles}
    decode = by_role["decode"]
    *_, service = llm_inference_service(decode.request, settings)
    spec = service["spec"]
    template = role_objects(decode)[0]["spec"]["template"]
    spec["labels"], spec["annotations"] = template["metadata"]["labels"], template["metadata"]["annotations"]
    spec["template"] = main_container(template["spec"])
    if "prefill" in by_role:
        template = role_objects(by_role["prefill"])[0]["spec"]["template"]
        spec["prefill"] = {
            **({} if decode.request.replicas is None else {"replicas": decode.request.replicas}),
            "parallelism": spec["parallelism"],
            "labels": template["metadata"]["labels"],
            "annotations": template["metadata"]["annotations"],
            "template": main_container(template["spec"]),
        }
    return *_claims(decode.request, *(role.request for role in roles)), service, *role_objects(by_role["encode"])


def _claims(*requests: ServerRequest) -> tuple[dict[str, Any], ...]:
    """What pods of the roles claim, each object once."""
    found: dict[str, dict[str, Any]] = {}
    for request in requests:
        for each in claim_objects(request, APART):
            found.setdefault(each["metadata"]["name"], each)
    return tuple(found.values())
