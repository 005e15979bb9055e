"""Advice for failures of class Memory, with the arithmetic behind each value."""

from __future__ import annotations

import math
from collections.abc import Iterator

from vlm_operator.diagnosis import failure as families
from vlm_operator.diagnosis.advice.start import (
    CONTEXT_RELEASE_GIB,
    ROUNDING_GIB,
    block_size_of,
    kv_bytes_pinned,
    utilization_limit,
    utilization_of,
    whole,
)
from vlm_operator.diagnosis.observation import Observation
from vlm_operator.diagnosis.result import Advice
from vlm_operator.engine.kv_cache_rules import NULL_BLOCK_SINCE, prices_first_group_only
from vlm_operator.engine.version import EngineVersion
from vlm_operator.units import GIB, MIB, format_gib


def _raise_utilization(
    missing_gib: float, what: str, observation: Observation, version: EngineVersion | None
) -> Iterator[Advice]:
    """Utilisation that yields ``missing_gib`` more, if total, present value and free memory allow it."""
    present, total = utilization_of(observation, version), observation.total_gib
    if present is None or not total:
        return
    wanted = math.ceil((present + (missing_gib + ROUNDING_GIB) / total) * 100 - 1e-9) / 100
    free = observation.free_gib
    limit = utilization_limit(free, total) if free is not None else 0.99
    if wanted <= limit:
        bound = f"{free:g} of {total:g} GiB were free" if free is not None else "free memory is not in the log"
        yield Advice(
            "--gpu-memory-utilization",
            present,
            wanted,
            f"{what}: {present:g} + {missing_gib:.2f} / {total:g} GiB, rounded up; {bound}",
            exact=free is not None,
        )


def kv_cache_too_small(
    failure: families.Failure, observation: Observation, version: EngineVersion | None
) -> Iterator[Advice]:
    """A shorter context, or more memory for the KV cache."""
    assert isinstance(failure, families.KVCacheTooSmall)
    pinned = kv_bytes_pinned(observation)
    if pinned is not None and failure.needed_bytes is not None:
        yield _raise_pinned(pinned, failure.needed_bytes, observation)
    yield from _shorten_context(failure, block_size_of(observation), version)
    if failure.needed_bytes is not None and failure.available_bytes is not None:
        missing = (failure.needed_bytes - failure.available_bytes) / GIB
        if observation.device == "CPU":
            space, why = math.ceil(failure.needed_bytes / GIB), f"{format_gib(failure.needed_bytes)} are needed"
            yield Advice("VLLM_CPU_KVCACHE_SPACE", None, space, why)
        elif pinned is None:
            yield from _raise_utilization(missing, f"{missing:.2f} GiB are missing", observation, version)
            if missing <= (observation.graph_est_gib or 0.0) and not observation.flags.get("enforce_eager"):
                why = f"gives the {observation.graph_est_gib} GiB of CUDA graphs to the KV cache; slower decoding"
                yield Advice("--enforce-eager", False, True, why)
    if observation.flags.get("kv_cache_dtype", "auto") == "auto":
        yield Advice("--kv-cache-dtype", "auto", "fp8", "halves the bytes of a token where GPU and model allow it")


def _raise_pinned(pinned: int, needed: int, observation: Observation) -> Advice:
    """A larger ``--kv-cache-memory-bytes``: with it vLLM does not look at the utilisation."""
    wanted = math.ceil((needed + ROUNDING_GIB * GIB) / MIB) * MIB
    why = f"{format_gib(needed)} are needed, {format_gib(pinned)} are pinned, whatever --gpu-memory-utilization says"
    if observation.free_gib is not None:
        why += f"; {observation.free_gib:g} GiB were free before the weights"
    return Advice("--kv-cache-memory-bytes", pinned, wanted, why, exact=True)


def _shorten_context(failure: families.KVCacheTooSmall, block: int, version: EngineVersion | None) -> Iterator[Advice]:
    """The longest context that fits: as vLLM knows it, as it estimates it, or in proportion."""
    length, estimate = failure.max_model_len, failure.estimated_max_len
    needed, available = failure.needed_bytes, failure.available_bytes
    target, why, exact = 0, "", True
    if failure.kv_cache_tokens is not None:
        target, why = failure.kv_cache_tokens, f"the KV cache holds {failure.kv_cache_tokens} tokens"
    elif estimate is not None and version is not None and version >= NULL_BLOCK_SINCE:
        target = estimate // block * block
        why = f"vLLM estimates that {estimate} tokens fit, in whole blocks of {block}"
    elif estimate is not None:
        target = max(0, estimate - block) // block * block
        why = f"vLLM estimates {estimate} tokens but forgets one block of {block} before 0.29, in whole blocks"
        if version is not None and prices_first_group_only(version):
            why += "; 0.14 to 0.18 price only the first KV group, so a hybrid model may need less still"
    elif length and needed and available and available > 0:
        target, exact = max(0, length * available // needed - block) // block * block, False
        why = (
            f"{format_gib(available)} of the {format_gib(needed)} that {length} tokens need, less a block of {block}; "
            "an upper bound, since part of the need may not grow with length"
        )
    if target > 0:
        yield Advice("--max-model-len", length, target, why, exact)


def no_kv_cache_memory(
    failure: families.Failure, observation: Observation, version: EngineVersion | None
) -> Iterator[Advice]:
    """Less of everything that is charged before the KV cache, or more memory altogether."""
    assert isinstance(failure, families.NoKVCacheMemory)
    if failure.reserved_bytes is not None and failure.available_bytes is not None:
        yield Advice(
            "--mm-ipc-gpu-memory-gb",
            None,
            None,
            f"decoding reserves {format_gib(failure.reserved_bytes)}, "
            f"only {format_gib(failure.available_bytes)} are left",
        )
    if observation.kv_gib is not None and observation.kv_gib <= 0:
        deficit = -observation.kv_gib
        what = f"{deficit:.2f} GiB too little before any KV cache, and 1 GiB for one"
        yield from _raise_utilization(deficit + 1.0, what, observation, version)
    batch = whole(observation.flags.get("max_num_batched_tokens", observation.max_num_batched_tokens))
    if batch is not None and batch > 2048:
        yield Advice("--max-num-batched-tokens", batch, max(2048, batch // 2), "a smaller batch has a smaller peak")
    else:
        yield Advice("--max-num-batched-tokens", batch, None, "lower: a smaller batch has a smaller peak")
    yield Advice(
        "--limit-mm-per-prompt",
        observation.flags.get("limit_mm_per_prompt"),
        None,
        "0 for modalities that are not used: their largest item is profiled",
    )
    if present := utilization_of(observation, version):
        yield Advice("--gpu-memory-utilization", present, None, "higher, as far as memory is free at start")


def free_memory_too_low(
    failure: families.Failure, observation: Observation, version: EngineVersion | None
) -> Iterator[Advice]:
    """A utilisation that what is free can hold."""
    assert isinstance(failure, families.FreeMemoryTooLow)
    if failure.free_bytes is None or not failure.total_bytes:
        return
    free, total = failure.free_bytes / GIB, failure.total_bytes / GIB
    if failure.requested_kv_bytes is not None:
        yield Advice(
            "--kv-cache-memory-bytes",
            failure.requested_kv_bytes,
            max(0, failure.free_bytes - GIB // 10),
            f"only {free:.2f} GiB are available on the node",
        )
        return
    limit = utilization_limit(free, total)
    if limit > 0:
        yield Advice(
            "--gpu-memory-utilization",
            failure.utilization,
            limit,
            f"{free:.2f} of {total:.2f} GiB are free: ({free:.2f} - {CONTEXT_RELEASE_GIB}) / {total:.2f}, rounded down",
            exact=True,
        )
    yield Advice(
        None, None, None, "Or stop the other processes on the GPU; a container that just ended may still hold memory."
    )
