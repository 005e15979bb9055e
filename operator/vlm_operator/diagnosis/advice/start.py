"""Facts of a start-up that advice needs: utilisation, block size, release."""

from __future__ import annotations

import math
from typing import Any, Final

from vlm_operator.diagnosis.observation import Observation
from vlm_operator.engine.defaults import default_gpu_memory_utilization
from vlm_operator.engine.kv_cache_rules import DEFAULT_BLOCK_SIZE
from vlm_operator.engine.version import OLDEST_NUMBERED, EngineVersion
from vlm_operator.errors import InputError

ROUNDING_GIB: Final = 0.01
"""Two figures printed with two decimals: each may be off by 0.005 GiB."""

CONTEXT_RELEASE_GIB: Final = 0.1
"""Left free on top, because the CUDA context is made after the snapshot."""


def release_of(version: str | None) -> EngineVersion | None:
    """The release, or None where the log says none or a development build's number that means nothing."""
    if version is None:
        return None
    try:
        release = EngineVersion.parse(version)
    except InputError:
        return None
    return release if release >= OLDEST_NUMBERED else None


def utilization_of(observation: Observation, version: EngineVersion | None) -> float | None:
    """``--gpu-memory-utilization`` of the start: as printed, or the release's default where the flags were printed."""
    value = observation.flags.get("gpu_memory_utilization", observation.utilization)
    if isinstance(value, int | float):
        return float(value)
    if version is None or not observation.flags:
        return None
    return default_gpu_memory_utilization(version)


def utilization_limit(free_gib: float, total_gib: float) -> float:
    """Largest utilisation that passes vLLM's check of free memory, in steps of 0.01."""
    return max(0.0, math.floor((free_gib - CONTEXT_RELEASE_GIB) / total_gib * 100 + 1e-9) / 100)


def ranks_of(observation: Observation) -> int | None:
    """Ranks of tensor parallelism, or None where the log does not say: one worker's line does not tell how many."""
    size = whole(observation.flags.get("tensor_parallel_size")) or observation.tensor_parallel_size
    if size is not None:
        return size
    return 1 if observation.flags and observation.workers_seen is None else None


def kv_bytes_pinned(observation: Observation) -> int | None:
    """Bytes that ``--kv-cache-memory-bytes`` asked for: as set, or as printed; vLLM then ignores the utilisation."""
    return whole(observation.flags.get("kv_cache_memory_bytes")) or observation.bytes_of("pinned_kv")


def whole(value: Any) -> int | None:
    """``value`` if it is a whole number, else None."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def block_size_of(observation: Observation) -> int:
    """Tokens per KV block: as set, as printed, or vLLM's default."""
    return whole(observation.flags.get("block_size")) or observation.block_size or DEFAULT_BLOCK_SIZE
