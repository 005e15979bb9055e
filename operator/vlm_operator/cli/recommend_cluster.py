"""A server and its traffic from a cluster: the VLMDeployment, its status, and its pods' ``/metrics``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vlm_operator.api.base import parse
from vlm_operator.api.intent import engine_version, intent_of
from vlm_operator.api.names import DEPLOYMENT_LABEL
from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.cli.audit_cluster import Api, connect
from vlm_operator.cli.cluster import list_objects
from vlm_operator.cli.pod_log import namespace_of
from vlm_operator.engine.settings_json import settings_from_json
from vlm_operator.errors import InputError
from vlm_operator.gpu.resources import GPU_RESOURCE
from vlm_operator.lifecycle.observations import evidence_of, key_of
from vlm_operator.lifecycle.offers import find_product
from vlm_operator.lifecycle.recommendation import Serving, remembered
from vlm_operator.planning.choose import plan
from vlm_operator.planning.cpu import cpu_plan
from vlm_operator.planning.gpu_choice import GPUOffer
from vlm_operator.planning.seen_traffic import SeenTraffic
from vlm_operator.rendering import PORT
from vlm_operator.sources import load_model

OBJECTS: Final = "/apis/vlm-operator.dev/v1alpha1"


def from_cluster(
    name: str, namespace: str | None, context: str | None, *, offline: bool
) -> tuple[Serving, SeenTraffic]:
    """The server as the status has it, and what its pods' metrics say now.

    Raises:
        InputError: no such VLMDeployment, or it has no plan in force.
        ClusterUnreachable: the API server does not answer, or a right is missing.
    """
    from kubernetes import client, config

    api = Api(client.ApiClient(connect(context)))
    where = namespace or namespace_of(config, context)
    found = next(
        (
            item
            for item in api.listed(f"namespaces/{where}/vlmdeployments", OBJECTS)
            if item["metadata"]["name"] == name
        ),
        None,
    )
    if found is None:
        raise InputError(
            f"name: no VLMDeployment {name!r} in namespace {where!r}",
            field="name",
            hint=f"kubectl get vlmd -n {where} lists them",
        )
    server = _server(found, context, offline=offline)
    return server, _seen(api, found, where, server)


def _server(item: Mapping[str, Any], context: str | None, *, offline: bool) -> Serving:
    spec, status = parse(VLMDeploymentSpec, item["spec"], where="spec"), item.get("status") or {}
    made: Mapping[str, Any] = status.get("plan") or {}
    if not made.get("settings"):
        raise InputError(
            f"name: {item['metadata']['name']} has no plan in force",
            field="name",
            hint="its conditions say why: kubectl describe vlmd",
        )
    version = engine_version(spec)
    model = load_model(spec.model.source, revision=spec.model.revision, offline=offline)
    offer: GPUOffer | None = None
    if spec.cpu is None:
        gpu = made.get("gpu") or {}
        available = intent_of(spec, version).gpus_available
        stated = spec.gpu.platform if spec.gpu else None
        offer = find_product(gpu["product"], gpu.get("resource") or GPU_RESOURCE, available, stated, spec=spec.gpu)
    observations = list_objects("vlm-operator.dev", "v1alpha1", "startupobservations", context)
    evidence = evidence_of(observations, key_of(spec, version, offer))
    return Serving(
        item["spec"],
        version,
        settings_from_json(made["settings"]),
        (lambda intent: cpu_plan(model, intent, evidence))
        if offer is None
        else (lambda intent: plan(model, offer.gpu, offer.asked(intent), evidence)),
        int((status.get("requests") or {}).get("contextForMost") or 0),
    )


def _seen(api: Api, item: Mapping[str, Any], namespace: str, server: Serving) -> SeenTraffic:
    """What its pods that serve have seen since they started, with the peaks that the operator has seen."""
    seen, name = SeenTraffic(), item["metadata"]["name"]
    for pod in api.listed(f"namespaces/{namespace}/pods"):
        labels = pod["metadata"].get("labels") or {}
        ready = any(
            each["type"] == "Ready" and each["status"] == "True" for each in pod["status"].get("conditions", ())
        )
        if labels.get(DEPLOYMENT_LABEL) != name or not ready:
            continue
        page = api.metrics((namespace, pod["metadata"]["name"]), PORT)
        if page is not None:
            seen = seen.after(page, None, server.settings.max_model_len)
    return remembered(seen, item.get("status") or {})
