"""What a dry run is about: the model as the server will find it, on one GPU product, with flags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from vlm_operator.api.engine_facts import facts_name
from vlm_operator.api.intent import hf_overrides_of
from vlm_operator.api.object_names import digest_of
from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.engine.hf_overrides import as_text
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.engine_facts import request_document
from vlm_operator.engine_facts.document import FactsSubject
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.planning.asked_plan import CONTEXTS
from vlm_operator.rendering import server_image


@dataclass(frozen=True, slots=True)
class DryRunSubject:
    """One dry run that may be made.

    Attributes:
        facts: what it is about.
        gpu: the GPU that is simulated.
        question: the program's request.
    """

    facts: FactsSubject
    gpu: GPUFacts
    question: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Of the ``EngineFacts`` that answer it."""
        return facts_name(self.facts)

    @property
    def digest(self) -> str:
        """Of what is asked: 16 hexadecimal digits."""
        return digest_of([self.facts.identity, self.question])


def subject_of(
    spec: VLMDeploymentSpec, namespace: str, gpu: GPUFacts, settings: EngineSettings, version: EngineVersion
) -> DryRunSubject:
    """The dry run of a spec's model with these flags.

    Args:
        version: for the default image.

    Raises:
        UnknownFact: the GPU's compute capability is not known.
    """
    facts = FactsSubject(
        model=spec.model.source,
        revision=spec.model.revision,
        gpu_product=gpu.label,
        asked=server_image(spec, version),
        settings=settings,
        namespace=namespace,
        place=place_of(spec),
        hf_overrides=as_text(hf_overrides_of(spec)),
    )
    return DryRunSubject(facts, gpu, _question(spec, gpu, settings))


def place_of(spec: VLMDeploymentSpec) -> str:
    """Digest of the volumes that a path lies in: the same path of another volume is another model. Empty for an id."""
    if spec.model.path is None:
        return ""
    pod: Mapping[str, Any] = (spec.pod_template or {}).get("spec") or {}
    containers = pod.get("containers") or ()
    mounts = [each.get("volumeMounts") for each in containers if isinstance(each, Mapping)]
    cache = spec.model_cache
    return digest_of([pod.get("volumes"), mounts, (cache.claim or cache.host_path) if cache else None])


def _question(spec: VLMDeploymentSpec, gpu: GPUFacts, settings: EngineSettings) -> dict[str, Any]:
    context, images = spec.context, spec.workload.images if spec.workload else None
    bounds = [bound for bound in (context.minimum, context.maximum) if bound] if context else []
    items = [{"modality": "image", "width": images.width, "height": images.height}] if images else []
    question = request_document(
        spec.model.path or "",
        gpu,
        settings,
        contexts=(*CONTEXTS, *map(int, bounds)),
        items=items,
        hf_overrides=hf_overrides_of(spec),
    )
    if spec.model.id is not None:
        del question["model"]
        question["repository"], question["revision"] = spec.model.id, spec.model.revision
    return question
