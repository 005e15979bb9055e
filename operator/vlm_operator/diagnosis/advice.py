"""What would mend a failure? Flags with the exact next value and the arithmetic behind it; else the one thing to do."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from vlm_operator.diagnosis import failure as families
from vlm_operator.diagnosis.observation import Observation
from vlm_operator.diagnosis.result import Advice
from vlm_operator.engine.log_wordings import KINDS
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.units import GIB, format_gib

NULL_BLOCK_SINCE: Final = EngineVersion(0, 29)
"""From here on vLLM's estimate leaves out the null block itself (0.29.0 v1/core/kv_cache_utils.py
``_estimate_max_model_len``); before, a start with the estimate failed again."""

DEFAULT_UTILIZATION_SINCE: Final = EngineVersion(0, 20)
"""``--gpu-memory-utilization`` is 0.92 where it is not set, 0.9 before (``config/cache.py``)."""

DEFAULT_BLOCK_SIZE: Final = 16
"""Tokens per KV block where the log names no other (``config/cache.py``)."""

_ROUNDING_GIB: Final = 0.01
"""Two figures printed with two decimals: each may be off by 0.005 GiB."""

_CONTEXT_RELEASE_GIB: Final = 0.1
"""Left free on top, because the CUDA context is made after the snapshot."""


def advise(failure: families.Failure, observation: Observation, version: str | None) -> tuple[Advice, ...]:
    """What to change after ``failure``, best first; never empty for a failure with a known reason."""
    engine = _release(version)
    advisor = _ADVISORS.get(failure.reason)
    found = tuple(advisor(failure, observation, engine)) if advisor is not None else ()
    remedy = next((kind.remedy for kind in KINDS if kind.name == failure.kind), None)
    if found or remedy is None:
        return found or (Advice(None, None, None, "Read the exception and the lines above it in the log."),)
    return (Advice(None, None, None, remedy),)


def _release(version: str | None) -> EngineVersion | None:
    """The release, or None where the log says none or a development build's number that means nothing."""
    if version is None:
        return None
    try:
        release = EngineVersion.parse(version)
    except InputError:
        return None
    return release if release >= EngineVersion(0, 6) else None


def utilization_of(observation: Observation, version: EngineVersion | None) -> float | None:
    """``--gpu-memory-utilization`` of the start: as printed, or the release's default where the flags were printed."""
    value = observation.flags.get("gpu_memory_utilization", observation.utilization)
    if isinstance(value, int | float):
        return float(value)
    if version is None or not observation.flags:
        return None
    return 0.92 if version >= DEFAULT_UTILIZATION_SINCE else 0.9


def utilization_limit(free_gib: float, total_gib: float) -> float:
    """Largest utilisation that passes vLLM's check of free memory, in steps of 0.01."""
    return max(0.0, math.floor((free_gib - _CONTEXT_RELEASE_GIB) / total_gib * 100 + 1e-9) / 100)


def _raise_utilization(missing_gib: float, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    """Utilisation that yields ``missing_gib`` more, if total, present value and free memory allow it."""
    present, total = utilization_of(observation, version), observation.total_gib
    if present is None or not total:
        return
    wanted = math.ceil((present + (missing_gib + _ROUNDING_GIB) / total) * 100 - 1e-9) / 100
    free = observation.free_gib
    limit = utilization_limit(free, total) if free is not None else 0.99
    if wanted <= limit:
        bound = f"{free:g} of {total:g} GiB were free" if free is not None else "free memory is not in the log"
        yield Advice(
            "--gpu-memory-utilization",
            present,
            wanted,
            f"{missing_gib:.2f} GiB are missing: {present:g} + {missing_gib:.2f} / {total:g} GiB, rounded up; {bound}",
            exact=free is not None,
        )


def _kv_cache_too_small(
    failure: families.Failure, observation: Observation, version: EngineVersion | None
) -> Iterator[Advice]:
    assert isinstance(failure, families.KVCacheTooSmall)
    length = failure.max_model_len
    block = _block_size(observation)
    if failure.kv_cache_tokens is not None:
        yield Advice(
            "--max-model-len",
            length,
            failure.kv_cache_tokens,
            f"the KV cache holds {failure.kv_cache_tokens} tokens",
            exact=True,
        )
    elif failure.estimated_max_len is not None:
        estimate = failure.estimated_max_len
        if version is not None and version >= NULL_BLOCK_SINCE:
            target, why = estimate // block * block, f"vLLM estimates that {estimate} tokens fit"
        else:
            target = max(0, estimate - block) // block * block
            why = f"vLLM estimates {estimate} tokens but forgets one block of {block} before 0.29"
            if version is not None and EngineVersion(0, 14) <= version < EngineVersion(0, 19):
                why += "; 0.14 to 0.18 price only the first KV group, so a hybrid model may need less still"
        if target > 0:
            yield Advice("--max-model-len", length, target, f"{why}, in whole blocks of {block}", exact=True)
    elif length and failure.needed_bytes and failure.available_bytes and failure.available_bytes > 0:
        target = max(0, length * failure.available_bytes // failure.needed_bytes - block) // block * block
        if target > 0:
            yield Advice(
                "--max-model-len",
                length,
                target,
                f"{format_gib(failure.available_bytes)} of the {format_gib(failure.needed_bytes)} that {length} tokens "
                f"need, less one block of {block}; an upper bound, since part of the need may not grow with length",
            )
    if failure.needed_bytes is not None and failure.available_bytes is not None:
        missing = (failure.needed_bytes - failure.available_bytes) / GIB
        if "VLLM_CPU_KVCACHE_SPACE" in failure.message or observation.device == "CPU":
            yield Advice(
                "VLLM_CPU_KVCACHE_SPACE",
                None,
                math.ceil(failure.needed_bytes / GIB),
                f"{format_gib(failure.needed_bytes)} are needed",
            )
        else:
            yield from _raise_utilization(missing, observation, version)
    if observation.flags.get("kv_cache_dtype", "auto") == "auto":
        yield Advice("--kv-cache-dtype", "auto", "fp8", "halves the bytes of a token where GPU and model allow it")


def _no_kv_memory(
    failure: families.Failure, observation: Observation, version: EngineVersion | None
) -> Iterator[Advice]:
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
        yield from _raise_utilization(-observation.kv_gib + 1.0, observation, version)
    batch = _whole(observation.flags.get("max_num_batched_tokens", observation.max_num_batched_tokens))
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
        yield Advice("--gpu-memory-utilization", present, None, "higher, as far as memory is free at the start")


def _free_memory_too_low(
    failure: families.Failure, observation: Observation, version: EngineVersion | None
) -> Iterator[Advice]:
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
            f"{free:.2f} of {total:.2f} GiB are free: ({free:.2f} - {_CONTEXT_RELEASE_GIB}) / {total:.2f}, "
            "rounded down",
            exact=True,
        )


def _out_of_memory(
    failure: families.Failure, observation: Observation, version: EngineVersion | None
) -> Iterator[Advice]:
    assert isinstance(failure, families.OutOfMemory)
    flags = observation.flags
    ranks, sequences = _whole(flags.get("tensor_parallel_size")) or 1, _whole(flags.get("max_num_seqs"))
    batch = _whole(flags.get("max_num_batched_tokens", observation.max_num_batched_tokens))
    fewer = Advice(
        "--max-num-seqs",
        sequences or failure.num_reqs,
        (sequences or failure.num_reqs or 2) // 2 or None,
        "half the requests at once halve logits and state",
    )
    if sequences is None and failure.num_reqs is None:
        fewer = Advice("--max-num-seqs", None, None, "fewer requests at once need less logits and state")
    if failure.stage == "load":
        yield Advice(
            "--tensor-parallel-size", ranks, ranks * 2, "the weights do not fit one rank; twice the ranks halve them"
        )
        yield Advice("--quantization", None, None, "or a checkpoint with smaller weights")
    elif failure.stage in ("profile", "graph_estimate", None):
        yield Advice(
            "--max-num-batched-tokens",
            batch,
            batch // 2 if batch and batch > 2048 else None,
            "a smaller batch has a smaller activation peak",
        )
        yield Advice(
            "--limit-mm-per-prompt", flags.get("limit_mm_per_prompt"), None, "smaller or fewer items are profiled"
        )
        yield fewer
    elif failure.stage == "sampler":
        yield fewer
    if failure.stage in ("kv_alloc", "graph", "sampler", "serving"):
        yield from _lower_utilization(failure, observation, version)
    if failure.stage == "graph":
        yield fewer
        yield Advice("--enforce-eager", flags.get("enforce_eager", False), True, "no CUDA graphs, slower decoding")
    elif failure.stage == "serving" and batch:
        yield Advice("--max-num-batched-tokens", batch, batch // 2, "a smaller batch has a smaller activation peak")


def _lower_utilization(
    failure: families.OutOfMemory, observation: Observation, version: EngineVersion | None
) -> Iterator[Advice]:
    """Leave what was missing, and 2 % more, outside the KV cache."""
    present = utilization_of(observation, version)
    missing = max(0, (failure.tried_alloc_bytes or 0) - (failure.free_bytes or 0))
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


def _context(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    assert isinstance(failure, families.ContextFailure)
    if failure.reason == "ContextAboveModelMaximum":
        if failure.derived_max_len is not None:
            yield Advice(
                "--max-model-len",
                failure.max_model_len,
                failure.derived_max_len,
                "the largest that the model's config.json allows",
                exact=True,
            )
        return
    yield Advice(
        "--max-num-batched-tokens",
        failure.max_num_batched_tokens,
        failure.max_model_len,
        "without chunked prefill a batch must hold a whole prompt",
        exact=True,
    )
    yield Advice(
        "--max-model-len",
        failure.max_model_len,
        failure.max_num_batched_tokens,
        "or a context that fits the batch",
        exact=True,
    )


def _batch(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    assert isinstance(failure, families.BatchFailure)
    match failure.reason:
        case "BatchedTokensBelowSequences":
            yield Advice(
                "--max-num-seqs",
                failure.max_num_seqs,
                failure.max_num_batched_tokens,
                "each sequence takes at least one token of a batch",
                exact=True,
            )
        case "ItemAboveBatchedTokens":
            yield Advice(
                "--max-num-batched-tokens",
                failure.max_num_batched_tokens,
                failure.max_tokens_per_mm_item,
                "a batch must hold the largest item whole",
                exact=True,
            )
        case "BatchedTokensBelowMambaBlock":
            yield Advice(
                "--max-num-batched-tokens",
                failure.max_num_batched_tokens,
                failure.block_size,
                "a batch must hold one aligned block",
                exact=True,
            )
        case _:
            yield Advice(
                "--max-num-seqs",
                failure.max_num_seqs,
                failure.mamba_blocks,
                "each sequence needs a state block of its own",
                exact=True,
            )


def _parallel(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    assert isinstance(failure, families.ParallelFailure)
    ranks = failure.tensor_parallel_size or _whole(observation.flags.get("tensor_parallel_size"))
    if failure.num_heads is not None and ranks is not None:
        divisor = next((n for n in range(min(ranks, failure.num_heads), 0, -1) if failure.num_heads % n == 0), 1)
        yield Advice(
            "--tensor-parallel-size",
            ranks,
            divisor,
            f"the largest size up to {ranks} that divides {failure.num_heads} heads",
            exact=True,
        )
    elif failure.gpus is not None and failure.gpus > 0:
        target = 1 << (failure.gpus.bit_length() - 1)
        yield Advice(
            "--tensor-parallel-size",
            ranks or failure.world_size,
            target,
            f"{failure.gpus} GPUs are visible; a power of two divides most models' heads",
        )
        yield Advice(None, failure.gpus, failure.world_size, "or give the pod that many GPUs (nvidia.com/gpu)")
    elif ranks is not None and ranks > 1 and failure.reason == "TensorParallelNotDivisible":
        yield Advice(
            "--tensor-parallel-size", ranks, ranks // 2, f"{failure.size} is not divisible by {failure.divisor}"
        )


def _multimodal(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    assert isinstance(failure, families.MultimodalFailure)
    if failure.reason == "ChunkedInputRequired":
        yield Advice("--disable-chunked-mm-input", True, False, "this model must be able to split items", exact=True)
    elif failure.modality is not None:
        yield Advice(
            "--limit-mm-per-prompt",
            {failure.modality: failure.limit},
            {failure.modality: failure.supported},
            "the model supports no more",
            exact=True,
        )


def _unsupported(
    failure: families.Failure, observation: Observation, version: EngineVersion | None
) -> Iterator[Advice]:
    assert isinstance(failure, families.UnsupportedConfiguration)
    flags = observation.flags
    match failure.reason:
        case "UnknownArgument":
            text = failure.args or failure.arg or ""
            flag = text.split()[0].partition("=")[0] if text.split() else None
            value = failure.numbers.get("value") or failure.numbers.get("value2")
            yield Advice(
                flag, value or (failure.args or None), None, "this vLLM does not know it, or cannot read its value"
            )
        case "DtypeUnsupportedByGPU":
            yield Advice(
                "--dtype",
                "bfloat16",
                "half",
                "the GPU has no bfloat16; check that the model works in float16",
                exact=True,
            )
        case "QuantizationDtypeUnsupported":
            names = [name.strip().removeprefix("torch.") for name in (failure.supported or "").strip("[]").split(",")]
            dtype = str(failure.numbers.get("dtype", "")).removeprefix("torch.")
            yield Advice(
                "--dtype",
                dtype or None,
                names[0] or None,
                f"{failure.method} works with {', '.join(names)}",
                exact=bool(names[0]),
            )
        case "QuantizationConfigInvalid":
            yield Advice(
                "--quantization",
                failure.method,
                failure.model_method,
                "leave it to the checkpoint, which names its own",
            )
        case "AttentionBackendUnsupported":
            if flags.get("kv_cache_dtype", "auto") != "auto" or "kv" in failure.message.lower():
                yield Advice(
                    "--kv-cache-dtype", flags.get("kv_cache_dtype"), "auto", "no backend has this KV type on this GPU"
                )
            yield Advice("--attention-backend", flags.get("attention_backend"), None, "let vLLM choose")


def _timeout(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    assert isinstance(failure, families.NodeFailure)
    if failure.seconds is not None:
        yield Advice(
            "VLLM_ENGINE_READY_TIMEOUT_S",
            failure.seconds,
            failure.seconds * 2,
            "twice the time, or weights cached on the node",
        )


def _trust(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    yield Advice("--trust-remote-code", False, True, "a decision of yours: the repository's own code would run")


def _request(failure: families.Failure, observation: Observation, version: EngineVersion | None) -> Iterator[Advice]:
    assert isinstance(failure, families.RequestFailure)
    match failure.reason:
        case "PromptTooLong":
            total = failure.prompt_len or _whole(failure.numbers.get("total"))
            block = _block_size(observation)
            target = -(-(total + 1) // block) * block if total else None
            yield Advice(
                "--max-model-len",
                failure.max_model_len,
                target,
                "only if such prompts are meant to be served: it costs KV cache; the server is healthy",
            )
        case "ItemLimitExceeded":
            limit = {failure.modality: failure.limit} if failure.modality else None
            count = {failure.modality: failure.count} if failure.modality and failure.count else None
            yield Advice(
                "--limit-mm-per-prompt",
                limit,
                count,
                "only if so many items are meant to be served; the server is healthy",
            )
        case _:
            size = failure.embed_tokens or _whole(failure.numbers.get("embeds"))
            yield Advice(
                "--max-num-batched-tokens",
                failure.encoder_cache_size,
                size,
                "the encoder cache is as large as the batch; or cap pixels with --mm-processor-kwargs; "
                "the server is healthy",
            )


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _block_size(observation: Observation) -> int:
    return _whole(observation.flags.get("block_size")) or observation.block_size or DEFAULT_BLOCK_SIZE


_Advisor = Callable[[families.Failure, Observation, EngineVersion | None], Iterator[Advice]]
_BY_FAMILY: Final[Mapping[type[families.Failure], _Advisor]] = {
    families.KVCacheTooSmall: _kv_cache_too_small,
    families.NoKVCacheMemory: _no_kv_memory,
    families.FreeMemoryTooLow: _free_memory_too_low,
    families.OutOfMemory: _out_of_memory,
    families.ContextFailure: _context,
    families.BatchFailure: _batch,
    families.ParallelFailure: _parallel,
    families.MultimodalFailure: _multimodal,
    families.UnsupportedConfiguration: _unsupported,
    families.RequestFailure: _request,
}
_ADVISORS: Final[Mapping[str, _Advisor]] = {
    **{reason: advisor for family, advisor in _BY_FAMILY.items() for reason in family.reasons},
    "EngineStartTimeout": _timeout,
    "TrustRemoteCodeRequired": _trust,
}
