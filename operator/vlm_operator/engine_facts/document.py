"""The ``EngineFacts`` document: what a dry run found, to be kept in Git or in a cluster, and read back.

The same run gives the same bytes: no time, no machine, sorted keys.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.settings_json import settings_from_json, settings_to_json
from vlm_operator.engine_facts.report import DryRunReport, read_report
from vlm_operator.errors import InputError
from vlm_operator.gpu.facts import GPUFacts

API_VERSION: Final = "vlm-operator.dev/v1alpha1"
KIND: Final = "EngineFacts"

_KEPT: Final = (
    "vllmVersion", "architecture", "dtype", "quantization", "settings", "weightsBytes", "kvGroups", "bytesPerBlock",
    "requests", "maxItemTokens", "items", "encoderBudgetTokens", "moments", "runner", "runnerBufferBytes", "modelFiles",
)  # fmt: skip
"""Fields of the report that are facts of vLLM, not of the run."""


@dataclass(frozen=True, slots=True)
class FactsSubject:
    """What a dry run is about: two runs of one subject find the same.

    Attributes:
        asked: the image, or the vLLM release where a Python was asked.
        settings, namespace, place, hf_overrides: as in ``EngineFacts``.
    """

    model: str
    revision: str | None
    gpu_product: str
    asked: str
    settings: EngineSettings
    namespace: str | None = None
    place: str = ""
    hf_overrides: str | None = None

    @property
    def identity(self) -> dict[str, Any]:
        """As plain data, to be digested."""
        return {
            "model": self.model,
            "revision": self.revision,
            "gpuProduct": self.gpu_product,
            "asked": self.asked,
            "flags": settings_to_json(self.settings),
            "namespace": self.namespace,
            "place": self.place,
            **({"hfOverrides": self.hf_overrides} if self.hf_overrides else {}),
        }


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What vLLM said of a model, a GPU and flags.

    Attributes:
        settings: the flags that were given, not resolved.
        image: the image that was asked, None where it was a Python.
        namespace: where the facts hold, None for everywhere: what runs in a namespace is its users' to forge.
        place: digest of the volumes that a model's path lies in, empty for a repository.
        hf_overrides: ``--hf-overrides`` that the model was loaded with, as canonical JSON.
    """

    model: str
    revision: str | None
    gpu_product: str
    vllm_version: str
    settings: EngineSettings
    report: DryRunReport
    image: str | None = None
    namespace: str | None = None
    place: str = ""
    hf_overrides: str | None = None

    @property
    def subject(self) -> FactsSubject:
        """What they are about."""
        asked = self.image or self.vllm_version
        return FactsSubject(
            self.model, self.revision, self.gpu_product, asked, self.settings, self.namespace, self.place,
            self.hf_overrides,
        )  # fmt: skip


def facts_of(
    model: str,
    revision: str | None,
    gpu: GPUFacts,
    settings: EngineSettings,
    report: DryRunReport,
    *,
    image: str | None = None,
    namespace: str | None = None,
    place: str = "",
    hf_overrides: str | None = None,
) -> EngineFacts:
    """The facts of a run that went to its end.

    Raises:
        InputError: it did not.
    """
    if report.error is not None or report.vllm_version is None:
        raise InputError("dry run: it did not end, so that it has no facts", field="report")
    return EngineFacts(
        model, revision, gpu.label, report.vllm_version, settings, report, image, namespace, place, hf_overrides
    )  # fmt: skip


def to_document(facts: EngineFacts) -> dict[str, Any]:
    """The document as plain data."""
    found = facts.report.document
    spec = {
        "model": facts.model,
        "revision": facts.revision,
        "gpuProduct": facts.gpu_product,
        "vllmVersion": facts.vllm_version,
        "image": facts.image,
        "namespace": facts.namespace,
        "place": facts.place or None,
        "hfOverrides": facts.hf_overrides,
        "flags": settings_to_json(facts.settings),
        "found": {name: _storable(found[name]) for name in _KEPT if found.get(name) is not None}
        | {"unmodelledOperations": dict(sorted(facts.report.unmodelled.items()))},
    }
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "spec": {name: value for name, value in spec.items() if value is not None},
    }


def _storable(value: Any) -> Any:
    """As JSON has it: what Python alone calls a number, as Transformers writes it (``{"__float__": "Infinity"}``)."""
    if isinstance(value, Mapping):
        return {name: _storable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_storable(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return {"__float__": "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}
    return value


def from_document(document: Any) -> EngineFacts:
    """The facts that a document holds.

    Raises:
        InputError: it is none, or a field is missing; the field is named.
    """
    if not isinstance(document, Mapping) or document.get("kind") != KIND:
        raise InputError("facts: the document is no EngineFacts", field="facts", hint="vlmctl dry-run … --save FILE")
    try:
        spec = document["spec"]
        found = dict(spec["found"])
        unmodelled = found.pop("unmodelledOperations", None) or {}
        report = read_report({**found, "simulated": {"unmodelledOperations": unmodelled}})
        settings = settings_from_json(spec["flags"])
        return EngineFacts(
            str(spec["model"]),
            spec.get("revision"),
            str(spec["gpuProduct"]),
            str(spec["vllmVersion"]),
            settings,
            report,
            spec.get("image"),
            spec.get("namespace"),
            str(spec.get("place") or ""),
            spec.get("hfOverrides"),
        )
    except (KeyError, TypeError) as error:
        raise InputError(f"facts: {type(error).__name__}: {error}", field="facts") from error
