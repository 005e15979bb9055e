"""Divide a model over roles: encoders that hold the vision tower alone, and language roles that do without it.

The language roles are planned as a text model whose prompt holds the items' tokens. What vLLM does not profile for them
is held back: encoder outputs that they receive lie in GPU memory beside the KV cache. Every figure says where it comes
from.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

from vlm_operator.capacity.multimodal import encoder_budget
from vlm_operator.capacity.startup.encoder_instance import EncoderInstance, encoder_instance, encoder_token_bytes
from vlm_operator.engine.encoder_transfer import RUNNER, TRANSFER_SINCE
from vlm_operator.engine.settings import EngineSettings, ModalityLimit
from vlm_operator.errors import InputError
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.host_memory import (
    PROCESS_BYTES,
    QUEUE_BYTES,
    process_term,
    processed_item_bytes,
    processes,
)
from vlm_operator.planning.intent import Intent, Workload
from vlm_operator.planning.limits import choose_limits
from vlm_operator.planning.plan import Plan
from vlm_operator.planning.resolution import resolved
from vlm_operator.planning.workload import RequestSize, family_of, modalities_of, request_size, wanted_context
from vlm_operator.units import GIB, MIB, format_gib

GENERATIONS: Final = 2
"""Sets of items in an encoder's region: one is read while the next is written."""

METADATA_CACHE_GIB: Final = 0.1
"""``--mm-processor-cache-gb`` of language roles: they are sent placeholders without pixels."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a role, for people.

    Attributes:
        name: what it is, in the words of the flag or field.
        value: with its unit.
        why: the formula with its numbers.
    """

    name: str
    value: str
    why: str


@dataclass(frozen=True, slots=True)
class Role:
    """What one role is started with, beside the model and the port.

    Attributes:
        settings: flags of the plan.
        gpus: of one replica.
        region_bytes: ``ec_cpu_bytes``; 0 for a role that transfers no encoder outputs.
        processor_cache_gib: ``--mm-processor-cache-gb``.
        shared_memory_bytes: size of /dev/shm.
        host_memory_bytes: main memory to ask for, /dev/shm included.
    """

    settings: EngineSettings
    gpus: int
    region_bytes: int
    processor_cache_gib: float
    shared_memory_bytes: int
    host_memory_bytes: int
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Disaggregation:
    """The roles of one model.

    Attributes:
        encoder: the role that encodes.
        receiver: the role that reads encoder outputs: prefill, or prefill and decode in one.
        decode: the role that only decodes.
        instance: GPU memory of the encoder.
    """

    encoder: Role
    receiver: Role
    decode: Role
    instance: EncoderInstance


def language_intent(model: ModelFacts, intent: Intent) -> Intent:
    """The intent of a language role: text alone, with a prompt as long as text and items together.

    Raises:
        InputError: an older release, no vision encoder, or a workload that names no items.
        UnknownFact: the tokens of the items are not known.
    """
    if intent.version < TRANSFER_SINCE:
        raise InputError(
            f"vllm-version: {intent.version} does not hand encoder outputs to another pod",
            field="vllm-version",
            hint=f"use {TRANSFER_SINCE} or newer",
        )
    token_bytes = encoder_token_bytes(model)
    size, workload = _described(model, intent)
    tokens = size.tokens
    text = Workload(
        prompt_tokens=tokens.total_tokens - tokens.output_tokens,
        output_tokens=tokens.output_tokens,
        concurrent_requests=workload.concurrent_requests,
    )
    off = tuple((modality, ModalityLimit(0)) for modality in sorted(modalities_of(model)))
    return replace(
        intent,
        workload=text,
        settings=intent.settings.with_(limit_mm_per_prompt=off, runner=RUNNER),
        pinned=intent.pinned | {"limit_mm_per_prompt"},
        reserve_bytes=intent.reserve_bytes + _received_tokens(model, intent) * token_bytes,
    )


def disaggregation(whole: Intent, language: Plan) -> Disaggregation:
    """The roles beside a plan of ``language_intent(model, whole)`` that fits.

    Raises:
        InputError: the plan is not for GPUs, or takes several nodes.
        UnknownFact: what the encoder takes is not known.
    """
    model, gpu = language.model, language.gpu
    if gpu is None or language.evaluation is None:
        raise InputError("cpu: roles apart hand over GPU memory", field="cpu", hint="set spec.gpu")
    if language.nodes > 1:
        raise InputError(
            f"nodes: a language role takes {language.nodes} nodes, and encoder outputs lie in one node's shared memory",
            field="nodes",
            hint="use GPUs with more memory, or -o leaderworkerset without roles",
        )
    size, workload = _described(model, whole)
    settings = language.evaluation.settings
    limits = whole.settings.limit_mm_per_prompt or choose_limits(model, workload, whole.settings)[0]
    flags = language.settings.with_(
        max_model_len=settings.max_model_len,
        tensor_parallel_size=1,
        pipeline_parallel_size=1,
        data_parallel_size=1,
        enable_expert_parallel=False,
        kv_cache_dtype="auto",
        kv_cache_memory_bytes=None,
        max_num_seqs=whole.settings.max_num_seqs,
        max_num_batched_tokens=whole.settings.max_num_batched_tokens,
        gpu_memory_utilization=None,
        limit_mm_per_prompt=limits,
    )
    encoding = resolved(flags.with_(runner=RUNNER), model, gpu, language.version)
    instance = encoder_instance(model, gpu, encoding, language.version)
    share = min(1.0, math.ceil(instance.total_bytes / gpu.total_bytes * 100) / 100)
    items = _Items.of(model, size, workload, language, instance)
    encoder = _encoder(flags.with_(gpu_memory_utilization=share), instance, items, gpu.total_bytes)
    return Disaggregation(encoder, _receiver(language, items), _decode(language), instance)


@dataclass(frozen=True, slots=True)
class _Items:
    """Items that are under way between encoder and language role.

    Attributes:
        requests: requests that a language role works on at once.
        tokens: encoder tokens of one request.
        largest_tokens: of the largest item that is accepted.
        pixel_bytes: of one request's images and videos as the processor makes them.
    """

    requests: int
    tokens: int
    largest_tokens: int
    token_bytes: int
    pixel_bytes: int

    @classmethod
    def of(
        cls, model: ModelFacts, size: RequestSize, workload: Workload, language: Plan, instance: EncoderInstance
    ) -> _Items:
        assert language.evaluation is not None
        most = language.evaluation.settings.max_num_seqs or 1
        held = language.container.concurrency if language.container else 1.0
        requests = workload.concurrent_requests or max(1, min(most, math.floor(held)))
        seen, pixels = processed_item_bytes(model, size, workload, language.version)
        return cls(
            requests=requests,
            tokens=seen + size.tokens.audio_tokens,
            largest_tokens=instance.cache_tokens,
            token_bytes=instance.token_bytes,
            pixel_bytes=pixels,
        )

    def region(self, generations: int) -> tuple[int, str]:
        """``ec_cpu_bytes``, whole MiB, and why; never less than the largest item, which stops vLLM otherwise."""
        under_way = generations * self.requests * self.tokens
        tokens = max(under_way, self.largest_tokens)
        why = f"{self.requests} requests x {self.tokens:,} tokens x {self.token_bytes:,} B"
        if generations > 1:
            why += f" x {generations}: one set is read while the next is written"
        if tokens > under_way:
            why = f"the largest item: {self.largest_tokens:,} tokens x {self.token_bytes:,} B; {why} would be less"
        return math.ceil(tokens * self.token_bytes / MIB) * MIB, why


def _encoder(flags: EngineSettings, instance: EncoderInstance, items: _Items, total_bytes: int) -> Role:
    region, why = items.region(GENERATIONS)
    pixels = GENERATIONS * items.requests * items.pixel_bytes
    cache = max(METADATA_CACHE_GIB, math.ceil(pixels / GIB * 10) / 10)
    cache_bytes = int(cache * GIB)
    shared = region + QUEUE_BYTES
    host = shared + 2 * cache_bytes + 2 * PROCESS_BYTES
    parts = (
        f"weights {format_gib(instance.weights_bytes)}, a step of {instance.items} {instance.modality}(s) of "
        f"{instance.item_tokens:,} tokens {format_gib(instance.step_bytes)}, encoder cache of "
        f"{instance.cache_tokens:,} tokens {format_gib(instance.cache_bytes)}, context and buffers "
        f"{format_gib(instance.outside_bytes)}"
    )
    figures = (
        Figure(
            "gpu-memory-utilization",
            f"{flags.gpu_memory_utilization:g}",
            f"{format_gib(instance.total_bytes)} of {format_gib(total_bytes)}: {parts}; it has no KV cache",
        ),
        Figure("tensor-parallel-size", "1", "the encoder fits one GPU: more replicas encode more, more ranks do not"),
        Figure("ec-cpu-bytes", format_gib(region), why),
        Figure(
            "mm-processor-cache-gb",
            f"{cache:g}",
            f"pixels of the same items: {GENERATIONS} x {items.requests} requests x {format_gib(items.pixel_bytes)}",
        ),
        *_host(shared, region, host, cache_bytes, 2),
    )
    return Role(flags, 1, region, cache, shared, host, figures)


def _receiver(language: Plan, items: _Items) -> Role:
    region, why = items.region(1)
    return _language(language, region, (Figure("ec-cpu-bytes", format_gib(region), why),))


def _decode(language: Plan) -> Role:
    return _language(language, 0, ())


def _language(language: Plan, region: int, figures: tuple[Figure, ...]) -> Role:
    ranks = language.gpu_count
    count = processes(ranks)
    cache_bytes = int(METADATA_CACHE_GIB * GIB)
    shared = region + QUEUE_BYTES
    host = shared + 2 * cache_bytes + count * PROCESS_BYTES
    assert language.evaluation is not None
    utilization = language.evaluation.settings.gpu_memory_utilization or 0.0
    held_back = Figure(
        "gpu-memory-utilization",
        f"{utilization:g}",
        f"planned without the vision encoder; {format_gib(language.intent.reserve_bytes)} stay free for received "
        "outputs beside the KV cache, which vLLM does not profile",
    )
    told = (held_back, *figures, *_host(shared, region, host, cache_bytes, count))
    return Role(language.settings, ranks, region, METADATA_CACHE_GIB, shared, host, told)


def _host(shared: int, region: int, host: int, cache: int, count: int) -> tuple[Figure, Figure]:
    parts = f"/dev/shm {format_gib(shared)}, 2 x {format_gib(cache)} of processed items, "
    return (
        Figure("shm", format_gib(shared), f"{format_gib(region)} of outputs, {format_gib(QUEUE_BYTES)} for queues"),
        Figure("memory", format_gib(host), f"{parts}{process_term(count).why}"),
    )


def _described(model: ModelFacts, intent: Intent) -> tuple[RequestSize, Workload]:
    workload = intent.workload
    if workload is None or not (workload.images or workload.videos or workload.audios):
        raise InputError(
            "workload: sizes between encoder and language role follow from a request's items, and none is described",
            field="workload",
            hint="set spec.workload.images or spec.workload.videos",
        )
    return request_size(model, workload, intent.settings, intent.version), workload


def _received_tokens(model: ModelFacts, intent: Intent) -> int:
    """Encoder tokens that a language role keeps on its GPU at most: the encoder cache of all modalities.

    A modality with the limit 0 still has its largest item counted where embeddings are taken
    (0.33: ``multimodal/encoder_budget.py``).
    """
    family = family_of(model)
    assert family is not None
    length = wanted_context(model, intent, intent.settings).wanted
    settings = intent.settings.with_(limit_mm_per_prompt=None, runner=RUNNER)
    plain = settings.with_(
        max_model_len=settings.max_model_len or length,
        max_num_batched_tokens=settings.max_num_batched_tokens or DEFAULT_BATCH,
        max_num_seqs=settings.max_num_seqs or 1,
    )
    return encoder_budget(family, plain, intent.version).budget_tokens


DEFAULT_BATCH: Final = 8192
"""Largest number of batched tokens that vLLM sets by itself for a server on a GPU."""
