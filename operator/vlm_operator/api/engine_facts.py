"""``EngineFacts``: what vLLM itself said of a model, a GPU and flags in a dry run, used by later plans.

The spec is the document that ``vlmctl dry-run --save`` writes and that the operator writes after a dry run of its own.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from vlm_operator.api.base import ApiModel, Rule
from vlm_operator.api.names import API_VERSION, GPU_PRODUCT_LABEL, MODEL_LABEL
from vlm_operator.api.object_names import model_label, object_name
from vlm_operator.api.vlm_deployment import ObjectMeta
from vlm_operator.engine_facts.document import EngineFacts as Facts
from vlm_operator.engine_facts.document import FactsSubject, to_document


class EngineFactsSpec(ApiModel):
    """What was asked, and what vLLM found."""

    model: Annotated[str, Field(min_length=1, max_length=1024)] = Field(
        description="Hugging Face id, or path, of the model."
    )
    revision: Annotated[str, Field(max_length=128)] | None = Field(
        default=None, description="Revision of the model. Absent: the main branch at the time."
    )
    gpu_product: Annotated[str, Field(min_length=1, max_length=80)] = Field(
        description=f"GPU product that was simulated, as the node label {GPU_PRODUCT_LABEL} spells it."
    )
    vllm_version: Annotated[str, Field(min_length=1, max_length=80)] = Field(
        description="vLLM release that answered, for instance 0.32.0."
    )
    image: Annotated[str, Field(max_length=1024)] | None = Field(
        default=None, description="Image that was asked. Absent: facts of the release, whatever image has it."
    )
    namespace: Annotated[str, Field(max_length=63)] | None = Field(
        default=None,
        description="Namespace whose VLMDeployments may use the facts: those of a dry run in a namespace hold there "
        "only, because its users could forge them. Absent: they hold everywhere.",
    )
    place: Annotated[str, Field(max_length=16)] | None = Field(
        default=None, description="Digest of the volumes that the model's path lies in. Absent for a Hugging Face id."
    )
    hf_overrides: Annotated[str, Field(max_length=16_384)] | None = Field(
        default=None,
        description="Fields of the model's config that were replaced (--hf-overrides), as JSON with sorted keys and no "
        "blanks. Absent: none.",
    )
    flags: dict[str, Any] = Field(
        default_factory=dict, description="Flags that were given, by vLLM's own name; the others had its defaults."
    )
    found: dict[str, Any] = Field(
        description="What vLLM found: architecture, dtype, weightsBytes, kvGroups, bytesPerBlock, requests, moments, "
        "modelFiles and more (docs/dry-run.md)."
    )

    RULES: ClassVar[tuple[Rule, ...]] = (
        Rule(
            cel="self.model == oldSelf.model",
            message="model is fixed: delete this EngineFacts and create another",
        ),
    )


class EngineFacts(ApiModel):
    """What vLLM itself found when it loaded and profiled a model without a GPU (a dry run).

    Plans use these figures in place of estimates, and for models that no rule knows. Written by the operator, or by
    vlmctl dry-run --save. Deleting one makes the operator ask vLLM again, where spec.dryRun allows it.
    """

    api_version: Literal["vlm-operator.dev/v1alpha1"] = API_VERSION
    kind: Literal["EngineFacts"] = "EngineFacts"
    metadata: ObjectMeta
    spec: EngineFactsSpec


def facts_name(subject: FactsSubject) -> str:
    """The name of the object that holds the facts of a subject."""
    return object_name(subject.model, subject.identity)


def manifest_of(facts: Facts) -> dict[str, Any]:
    """The facts as an object of the API server; the same facts give the same bytes."""
    metadata = {"name": facts_name(facts.subject), "labels": {MODEL_LABEL: model_label(facts.model)}}
    document = to_document(facts)
    return {name: document[name] for name in ("apiVersion", "kind")} | {"metadata": metadata, "spec": document["spec"]}


def to_yaml(facts: Facts) -> str:
    """The object as YAML."""
    import yaml

    plain = json.loads(json.dumps(manifest_of(facts)))
    return str(yaml.dump(plain, Dumper=yaml.CSafeDumper, sort_keys=True, allow_unicode=True))
