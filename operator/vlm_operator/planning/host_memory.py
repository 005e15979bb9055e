"""Main memory and /dev/shm that a pod of a plan holds: each term with its source.

Weights are left out where they are mapped from safetensors files: the kernel may drop those pages at any time, though
a container's figures show them. What is not known is named, not guessed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vlm_operator.capacity.startup.adapters import adapter_bytes
from vlm_operator.engine.adapters import adapters_of
from vlm_operator.engine.encoder_rules import pixel_bytes
from vlm_operator.engine.host_flags import HostFlags
from vlm_operator.engine.settings import MODALITIES, EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import UnknownFact
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.intent import Workload
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.workload import RequestSize
from vlm_operator.units import GIB, format_gib

PROCESS_BYTES: Final = 4 * GIB
"""Allowance for the main memory of one process of vLLM with PyTorch and CUDA loaded; not measured."""

QUEUE_BYTES: Final = GIB
"""Allowance in /dev/shm for the queues between processes (16 MiB a message, ten of them: 0.33,
``distributed/device_communicators/shm_broadcast.py``) and for NCCL; not measured."""

_MAPPED: Final = frozenset({"auto", "hf", "safetensors", "mistral", "dummy", "sharded_state"})
"""Values of ``--load-format`` that map safetensors files, or read none."""


@dataclass(frozen=True, slots=True)
class HostTerm:
    """One term: what it is, bytes of one pod, and why, with its source."""

    name: str
    size_bytes: int
    why: str


@dataclass(frozen=True, slots=True)
class HostMemory:
    """Memory of one pod beside its GPUs.

    Attributes:
        private: terms of the processes' own memory.
        shared: terms in /dev/shm, which count as the pod's memory too.
        unknown: what takes main memory that is not counted, in words.
    """

    private: tuple[HostTerm, ...]
    shared: tuple[HostTerm, ...]
    unknown: tuple[str, ...] = ()

    @property
    def shared_bytes(self) -> int:
        """Size of /dev/shm."""
        return sum(term.size_bytes for term in self.shared)

    @property
    def total_bytes(self) -> int:
        """Main memory of the pod, /dev/shm included."""
        return self.shared_bytes + sum(term.size_bytes for term in self.private)


def processes(ranks: int, api_servers: int = 1) -> int:
    """Processes of one pod: API servers, the engine, and a worker for each of several ranks (``v1/executor``)."""
    return api_servers + 1 + (ranks if ranks > 1 else 0)


def process_term(count: int) -> HostTerm:
    """The allowance for that many processes."""
    return HostTerm("processes", count * PROCESS_BYTES, f"{count} processes of {format_gib(PROCESS_BYTES)} (allowance)")


def processed_item_bytes(
    model: ModelFacts, size: RequestSize, workload: Workload, version: EngineVersion
) -> tuple[int, int]:
    """(encoder tokens of one request's images and videos, bytes of their pixels as the processor makes them)."""
    tower = model.vision
    if tower is None:
        return 0, 0
    images = workload.images.count if workload.images else 0
    videos = workload.videos.count if workload.videos else 0
    seen = images * (size.image_encoder_tokens or size.tokens_per_image)
    seen += videos * (size.video_encoder_tokens or size.tokens_per_video)
    colours = 3 * tower.patch_size**2 * tower.frames * max(tower.merge_size, 1) ** 2
    element = pixel_bytes(model.traits.pixels, version, model.dtype.size_bytes).encoding
    return seen, seen * colours * element


def host_memory(plan: Plan) -> HostMemory | None:
    """What a pod of the plan holds; None for a plan without an evaluation or without GPUs."""
    if plan.evaluation is None or plan.gpu is None:
        return None
    settings, flags = plan.evaluation.settings, plan.intent.host_flags
    ranks = plan.gpus_per_node
    private = [process_term(processes(ranks, flags.api_servers)), *_items(plan, settings, flags)]
    if flags.kv_offloading_gib:
        size = int(flags.kv_offloading_gib * GIB)
        private.append(HostTerm("offloaded KV cache", size, "--kv-offloading-size, of all ranks together"))
    if flags.cpu_offload_gib:
        size = int(flags.cpu_offload_gib * GIB) * ranks
        private.append(HostTerm("offloaded weights", size, f"--cpu-offload-gb on each of {ranks} rank(s)"))
    if flags.sleeps:
        size = plan.evaluation.budget.weights_bytes * ranks
        private.append(HostTerm("sleeping weights", size, "level 1 moves the weights of every rank to main memory"))
    private += _adapters(plan, settings, ranks)
    shared = [HostTerm("queues", QUEUE_BYTES, "messages between processes, and NCCL (allowance)")]
    if flags.shared_cache and _takes_items(plan.model, settings):
        size = int(flags.processor_cache_gib * GIB)
        shared.append(HostTerm("processed items", size, "--mm-processor-cache-type shm: one cache for all processes"))
    return HostMemory(tuple(private), tuple(shared), tuple(_unknown(settings, flags)))


def host_sentences(plan: Plan) -> tuple[str, ...]:
    """The same for people: the sum, and every term with its reason."""
    found = host_memory(plan)
    if found is None:
        return ()
    terms = "; ".join(
        f"{term.name} {format_gib(term.size_bytes)} ({term.why})" for term in (*found.private, *found.shared)
    )
    unknown = f" Not counted: {', '.join(found.unknown)}." if found.unknown else ""
    return (f"Main memory of a pod: about {format_gib(found.total_bytes)}: {terms}.{unknown}",)


def _takes_items(model: ModelFacts, settings: EngineSettings) -> bool:
    return (model.encodes or model.multimodal is not None) and any(map(settings.enabled, MODALITIES))


def _items(plan: Plan, settings: EngineSettings, flags: HostFlags) -> list[HostTerm]:
    """The caches of processed items, and the items of the described requests that run at once."""
    if not _takes_items(plan.model, settings):
        return []
    found = []
    caches = flags.api_servers + settings.data_parallel_size
    if flags.processor_cache_gib and not flags.shared_cache:
        size = int(flags.processor_cache_gib * GIB) * caches
        why = (
            f"--mm-processor-cache-gb {flags.processor_cache_gib:g} x {caches} processes (API servers and engines; "
            "vLLM 0.33: config/multimodal.py)"
        )
        found.append(HostTerm("processed items", size, why))
    workload, request = plan.intent.workload, plan.context.request if plan.context else None
    if workload is not None and request is not None:
        pixels = processed_item_bytes(plan.model, request, workload, plan.version)[1]
        at_once = workload.concurrent_requests or 1
        if pixels:
            why = f"pixels of the described items of {at_once} request(s), {format_gib(pixels)} each, once processed"
            found.append(HostTerm("items under way", at_once * pixels, why))
    return found


def _adapters(plan: Plan, settings: EngineSettings, ranks: int) -> list[HostTerm]:
    adapters = adapters_of(settings)
    if adapters is None:
        return []
    try:
        slots = sum(adapter_bytes(plan.model, settings, plan.version))
    except UnknownFact:
        return []
    size = slots // adapters.slots * adapters.held * ranks
    return [HostTerm("LoRA adapters", size, f"at most {adapters.held} of rank {adapters.rank} for {ranks} rank(s)")]


def _unknown(settings: EngineSettings, flags: HostFlags) -> list[str]:
    found = []
    if settings.load_format not in _MAPPED:
        found.append(f"weights while they are read with --load-format {settings.load_format}")
    if flags.connects:
        found.append("buffers of the connector of --kv-transfer-config (LMCache, NIXL …)")
    return found
