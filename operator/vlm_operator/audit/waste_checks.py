"""Checks: memory, GPUs and flags of a running server that nothing uses."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final

from vlm_operator.audit.finding import Finding, FindingKind, Severity
from vlm_operator.audit.planner import Planner
from vlm_operator.audit.server import Server, ranks_here
from vlm_operator.engine.flags import plain_value
from vlm_operator.engine.settings import FLAGS, EngineSettings, ModalityLimit
from vlm_operator.errors import InputError
from vlm_operator.planning.host_memory import host_memory
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.seen_traffic import LEAST_REQUESTS
from vlm_operator.planning.verdict import Verdict
from vlm_operator.planning.workload import modalities_of, round_context
from vlm_operator.units import GIB, format_gib

LEAST_GAIN: Final = GIB
"""What saves less is not worth a restart, bytes per GPU."""

ROOMY_REQUESTS: Final = 4
"""Requests of the whole context that fewer GPUs must hold at once before they are said to suffice."""

Check = Callable[[Server, Planner], Iterator[Finding]]


def _fitting(server: Server) -> Plan | None:
    """The plan of a server that fits, None otherwise: what does not fit is not said to waste anything."""
    made = server.plan
    return made if made is not None and made.fits and made.budget is not None and not server.pod.is_worker else None


def _varied(server: Server, planner: Planner, **changes: Any) -> Plan | None:
    """The prediction with some flags changed, None where vLLM would refuse them."""
    made = server.plan
    if made is None or made.gpu is None or server.model is None:
        return None
    intent: Intent = made.intent
    settings = intent.settings.with_(**changes)
    try:
        return planner.plan(server.model, made.gpu, replace(intent, settings=settings))
    except InputError:
        return None


def fewer_gpus(server: Server, planner: Planner) -> Iterator[Finding]:
    """The same flags fit on fewer GPUs, with room for four requests of the whole context."""
    made, size = _fitting(server), server.pod.command.settings.tensor_parallel_size
    if made is None or size < 2 or made.settings.pipeline_parallel_size > 1:
        return
    ranks = ranks_here(server.pod)
    if ranks is None or ranks > server.pod.gpus:
        return
    for fewer in (each for each in (1, 2, 4) if each < size):
        other = _varied(server, planner, tensor_parallel_size=fewer)
        container = other.container if other is not None else None
        if other is None or container is None or other.verdict is not Verdict.FITS:
            continue
        if container.concurrency < ROOMY_REQUESTS:
            continue
        yield server.finding(
            FindingKind.FEWER_GPUS_SUFFICE, Severity.WARNING,
            f"{fewer} of its {size} GPUs hold the same context of {other.settings.max_model_len:,} tokens for "
            f"{container.concurrency:g} requests at once",
            remedy=f"set --tensor-parallel-size and resources.limits.{server.pod.resource} to {fewer}, if latency and "
            "throughput allow it",
            gpus=size, gpusNeeded=fewer, concurrency=container.concurrency,
        )  # fmt: skip
        return


def cache_beyond_reach(server: Server, planner: Planner) -> Iterator[Finding]:
    """A KV cache that ``max_num_seqs`` requests of the whole context do not fill by half."""
    made = _fitting(server)
    if made is None or made.evaluation is None or "max_num_seqs" not in server.pod.command.pinned:
        return
    resolved, budget = made.evaluation.settings, made.evaluation.budget
    sequences, length = resolved.sequences, resolved.context_tokens
    reach = sequences * made.evaluation.layout.needed_bytes(length)
    spare = budget.kv_cache_low_bytes - reach
    if reach * 2 > budget.kv_cache_low_bytes or spare < LEAST_GAIN:
        return
    share = math.ceil(100 * (budget.requested_bytes - spare) / budget.total_bytes) / 100
    yield server.finding(
        FindingKind.CACHE_BEYOND_REACH, Severity.WARNING,
        f"{sequences} requests of {length:,} tokens fill at most {format_gib(reach)} of the "
        f"{format_gib(budget.kv_cache_bytes)} of KV cache; the rest only keeps old prefixes",
        remedy=f"set --gpu-memory-utilization {share:g}, or raise --max-num-seqs",
        kvCacheBytes=budget.kv_cache_bytes, reachBytes=reach, spareBytes=spare, gpuMemoryUtilization=share,
    )  # fmt: skip


def unlimited_items(server: Server, planner: Planner) -> Iterator[Finding]:
    """Memory that is reserved for videos although no limit says that requests hold any."""
    made = _fitting(server)
    if made is None or server.model is None or "limit_mm_per_prompt" in server.pod.command.pinned:
        return
    if server.pod.command.settings.language_model_only or "video" not in modalities_of(server.model):
        return
    other = _varied(server, planner, limit_mm_per_prompt=(("video", ModalityLimit(0)),))
    if other is None or other.budget is None or made.budget is None:
        return
    gain = other.budget.kv_cache_bytes - made.budget.kv_cache_bytes
    if gain >= LEAST_GAIN:
        yield server.finding(
            FindingKind.ITEMS_UNLIMITED, Severity.INFO,
            f"without videos {format_gib(gain)} more would be left for the KV cache of each GPU",
            remedy="if requests hold no videos, set --limit-mm-per-prompt '{\"video\": 0}'", gainBytes=gain,
        )  # fmt: skip


def cancelled_flags(server: Server, planner: Planner) -> Iterator[Finding]:
    """Flags that have no effect because of another, and repeated ones."""
    command, settings = server.pod.command, server.pod.command.settings
    for name, words in _without_effect(server, settings):
        if name in command.pinned:
            flag = FLAGS[name].spelling or "--cudagraph-capture-sizes"
            yield server.finding(
                FindingKind.FLAGS_CANCEL_OUT, Severity.WARNING, f"{flag} {words}", remedy=f"remove {flag}",
                about=flag, flag=flag,
            )  # fmt: skip
    seen: dict[str, str | None] = {}
    for given in command.given:
        positive = f"--{given.spelling[5:]}" if given.spelling.startswith("--no-") else given.spelling
        value = given.value if positive == given.spelling else "no"
        if positive in seen and seen[positive] != value:
            kept = plain_value(given.name, getattr(settings, given.name)) if given.name else value
            yield server.finding(
                FindingKind.FLAG_REPEATED, Severity.WARNING,
                f"{positive} is given with {seen[positive]} and with {value}: vLLM takes the last ({kept})",
                about=positive, flag=positive,
            )  # fmt: skip
        seen[positive] = value


def _without_effect(server: Server, settings: EngineSettings) -> Iterator[tuple[str, str]]:
    """(setting, why it has no effect)."""
    if settings.kv_cache_memory_bytes is not None:
        yield "gpu_memory_utilization", "sizes nothing beside --kv-cache-memory-bytes"
    if settings.enforce_eager:
        for name in ("max_cudagraph_capture_size", "cudagraph_capture_sizes"):
            yield name, "has no effect with --enforce-eager: no CUDA graphs are captured"
    if settings.language_model_only:
        for name in ("limit_mm_per_prompt", "mm_processor_kwargs", "media_io_kwargs", "mm_encoder_tp_mode"):
            yield name, "has no effect with --language-model-only"
    if settings.tensor_parallel_size == 1:
        yield "mm_encoder_tp_mode", "has no effect on one GPU"
        if settings.data_parallel_size == 1:
            yield "enable_expert_parallel", "has no effect on one GPU"
    model = server.model
    if model is not None and model.vision is None and model.multimodal is None and model.multimodal_unknown is None:
        for name in ("limit_mm_per_prompt", "mm_processor_kwargs", "media_io_kwargs"):
            yield name, f"has no effect: {model.model} takes text only"


def missing_limits(server: Server, planner: Planner) -> Iterator[Finding]:
    """No memory limit; several ranks without shared memory."""
    made = _fitting(server)
    host = host_memory(made) if made is not None else None
    if server.pod.memory_limit_bytes is None:
        figures: dict[str, Any] = {} if host is None else {"hostMemoryBytes": host.total_bytes}
        counted = "" if host is None else f"; its command holds about {format_gib(host.total_bytes)} there"
        yield server.finding(
            FindingKind.MEMORY_LIMIT_MISSING, Severity.WARNING,
            f"container {server.pod.container} has no memory limit{counted}", **figures,
        )  # fmt: skip
    settings = server.pod.command.settings
    ranks = settings.tensor_parallel_size * settings.pipeline_parallel_size
    if ranks > 1 and not server.pod.shared_memory:
        yield server.finding(
            FindingKind.SHARED_MEMORY_MISSING, Severity.WARNING,
            f"{ranks} ranks share the 64 MiB of /dev/shm that a container has by default", ranks=ranks,
        )  # fmt: skip


def image_without_release(server: Server, planner: Planner) -> Iterator[Finding]:
    """The tag of the image names no release."""
    if server.pod.version is None:
        yield server.finding(
            FindingKind.IMAGE_WITHOUT_RELEASE, Severity.INFO,
            f"image {server.pod.image} names no vLLM release; plans assume {server.version}", image=server.pod.image,
        )  # fmt: skip


def traffic(server: Server, planner: Planner) -> Iterator[Finding]:
    """What the server's own traffic needs against what it reserves."""
    seen, made = server.traffic, _fitting(server)
    if seen is None or made is None or made.evaluation is None:
        return
    if seen.preemptions:
        yield server.finding(
            FindingKind.REQUESTS_PREEMPTED, Severity.WARNING,
            f"{seen.preemptions:,} requests were stopped for want of KV cache and computed again",
            preemptions=seen.preemptions, waiting=seen.waiting,
        )  # fmt: skip
    longest = seen.longest_request
    if longest is None or seen.prompt.requests < LEAST_REQUESTS:
        return
    length, needed = made.evaluation.settings.context_tokens, round_context(longest)
    if length >= 2 * needed:
        yield server.finding(
            FindingKind.CONTEXT_OVERSIZED, Severity.INFO,
            f"none of {seen.prompt.requests:,} requests had more than {longest:,} tokens; the context is {length:,}",
            remedy=f"set --max-model-len {needed}", maxModelLen=length, neededTokens=needed,
            requests=seen.prompt.requests,
        )  # fmt: skip
    if not seen.preemptions and not seen.waiting:
        yield from _unused_cache(server, planner, made, min(needed, length))


def _unused_cache(server: Server, planner: Planner, made: Plan, length: int) -> Iterator[Finding]:
    """KV cache that twice the present requests of the longest length do not fill."""
    seen, evaluation = server.traffic, made.evaluation
    if seen is None or evaluation is None or "gpu_memory_utilization" in _fixed_cache(server):
        return
    requests = max(2 * seen.running, ROOMY_REQUESTS)
    layout, budget = evaluation.layout, evaluation.budget
    in_use = math.ceil(2 * seen.cache_usage * budget.kv_cache_bytes)
    needed = max(requests * layout.needed_bytes(length), in_use)
    if needed * 2 > budget.kv_cache_bytes:
        return
    share = math.ceil(100 * (budget.requested_bytes - budget.kv_cache_low_bytes + needed) / budget.total_bytes) / 100
    other = _varied(server, planner, gpu_memory_utilization=share, max_model_len=length)
    if other is None or other.verdict is not Verdict.FITS or other.budget is None:
        return
    saved = budget.requested_bytes - other.budget.requested_bytes
    if saved < LEAST_GAIN:
        return
    yield server.finding(
        FindingKind.CACHE_UNUSED, Severity.WARNING,
        f"{format_gib(budget.kv_cache_bytes)} of KV cache are reserved, {seen.cache_usage:.0%} are in use, and "
        f"{requests} requests of {length:,} tokens need {format_gib(needed)}",
        remedy=f"set --gpu-memory-utilization {share:g} --max-model-len {length}: {format_gib(saved)} of each GPU "
        "are freed",
        kvCacheBytes=budget.kv_cache_bytes, neededBytes=needed, cacheUsage=seen.cache_usage, savedBytes=saved,
        gpuMemoryUtilization=share, maxModelLen=length,
    )  # fmt: skip


def _fixed_cache(server: Server) -> frozenset[str]:
    """The utilisation, where a pinned KV cache takes its place."""
    pinned = server.pod.command.settings.kv_cache_memory_bytes is not None
    return frozenset({"gpu_memory_utilization"}) if pinned else frozenset()


CHECKS: Final[tuple[Check, ...]] = (
    fewer_gpus,
    cache_beyond_reach,
    traffic,
    unlimited_items,
    cancelled_flags,
    missing_limits,
    image_without_release,
)
"""In the order in which findings of one server are listed."""
