"""An allocation failed: what makes room follows from the stage of the start, and from what the allocator says."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from vlm_operator.diagnosis import failure as families
from vlm_operator.diagnosis.advice.start import kv_bytes_pinned, ranks_of, utilization_of, whole
from vlm_operator.diagnosis.observation import Observation
from vlm_operator.diagnosis.result import Advice
from vlm_operator.engine.version import EngineVersion
from vlm_operator.units import GIB, format_gib

_FOREIGN_BYTES: Final = 2 * GIB
"""What is in use beyond this process: above that it is another process, not contexts and rounding."""


def out_of_memory(
    failure: families.Failure, observation: Observation, version: EngineVersion | None
) -> Iterator[Advice]:
    """What the stage says: smaller shares, a smaller peak, or more left outside the KV cache."""
    assert isinstance(failure, families.OutOfMemory)
    if failure.memory_was_free:
        yield _not_for_memory(failure)
        return
    yield from _others_hold_memory(failure)
    match failure.stage:
        case "device_init":
            yield Advice(
                None,
                None,
                None,
                "The GPU was full before vLLM allocated memory: stop the other processes that use it; a container that "
                "just ended may still hold memory.",
            )
        case "load":
            yield from _smaller_share_of_weights(observation)
        case "kv_alloc":
            yield from _leave_more(failure, observation, version)
        case "graph":
            yield from _leave_more(failure, observation, version)
            yield _fewer_sequences(failure, observation)
            eager = observation.flags.get("enforce_eager", False)
            yield Advice("--enforce-eager", eager, True, "no CUDA graphs, slower decoding")
        case "sampler":
            yield _fewer_sequences(failure, observation)
            yield from _leave_more(failure, observation, version)
        case "serving":
            yield from _leave_more(failure, observation, version)
            yield from _smaller_batch(observation)
        case _:
            yield from _smaller_peak(failure, observation)


def _not_for_memory(failure: families.OutOfMemory) -> Advice:
    """What else keeps a driver from giving memory that is there."""
    free, tried = format_gib(failure.free_bytes or 0), format_gib(failure.tried_alloc_bytes or 0)
    return Advice(
        None,
        None,
        None,
        f"{free} were free when {tried} were requested: the GPU has enough memory. Look for a limit of the "
        "process: the memory of the virtual machine or of WSL2 (.wslconfig, then wsl --shutdown), ulimit -v and -l, a "
        "MIG or vGPU profile, the driver's own log (dmesg, Xid); then start again with no other process on the GPU.",
    )


def _others_hold_memory(failure: families.OutOfMemory) -> Iterator[Advice]:
    """Other processes on the same GPU, where the figures tell of them."""
    total, free, own = failure.total_bytes, failure.free_bytes, failure.process_in_use_bytes
    if total is None or free is None or own is None or own > total:
        return
    others = total - free - own
    if others > _FOREIGN_BYTES:
        yield Advice(
            None, None, None, f"Other processes hold {format_gib(others)} of this GPU: stop them, or use another GPU."
        )


def _smaller_share_of_weights(observation: Observation) -> Iterator[Advice]:
    ranks = ranks_of(observation)
    why = "the weights do not fit one rank; twice the ranks halve them"
    if ranks is None:
        yield Advice("--tensor-parallel-size", None, None, f"more ranks, if there are GPUs for them: {why}")
    else:
        yield Advice("--tensor-parallel-size", ranks, ranks * 2, why)
    yield Advice("--quantization", None, None, "or a checkpoint with smaller, quantised weights (FP8, AWQ, NVFP4)")


def _smaller_peak(failure: families.OutOfMemory, observation: Observation) -> Iterator[Advice]:
    yield from _smaller_batch(observation)
    yield Advice(
        "--limit-mm-per-prompt",
        observation.flags.get("limit_mm_per_prompt"),
        None,
        "smaller or fewer items are profiled",
    )
    yield _fewer_sequences(failure, observation)


def _smaller_batch(observation: Observation) -> Iterator[Advice]:
    batch = whole(observation.flags.get("max_num_batched_tokens", observation.max_num_batched_tokens))
    half = batch // 2 if batch and batch > 2048 else None
    yield Advice("--max-num-batched-tokens", batch, half, "a smaller batch has a smaller activation peak")


def _fewer_sequences(failure: families.OutOfMemory, observation: Observation) -> Advice:
    sequences = whole(observation.flags.get("max_num_seqs")) or failure.num_reqs
    if sequences is None:
        return Advice("--max-num-seqs", None, None, "fewer concurrent requests need less memory for logits and states")
    return Advice(
        "--max-num-seqs",
        sequences,
        max(1, sequences // 2),
        "half the concurrent requests halve the memory for logits and states",
    )


def _leave_more(
    failure: families.OutOfMemory, observation: Observation, version: EngineVersion | None
) -> Iterator[Advice]:
    """Leave what was missing, and 2 % more, outside the KV cache."""
    missing = max(0, (failure.tried_alloc_bytes or 0) - (failure.free_bytes or 0))
    pinned = kv_bytes_pinned(observation)
    if pinned is not None:
        target = pinned - missing - pinned // 50
        why = (
            f"{format_gib(missing)} were missing outside the KV cache, and 2 % to spare; the utilisation does not count"
        )
        yield Advice("--kv-cache-memory-bytes", pinned, target if target > 0 else None, why)
        return
    present = utilization_of(observation, version)
    if present is None or (failure.tried_alloc_bytes is not None and failure.total_bytes is None):
        yield Advice(
            "--gpu-memory-utilization", present, None, "lower by 0.02 to 0.05, to leave more outside the KV cache"
        )
        return
    share = missing / failure.total_bytes if failure.total_bytes else 0.0
    yield Advice(
        "--gpu-memory-utilization",
        present,
        math.floor((present - share - 0.02) * 100 + 1e-9) / 100,
        f"{format_gib(missing)} were missing outside the KV cache, and 0.02 to spare",
    )
