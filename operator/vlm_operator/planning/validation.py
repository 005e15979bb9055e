"""Validate pinned flags; every refusal names the flag, its value and the remedy."""

from __future__ import annotations

import math

from vlm_operator.engine.flags import COUNTED_FLAGS
from vlm_operator.engine.kv_cache_rules import CACHE_DTYPES
from vlm_operator.engine.settings import FLAGS
from vlm_operator.errors import InputError
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import ModelFacts
from vlm_operator.planning.intent import Intent
from vlm_operator.units import format_gib

LARGEST_TOKENS = 2**40
"""No context, batch or prompt comes near; larger figures are refused before arithmetic sees them."""


def validate(intent: Intent) -> None:
    """Check every number of the intent.

    Raises:
        InputError: naming the first flag that is out of range or contradicts another.
    """
    settings = intent.settings
    utilization = settings.gpu_memory_utilization
    if utilization is not None and not (math.isfinite(utilization) and 0 < utilization <= 1):
        raise InputError(
            f"gpu-memory-utilization: {utilization} is not above 0 and at most 1",
            field="gpu-memory-utilization",
            hint="give a fraction of the GPU's memory, for instance 0.9",
        )
    for name in COUNTED_FLAGS:
        value = getattr(settings, name)
        if value is not None and not 1 <= value <= LARGEST_TOKENS:
            flag = name.replace("_", "-")
            raise InputError(f"{flag}: {value} is not between 1 and 2^40", field=flag, hint=f"give --{flag} a count")
    if settings.kv_cache_dtype not in CACHE_DTYPES:
        raise InputError(
            f"kv-cache-dtype: {settings.kv_cache_dtype!r} is not known",
            field="kv-cache-dtype",
            hint=f"one of {', '.join(CACHE_DTYPES)}",
        )
    _validate_release(intent)
    _validate_context(intent)
    _validate_gpus(intent)


def validate_reserve(intent: Intent, gpu: GPUFacts) -> None:
    """Check that a pinned utilisation, or a pinned KV cache, leaves the reserve.

    Raises:
        InputError: it asks for more than the GPU's total less the reserve.
    """
    reserve, utilization = intent.reserve_bytes, intent.settings.gpu_memory_utilization
    if reserve == 0:
        return
    most = gpu.total_bytes - reserve
    if utilization is not None and utilization * gpu.total_bytes > most > 0:
        raise InputError(
            f"gpu-memory-utilization: {utilization} of {format_gib(gpu.total_bytes)} is "
            f"{format_gib(int(utilization * gpu.total_bytes))}, and a reserve of {format_gib(reserve)} leaves "
            f"{format_gib(most)}",
            field="gpu-memory-utilization",
            hint=f"set it to at most {math.floor(100 * most / gpu.total_bytes) / 100}, leave it unset, or keep less",
        )


def reserve_sentence(intent: Intent, gpu: GPUFacts) -> str:
    """What a reserve means for the plan; "" without one."""
    if intent.reserve_bytes == 0:
        return ""
    most = gpu.total_bytes - intent.reserve_bytes
    return (
        f"{format_gib(intent.reserve_bytes)} of each GPU stays free for others: vLLM asks for at most "
        f"{format_gib(most)} of {format_gib(gpu.total_bytes)}"
    )


def _validate_release(intent: Intent) -> None:
    """Refuse a pinned flag that the release does not know: vLLM would stop at an unrecognised argument."""
    for name, flag in FLAGS.items():
        if name in intent.pinned and flag.since is not None and intent.version < flag.since:
            field, since = name.replace("_", "-"), f"{flag.since.major}.{flag.since.minor}"
            raise InputError(
                f"{field}: vLLM {intent.version} has no {flag.spelling}, which {since} added",
                field=field,
                hint=f"leave it unset, or use vLLM {since} or newer",
            )


def _validate_context(intent: Intent) -> None:
    floor, cap, pinned = intent.minimum_context, intent.maximum_context, intent.settings.max_model_len
    for name, value in (("min-context", floor), ("max-context", cap)):
        if value is not None and not 1 <= value <= LARGEST_TOKENS:
            raise InputError(f"{name}: {value} is not between 1 and 2^40", field=name, hint="give a number of tokens")
    if floor is not None and cap is not None and floor > cap:
        raise InputError(
            f"min-context: the floor {floor:,} is above the cap {cap:,}",
            field="min-context",
            hint="lower context.minimum or raise context.maximum",
        )
    if pinned is None:
        return
    if floor is not None and pinned < floor:
        raise InputError(
            f"max-model-len: the pinned context {pinned:,} is below the floor {floor:,}",
            field="max-model-len",
            hint="pin a longer context, or lower context.minimum",
        )
    if cap is not None and pinned > cap:
        raise InputError(
            f"max-model-len: the pinned context {pinned:,} is above the cap {cap:,}",
            field="max-model-len",
            hint="pin a shorter context, or raise context.maximum",
        )


def _validate_gpus(intent: Intent) -> None:
    settings = intent.settings
    if intent.gpu_count is not None and not 1 <= intent.gpu_count <= 4096:
        raise InputError(f"gpu-count: {intent.gpu_count} is not between 1 and 4096", field="gpu-count")
    ranks = settings.tensor_parallel_size * settings.pipeline_parallel_size * settings.data_parallel_size
    if intent.gpu_count is not None and "tensor_parallel_size" in intent.pinned and ranks > intent.gpu_count:
        raise InputError(
            f"tensor-parallel-size: {ranks} GPUs are needed "
            f"({settings.tensor_parallel_size} x {settings.pipeline_parallel_size} pipeline stages "
            f"x {settings.data_parallel_size} replicas), but gpu-count is {intent.gpu_count}",
            field="tensor-parallel-size",
            hint=f"raise gpu-count to {ranks}, or lower the parallel sizes",
        )


def tensor_parallel_problem(model: ModelFacts, size: int) -> str | None:
    """Why vLLM refuses this tensor-parallel size, or None (0.32: ``config/model.py``, head divisibility)."""
    heads = model.text.attention_heads
    if heads % size:
        return f"tensor-parallel-size: {size} does not divide the {heads} attention heads of {model.model}"
    return None
