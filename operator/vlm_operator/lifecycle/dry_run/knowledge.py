"""Which ``EngineFacts`` bear on a VLMDeployment, and what they hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from vlm_operator.api.intent import hf_overrides_of
from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.engine.hf_overrides import as_text
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import DEFAULT, EngineVersion
from vlm_operator.engine_facts.document import EngineFacts, from_document
from vlm_operator.errors import InputError
from vlm_operator.lifecycle.dry_run.subject import DryRunSubject, place_of
from vlm_operator.lifecycle.situation import Manifest
from vlm_operator.planning.intent import Intent
from vlm_operator.rendering import server_image


def bearing(manifests: Iterable[Manifest], spec: VLMDeploymentSpec, namespace: str) -> tuple[Manifest, ...]:
    """The objects about this model that hold in this namespace, by name.

    Facts without a namespace were applied by somebody who may write cluster-scoped objects; those with one were found
    by a Job there, and are taken for the same image and the same volumes only.
    """
    found = [item for item in manifests if _bears(item.get("spec") or {}, spec, namespace)]
    return tuple(sorted(found, key=lambda item: str(item["metadata"]["name"])))


LIMIT: Final = 200
"""Facts found by dry runs of the cluster that are kept; those that somebody applied are not counted."""


def superfluous_facts(known: Iterable[Manifest]) -> tuple[str, ...]:
    """Names of the oldest facts beyond ``LIMIT``: vLLM is asked again where they are needed."""
    found = [item for item in known if item["spec"].get("namespace")]
    found.sort(key=lambda item: (item["metadata"].get("creationTimestamp") or "", item["metadata"]["name"]))
    return tuple(item["metadata"]["name"] for item in found[: max(len(found) - LIMIT, 0)])


def _bears(facts: Mapping[str, Any], spec: VLMDeploymentSpec, namespace: str) -> bool:
    if (facts.get("model"), facts.get("revision")) != (spec.model.source, spec.model.revision):
        return False
    if facts.get("hfOverrides") != as_text(hf_overrides_of(spec)):
        return False
    if facts.get("image") not in (None, server_image(spec, DEFAULT)):
        return False
    if facts.get("namespace") is None:
        return True
    return bool(facts["namespace"] == namespace and (facts.get("place") or "") == place_of(spec))


def read_facts(manifests: Iterable[Manifest]) -> tuple[EngineFacts, ...]:
    """The facts of objects that can be read; others are asked for anew."""
    found = []
    for item in manifests:
        try:
            found.append(from_document(item))
        except InputError:
            continue
    return tuple(found)


def model_files(manifests: Iterable[Manifest]) -> Mapping[str, Any] | None:
    """The model's config and processor files that the first of the objects holds, None where none holds a config."""
    for item in manifests:
        files = ((item.get("spec") or {}).get("found") or {}).get("modelFiles")
        if isinstance(files, Mapping) and isinstance(files.get("config.json"), Mapping):
            return files
    return None


def told_version(facts: Iterable[EngineFacts]) -> EngineVersion | None:
    """The vLLM release that an image turned out to hold, None where no dry run of it tells."""
    for each in facts:
        if each.image is not None:
            try:
                return EngineVersion.parse(each.vllm_version)
            except InputError:
                continue
    return None


def about(
    facts: Iterable[EngineFacts], subject: DryRunSubject, intent: Intent, *, exactly: bool = False
) -> EngineFacts | None:
    """The facts that answer a question: those of its own dry run, else those that somebody applied for everybody.

    Args:
        exactly: only facts of these very flags, not of others that respect what is pinned.
    """
    known = tuple(facts)
    own = next((each for each in known if each.subject == subject.facts), None)
    if own is not None:
        return own
    return next((each for each in known if _applied_for(each, subject, intent, exactly=exactly)), None)


def _applied_for(facts: EngineFacts, subject: DryRunSubject, intent: Intent, *, exactly: bool) -> bool:
    if facts.namespace is not None or facts.gpu_product != subject.facts.gpu_product:
        return False
    if facts.image is None and EngineVersion.parse(facts.vllm_version) != intent.version:
        return False
    wanted = subject.facts.settings
    return facts.settings == wanted if exactly else _respects(facts.settings, wanted, intent)


def _respects(theirs: EngineSettings, wanted: EngineSettings, intent: Intent) -> bool:
    """True where the flags are the pinned ones, on as many GPUs."""
    names = intent.pinned | {"tensor_parallel_size", "pipeline_parallel_size", "data_parallel_size"}
    if any(getattr(theirs, name) != getattr(wanted, name) for name in names):
        return False
    return intent.maximum_context is None or (theirs.max_model_len or intent.maximum_context) <= intent.maximum_context
