"""What earlier start-ups measured: ``StartupObservation`` objects to evidence, and one start-up to an object.

One object per model and revision, GPU, vLLM release and the flags that move memory, utilisation included, for a filled
and for an empty compile cache: only then are two measured KV caches comparable. Contradicting measurements are both
kept, as lowest and highest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from vlm_operator.api.names import API_VERSION, MODEL_LABEL
from vlm_operator.api.object_names import model_label, object_name
from vlm_operator.api.vlm_deployment import VLMDeploymentSpec
from vlm_operator.engine.flag import Memory
from vlm_operator.engine.flags import DEFAULTS, uncounted
from vlm_operator.engine.hf_overrides import is_hf_overrides
from vlm_operator.engine.log_wordings.compile_cache import CompileCache
from vlm_operator.engine.settings import FLAGS, EngineSettings
from vlm_operator.engine.settings_json import settings_from_json, settings_to_json
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.gpu.resources import GPU_RESOURCE
from vlm_operator.lifecycle.conditions import timestamp
from vlm_operator.lifecycle.situation import Manifest, StartupKey
from vlm_operator.planning.evidence import NOTHING, Evidence, MeasuredContainer, MemoryShortage
from vlm_operator.planning.gpu_choice import GPUOffer
from vlm_operator.planning.log_evidence import MeasuredStartup, together
from vlm_operator.units import GIB, format_gib, parse_bytes

LIMIT: Final = 500
"""Observations kept in a cluster; beyond it the ones that were unused longest go."""

USE_IS_NEWS_AFTER: Final = timedelta(days=1)
"""A use is written down where the last one written is older: plans are made too often to write each."""

TERMS: Final = {
    "total": "total_bytes",
    "free": "free_bytes",
    "weights": "weights_bytes",
    "activationPeak": "activation_peak_bytes",
    "nonTorch": "non_torch_bytes",
    "cudaGraph": "cuda_graph_bytes",
    "kvCache": "kv_cache_bytes",
    "servingPeak": "serving_peak_bytes",
    "servingShortage": "serving_shortage_bytes",
}
"""Fields of ``spec.measured`` and of ``MeasuredStartup``."""


_WITHOUT_EFFECT: Final = {name: DEFAULTS[name] for name, flag in FLAGS.items() if flag.memory is Memory.NONE}


@dataclass(frozen=True, slots=True)
class ObservationKey:
    """What two start-ups must share for their memory to be the same."""

    model: str
    revision: str
    gpu_product: str
    gpu_resource: str
    vllm_version: str
    further_arguments: tuple[str, ...] = ()

    def matches(self, key: Mapping[str, Any]) -> bool:
        """True where an object's ``spec.key`` is about the same model, GPU and release, whatever its flags."""
        return (
            key.get("model") == self.model
            and (key.get("revision") or "") == self.revision
            and key.get("gpuProduct") == self.gpu_product
            and (key.get("gpuResource") or GPU_RESOURCE) == self.gpu_resource
            and key.get("vllmVersion") == self.vllm_version
            and tuple(key.get("furtherArguments") or ()) == self.further_arguments
        )

    def to_json(self, settings: EngineSettings, compile_cache: CompileCache | None = None) -> dict[str, Any]:
        """As ``spec.key``; flags that do not move what vLLM finds (the context length, …) are left out."""
        state: dict[str, Any] = {} if compile_cache is None else {"compileCache": compile_cache}
        if self.further_arguments:
            state["furtherArguments"] = list(self.further_arguments)
        return {
            "model": self.model,
            "revision": self.revision,
            "gpuProduct": self.gpu_product,
            "gpuResource": self.gpu_resource,
            "vllmVersion": self.vllm_version,
            "flags": settings_to_json(settings.with_(**_WITHOUT_EFFECT)),
            **state,
        }


CPU_PRODUCT: Final = "CPU"
"""What stands for the GPU product on the CPU backend."""


def key_of(spec: VLMDeploymentSpec, version: EngineVersion, offer: GPUOffer | None) -> ObservationKey:
    """What observations must share with a start-up of ``spec`` on ``offer``; None is the CPU backend.

    On the CPU backend the declared size of the KV cache stands for the resource: what is found depends on it.
    """
    resource = "" if offer is None else offer.resource
    if spec.cpu is not None:
        space = parse_bytes(spec.cpu.kv_cache_space, field="cpu.kvCacheSpace")
        resource = f"VLLM_CPU_KVCACHE_SPACE={space // GIB}"
    return ObservationKey(
        model=spec.model.source,
        revision=spec.model.revision or "",
        gpu_product=offer.gpu.label if offer else CPU_PRODUCT,
        gpu_resource=resource,
        vllm_version=str(version),
        further_arguments=_further_arguments(spec),
    )


def _further_arguments(spec: VLMDeploymentSpec) -> tuple[str, ...]:
    """``engine.extraArgs`` where one of them moves memory: what such a start-up finds says nothing of others."""
    arguments = tuple(spec.engine.extra_args) if spec.engine else ()
    moves = bool(uncounted(arguments)) or any(map(is_hf_overrides, arguments))
    return arguments if moves else ()


def evidence_of(observations: Iterable[Manifest], key: ObservationKey) -> Evidence:
    """Everything that the observations of ``key`` prove. ``NOTHING`` where there are none.

    Raises:
        InputError: an observation that this release of the operator cannot read.
    """
    parts: list[Evidence] = []
    for item in observations:
        spec = item.get("spec") or {}
        if not key.matches(spec.get("key") or {}):
            continue
        settings = settings_from_json(spec["key"].get("flags") or {})
        measured = spec.get("measured") or {}
        cache = measured.get("kvCache")
        sizes = sorted({cache["lowestBytes"], cache["highestBytes"]}) if cache else []
        total, lacked = measured.get("total"), (measured.get("servingShortage") or {}).get("highestBytes")
        if not sizes and total is None and lacked is None:
            continue
        served = f", one of which lacked {format_gib(lacked)} in service" if lacked is not None else ""
        count = int(spec.get("started") or 0) + int(spec.get("failed") or 0)
        parts.append(
            Evidence(
                containers=tuple(MeasuredContainer(settings, size, spec["key"].get("compileCache")) for size in sizes),
                shortages=() if lacked is None else (MemoryShortage(settings, lacked, True, in_service=True),),
                total_bytes=total["latestBytes"] if total else None,
                sources=(
                    f"{count} earlier start-up{'s' if count != 1 else ''} of {key.model} on {key.gpu_product}{served}",
                ),
            )
        )
    return together(tuple(parts)) if parts else NOTHING


def recorded(
    known: Iterable[Manifest],
    key: ObservationKey,
    settings: EngineSettings,
    startup: MeasuredStartup,
    *,
    run: StartupKey,
    reason: str | None,
    message: str | None,
    now: datetime,
) -> Manifest:
    """The observation of ``key`` and ``settings`` with one more start-up in it; ``reason`` None where it served.

    A run is counted once: recorded again, after a crash of the operator, it changes nothing.
    """
    identity = key.to_json(settings, startup.compile_cache)
    name = observation_name(identity)
    before: Mapping[str, Any] = next((item["spec"] for item in known if item["metadata"]["name"] == name), {})
    measured = dict(before.get("measured") or {})
    for field, attribute in TERMS.items():
        value = getattr(startup, attribute)
        if value is not None and value >= 0:
            measured[field] = _merged(measured.get(field), value)
    if startup.kv_tokens is not None:
        measured["kvTokens"] = startup.kv_tokens
    stamp = timestamp(now)
    last_run = f"{run.pod_uid}/{run.container}/{run.run}"
    more = 0 if before.get("lastRun") == last_run else 1
    spec: dict[str, Any] = {
        "key": identity,
        "measured": measured,
        "outcome": "Failed" if reason else "Started",
        "reason": reason,
        "message": message,
        "started": int(before.get("started") or 0) + (0 if reason else more),
        "failed": int(before.get("failed") or 0) + (more if reason else 0),
        "firstObservedAt": before.get("firstObservedAt") or stamp,
        "lastObservedAt": stamp,
        "lastUsedAt": stamp,
        "lastRun": last_run,
    }
    return {
        "apiVersion": API_VERSION,
        "kind": "StartupObservation",
        "metadata": {"name": name, "labels": {MODEL_LABEL: model_label(key.model)}},
        "spec": {field: value for field, value in spec.items() if value is not None},
    }


def used(known: Iterable[Manifest], key: ObservationKey, now: datetime) -> tuple[Manifest, ...]:
    """The observations of ``key`` as they should be after a plan has used them; those whose use is no news left out."""
    news = timestamp(now - USE_IS_NEWS_AFTER)
    return tuple(
        {
            "apiVersion": API_VERSION,
            "kind": "StartupObservation",
            "metadata": {"name": item["metadata"]["name"], "labels": {MODEL_LABEL: model_label(key.model)}},
            "spec": {**item["spec"], "lastUsedAt": timestamp(now)},
        }
        for item in known
        if key.matches(item["spec"].get("key") or {}) and (item["spec"].get("lastUsedAt") or "") < news
    )


def observation_name(identity: Mapping[str, Any]) -> str:
    """A DNS name that says the model and tells identities apart."""
    return object_name(identity["model"], identity)


def superfluous(known: Iterable[Manifest]) -> tuple[str, ...]:
    """Names of the observations beyond ``LIMIT`` that were unused longest."""
    items = sorted(known, key=lambda item: (item["spec"].get("lastUsedAt") or "", item["metadata"]["name"]))
    return tuple(item["metadata"]["name"] for item in items[: max(len(items) - LIMIT, 0)])


def read_observations(documents: Iterable[Any]) -> tuple[Manifest, ...]:
    """Observations from the documents of a file: single objects or a ``List``.

    Raises:
        InputError: a document that is neither.
    """
    found: list[Manifest] = []
    for document in documents:
        items = document.get("items") if isinstance(document, Mapping) and "items" in document else [document]
        for item in items or ():
            if not isinstance(item, Mapping) or item.get("kind") != "StartupObservation" or "spec" not in item:
                raise InputError(
                    "observations: a document is not a StartupObservation",
                    field="observations",
                    hint="give the output of 'vlmctl observations export'",
                )
            found.append(item)
    return tuple(found)


def _merged(before: Mapping[str, int] | None, value: int) -> dict[str, int]:
    if before is None:
        return {"lowestBytes": value, "highestBytes": value, "latestBytes": value}
    return {
        "lowestBytes": min(before["lowestBytes"], value),
        "highestBytes": max(before["highestBytes"], value),
        "latestBytes": value,
    }
