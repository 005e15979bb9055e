"""Build CRDs from pydantic's JSON schema, made structural, with printer columns and subresources.

Kubernetes takes a subset of OpenAPI v3 (*structural schema*): no references, no ``null`` alternatives, no
``additionalProperties: false``. CEL rules come along from ``base.Rule``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from vlm_operator.api.base import ApiModel
from vlm_operator.api.engine_facts import EngineFacts
from vlm_operator.api.gpu_fit_report import GPUFitReport
from vlm_operator.api.gpu_node import GPUNode
from vlm_operator.api.names import GROUP, VERSION
from vlm_operator.api.startup_observation import StartupObservation
from vlm_operator.api.vlm_deployment import VLMDeployment

_READY: Final = '.status.conditions[?(@.type=="Ready")]'

VLM_DEPLOYMENT_COLUMNS: Final[tuple[dict[str, Any], ...]] = (
    {"name": "Model", "type": "string", "jsonPath": ".spec.model['id','path']"},
    {"name": "GPU", "type": "string", "jsonPath": ".status.gpu"},
    {"name": "Context", "type": "integer", "jsonPath": ".status.contextLength"},
    {"name": "KV Tokens", "type": "integer", "jsonPath": ".status.kvTokens"},
    {"name": "Ready", "type": "string", "jsonPath": f"{_READY}.status"},
    {"name": "Reason", "type": "string", "jsonPath": f"{_READY}.reason"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    {"name": "Attempts", "type": "integer", "priority": 1, "jsonPath": ".status.attemptsMade"},
    {"name": "Message", "type": "string", "priority": 1, "jsonPath": f"{_READY}.message"},
)
"""Answer "does it fit, and why not?" at one glance."""

STARTUP_OBSERVATION_COLUMNS: Final[tuple[dict[str, Any], ...]] = (
    {"name": "Model", "type": "string", "jsonPath": ".spec.key.model"},
    {"name": "GPU", "type": "string", "jsonPath": ".spec.key.gpuProduct"},
    {"name": "vLLM", "type": "string", "jsonPath": ".spec.key.vllmVersion"},
    {"name": "Outcome", "type": "string", "jsonPath": ".spec.outcome"},
    {"name": "KV Tokens", "type": "integer", "jsonPath": ".spec.measured.kvTokens"},
    {"name": "Started", "type": "integer", "jsonPath": ".spec.started"},
    {"name": "Failed", "type": "integer", "jsonPath": ".spec.failed"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    {"name": "Reason", "type": "string", "priority": 1, "jsonPath": ".spec.reason"},
)

ENGINE_FACTS_COLUMNS: Final[tuple[dict[str, Any], ...]] = (
    {"name": "Model", "type": "string", "jsonPath": ".spec.model"},
    {"name": "GPU", "type": "string", "jsonPath": ".spec.gpuProduct"},
    {"name": "vLLM", "type": "string", "jsonPath": ".spec.vllmVersion"},
    {"name": "Architecture", "type": "string", "jsonPath": ".spec.found.architecture"},
    {"name": "For", "type": "string", "jsonPath": ".spec.namespace"},
    {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
)

SCALE_PATHS: Final = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}
"""Where ``kubectl scale`` and autoscalers find the number of replicas and the pods that they measure."""

GPU_FIT_REPORT_COLUMNS: Final[tuple[dict[str, Any], ...]] = (
    {"name": "Servers", "type": "integer", "jsonPath": ".spec.summary.servers"},
    {"name": "Errors", "type": "integer", "jsonPath": ".spec.summary.findings.error"},
    {"name": "Warnings", "type": "integer", "jsonPath": ".spec.summary.findings.warning"},
    {"name": "Nodes", "type": "integer", "jsonPath": ".spec.summary.nodes"},
    {"name": "Audited", "type": "date", "jsonPath": ".spec.auditedAt"},
    {"name": "Worst", "type": "string", "priority": 1, "jsonPath": ".spec.findings[0].message"},
)

GPU_NODE_COLUMNS: Final[tuple[dict[str, Any], ...]] = (
    {"name": "Product", "type": "string", "jsonPath": ".status.gpus[0].product"},
    {"name": "Total", "type": "integer", "jsonPath": ".status.gpus[0].totalBytes"},
    {"name": "Free", "type": "integer", "jsonPath": ".status.gpus[0].freeBytes"},
    {"name": "Driver", "type": "string", "jsonPath": ".status.driverVersion"},
    {"name": "Observed", "type": "date", "jsonPath": ".status.observedAt"},
)
"""Of the first GPU; ``vlmctl gpus --cluster`` shows all."""

_STANDARD_FIELDS: Final = {
    "apiVersion": "Version of this API: vlm-operator.dev/v1alpha1.",
    "kind": "Kind of the object.",
}


def vlm_deployment_crd() -> dict[str, Any]:
    """The CustomResourceDefinition of ``VLMDeployment``."""
    return _crd(
        VLMDeployment,
        plural="vlmdeployments",
        short_names=("vlmd",),
        scope="Namespaced",
        columns=VLM_DEPLOYMENT_COLUMNS,
        subresources={"status": {}, "scale": dict(SCALE_PATHS)},
    )


def startup_observation_crd() -> dict[str, Any]:
    """The CustomResourceDefinition of ``StartupObservation``."""
    return _crd(
        StartupObservation,
        plural="startupobservations",
        short_names=("vlmobs",),
        scope="Cluster",
        columns=STARTUP_OBSERVATION_COLUMNS,
    )


def engine_facts_crd() -> dict[str, Any]:
    """The CustomResourceDefinition of ``EngineFacts``."""
    return _crd(
        EngineFacts,
        plural="enginefacts",
        short_names=("vlmfacts",),
        scope="Cluster",
        columns=ENGINE_FACTS_COLUMNS,
    )


def gpu_fit_report_crd() -> dict[str, Any]:
    """The CustomResourceDefinition of ``GPUFitReport``."""
    return _crd(
        GPUFitReport,
        plural="gpufitreports",
        short_names=("gpufit",),
        scope="Cluster",
        columns=GPU_FIT_REPORT_COLUMNS,
    )


def gpu_node_crd() -> dict[str, Any]:
    """The CustomResourceDefinition of ``GPUNode``."""
    return _crd(
        GPUNode,
        plural="gpunodes",
        short_names=("gpun",),
        scope="Cluster",
        columns=GPU_NODE_COLUMNS,
        subresources={"status": {}},
        required=(),
    )


def all_crds() -> tuple[dict[str, Any], ...]:
    """Every CustomResourceDefinition of the project."""
    return vlm_deployment_crd(), startup_observation_crd(), engine_facts_crd(), gpu_fit_report_crd(), gpu_node_crd()


def _crd(
    model: type[ApiModel],
    *,
    plural: str,
    short_names: tuple[str, ...],
    scope: str,
    columns: tuple[dict[str, Any], ...],
    subresources: Mapping[str, Any] | None = None,
    required: tuple[str, ...] = ("spec",),
) -> dict[str, Any]:
    kind = model.__name__
    schema = structural(model)
    for name, description in _STANDARD_FIELDS.items():
        schema["properties"][name] = {"type": "string", "description": description}
    schema["properties"]["metadata"] = {"type": "object"}
    if required:
        schema["required"] = list(required)
    else:
        schema.pop("required", None)
    version: dict[str, Any] = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "additionalPrinterColumns": [dict(column) for column in columns],
        "schema": {"openAPIV3Schema": schema},
    }
    if subresources:
        version["subresources"] = dict(subresources)
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": kind,
                "listKind": f"{kind}List",
                "plural": plural,
                "singular": kind.lower(),
                "shortNames": list(short_names),
                "categories": ["vlm"],
            },
            "scope": scope,
            "versions": [version],
        },
    }


def structural(model: type[ApiModel]) -> dict[str, Any]:
    """The model's schema as Kubernetes takes it.

    >>> from vlm_operator.api.vlm_deployment import ContextSpec
    >>> structural(ContextSpec)["properties"]["minimum"]["format"]
    'int64'
    """
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _structural(schema, schema.get("$defs", {}))


_KEPT: Final = (
    "description",
    "type",
    "format",
    "pattern",
    "enum",
    "default",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "maxProperties",
    "required",
)
"""Keywords that mean the same in JSON Schema and in a structural schema, in the order they are written."""


def _structural(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    flat = _without_references(schema, definitions)
    result = {key: flat[key] for key in _KEPT if flat.get(key) not in (None, [])}
    if "const" in flat:
        result["enum"] = [flat["const"]]
    for bound, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if exclusive in flat:  # a number in JSON Schema, a flag beside the bound in OpenAPI v3.0
            result |= {bound: flat[exclusive], exclusive: True}
    if flat.get("x-kubernetes-int-or-string"):
        del result["type"]
        result["x-kubernetes-int-or-string"] = True
    elif flat["type"] == "integer":
        result["format"] = "int64"
    elif flat["type"] == "object":
        result |= _contents(flat, definitions)
    elif flat["type"] == "array":
        result["items"] = _structural(flat["items"], definitions)
        result["x-kubernetes-list-type"] = flat.get("x-kubernetes-list-type", "atomic")
    for key in ("x-kubernetes-list-map-keys", "x-kubernetes-validations"):
        if key in flat:
            result[key] = flat[key]
    return result


def _contents(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    # An object has named fields, or values of one type under any key, or is kept as it comes.
    if "properties" in schema:
        fields = schema["properties"]
        return {"properties": {name: _structural(field, definitions) for name, field in fields.items()}}
    values = schema.get("additionalProperties")
    if isinstance(values, Mapping):
        return {"additionalProperties": _structural(values, definitions)}
    return {"x-kubernetes-preserve-unknown-fields": True}


def _without_references(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    flat = dict(schema)
    while True:
        if "$ref" in flat:
            target = definitions[flat.pop("$ref").rpartition("/")[2]]
            flat = {**target, **flat}
        elif "anyOf" in flat:
            choices = [choice for choice in flat.pop("anyOf") if choice.get("type") != "null"]
            if len(choices) != 1:
                raise TypeError(f"a structural schema has no alternatives, but this field does: {schema}")
            flat = {**choices[0], **flat}
        else:
            return flat
