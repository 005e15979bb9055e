"""vLLM's defaults for unset flags, resolved as a release resolves them on a GPU.

Sources (vLLM): ``engine/arg_utils.py: EngineArgs.get_batch_defaults,
_set_default_max_num_seqs_and_batched_tokens_args, _set_default_chunked_prefill_and_prefix_caching_args``;
``config/cache.py: CacheConfig.gpu_memory_utilization``; ``config/vllm.py: VllmConfig._set_cudagraph_sizes,
use_v2_model_runner`` and the choice of asynchronous scheduling in ``__post_init__``; releases 0.11.2 to 0.32.0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from vlm_operator.engine.flags import COUNTED_FLAGS
from vlm_operator.engine.runner import model_runner
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.speculation import drafted_tokens
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.units import GIB

Usage = Literal["serve", "offline"]
"""``serve``: ``vllm serve``, the API server; ``offline``: the ``LLM`` class."""

_V0_14: Final = EngineVersion(0, 14)
_V0_20: Final = EngineVersion(0, 20)
_V0_22: Final = EngineVersion(0, 22)
_V0_28: Final = EngineVersion(0, 28)
_V0_32: Final = EngineVersion(0, 32)

_GB10: Final = (12, 1)
"""NVML does not tell its memory, so vLLM takes the small batch defaults (printed by start-ups of 0.13 and 0.25); 0.33
says so in its code."""

LARGE_MEMORY: Final = 70 * GIB
"""From here on, and unless the name says A100, vLLM takes the larger batch defaults."""
LARGEST_MEMORY: Final = 160 * GIB
"""From here on, and from 0.28, the API server batches 16,384 tokens."""


@dataclass(frozen=True, slots=True)
class ModelTraits:
    """What the defaults depend on, of a model.

    Attributes:
        architecture: class name as in ``config.json``.
        derived_max_model_len: longest context that vLLM derives from the config, tokens.
        mixture_of_experts: whether any layer has experts.
        hybrid: whether some layers keep a recurrent state instead of keys and values.
        quantized: whether the config has a ``quantization_config``.
        pooling: whether it serves embeddings, scores or classes instead of text.
        encoder_decoder: whether chunked prefill is impossible.
        prefix_language_model: whether images attend both ways inside the prompt (Gemma 3 and 4, PaliGemma …), so that
            one item must fit into one batch.
        largest_item_tokens: tokens of the largest enabled multimodal item, 0 for a text model.
    """

    architecture: str
    derived_max_model_len: int
    mixture_of_experts: bool = False
    hybrid: bool = False
    quantized: bool = False
    pooling: bool = False
    encoder_decoder: bool = False
    prefix_language_model: bool = False
    largest_item_tokens: int = 0


@dataclass(frozen=True, slots=True)
class DeviceTraits:
    """What the defaults depend on, of a GPU.

    Attributes:
        total_bytes: NVML's total; CUDA's does as well, no product lies between them at the thresholds.
        name: device name; vLLM looks for ``a100`` in it.
        compute_capability: (major, minor), None where not known.
    """

    total_bytes: int
    name: str = ""
    compute_capability: tuple[int, int] | None = None


def default_gpu_memory_utilization(version: EngineVersion) -> float:
    """``--gpu-memory-utilization`` where it is not given: 0.9, and 0.92 from 0.20."""
    return 0.92 if version >= _V0_20 else 0.9


def batch_defaults(version: EngineVersion, device: DeviceTraits, usage: Usage = "serve") -> tuple[int, int]:
    """(``max_num_seqs``, ``max_num_batched_tokens``) before they are fitted to the model."""
    large = device.total_bytes >= LARGE_MEMORY and "a100" not in device.name.lower()
    if device.compute_capability == _GB10:
        large = False
    if version >= _V0_28 and device.total_bytes >= LARGEST_MEMORY:
        return 1024, 16384
    if large:
        return 1024, 8192 if usage == "serve" else 16384
    return 256, 2048 if usage == "serve" else 8192


@lru_cache(maxsize=1024)
def capture_sizes(
    version: EngineVersion,
    *,
    max_num_seqs: int,
    max_num_batched_tokens: int,
    compute_capability: tuple[int, int] | None,
    largest: int | None = None,
    drafted_tokens: int = 0,
) -> tuple[int, ...]:
    """Batch sizes captured as CUDA graphs, ascending; ``largest`` is ``max_cudagraph_capture_size`` where given.

    ``drafted_tokens`` of speculative decoding are part of a decoding batch (``uniform_decode_query_len``).

    Source: ``VllmConfig._set_cudagraph_sizes`` (0.11.2, 0.15.1, 0.20.2, 0.32.0).
    """
    computed = largest is None
    decoding = 1 + drafted_tokens
    ceiling = 1024 if version >= _V0_32 and compute_capability and compute_capability[0] == 10 else 512
    if largest is None:
        largest = min(max_num_seqs * decoding * 2, ceiling)
    whole_batches: tuple[int, ...] = ()
    if computed and version >= _V0_32:
        counts = _strided(min(max_num_seqs, ceiling)) if drafted_tokens else set()
        whole_batches = tuple(count * decoding for count in (*counts, max_num_seqs) if count * decoding <= largest)
    largest = min(largest, max_num_batched_tokens)
    sizes = _strided(largest)
    if version >= _V0_20 and max_num_batched_tokens <= largest:
        sizes.add(max_num_batched_tokens)
    sizes.update(size for size in whole_batches if size <= largest)
    return tuple(sorted(sizes))


def _strided(largest: int) -> set[int]:
    """1, 2, 4, multiples of 8 up to 256 and of 16 beyond, up to ``largest``."""
    return {size for size in (1, 2, 4) if size <= largest} | {
        *range(8, min(largest + 1, 256), 8),
        *range(256, largest + 1, 16),
    }


@lru_cache(maxsize=4096)
def resolve(
    settings: EngineSettings,
    version: EngineVersion,
    model: ModelTraits,
    device: DeviceTraits,
    usage: Usage = "serve",
) -> EngineSettings:
    """The settings with everything filled in that the start-up budget depends on. Set flags are kept as they are.

    Raises:
        InputError: a flag that vLLM refuses at once (a share outside 0 to 1, a count below 1).
    """
    check(settings)
    max_model_len = settings.max_model_len or model.derived_max_model_len
    chunked = settings.enable_chunked_prefill
    if chunked is None:
        chunked = not model.encoder_decoder
    defaults = batch_defaults(version, device, usage)
    seqs, max_num_batched_tokens = _batch(
        settings.with_(max_model_len=max_model_len, enable_chunked_prefill=chunked), version, model, defaults
    )
    runner = settings.runner or model_runner(
        version,
        architecture=model.architecture,
        mixture_of_experts=model.mixture_of_experts,
        hybrid=model.hybrid,
        quantized=model.quantized,
        pooling=model.pooling,
    )
    sizes = settings.cudagraph_capture_sizes
    if settings.enforce_eager:
        sizes = ()
    elif sizes is not None:
        sizes = tuple(sorted({size for size in sizes if size <= max_num_batched_tokens}))
    else:
        sizes = capture_sizes(
            version,
            max_num_seqs=seqs,
            max_num_batched_tokens=max_num_batched_tokens,
            compute_capability=device.compute_capability,
            largest=settings.max_cudagraph_capture_size,
            drafted_tokens=drafted_tokens(settings),
        )
    asynchronous = settings.async_scheduling
    if asynchronous is None:
        asynchronous = version >= _V0_14 and not model.pooling
        if version >= _V0_32 and settings.pipeline_parallel_size > 1 and runner == "V1":
            asynchronous = False
    utilization = settings.gpu_memory_utilization
    return settings.with_(
        max_model_len=max_model_len,
        gpu_memory_utilization=utilization if utilization is not None else default_gpu_memory_utilization(version),
        max_num_seqs=seqs,
        max_num_batched_tokens=max_num_batched_tokens,
        enable_chunked_prefill=chunked,
        cudagraph_capture_sizes=sizes,
        max_cudagraph_capture_size=sizes[-1] if sizes else 0,
        async_scheduling=asynchronous,
        runner=runner,
    )


def _batch(
    settings: EngineSettings, version: EngineVersion, model: ModelTraits, defaults: tuple[int, int]
) -> tuple[int, int]:
    """(sequences, tokens) of a batch, ``settings`` with context and chunked prefill resolved."""
    default_seqs, tokens = defaults
    length = settings.max_model_len or 0
    seqs = settings.max_num_seqs if settings.max_num_seqs is not None else default_seqs
    if settings.max_num_batched_tokens is not None:
        tokens = settings.max_num_batched_tokens
    else:
        if not settings.enable_chunked_prefill:
            tokens = max(tokens, length)
        if version >= _V0_22 and model.prefix_language_model:
            tokens = max(tokens, model.largest_item_tokens)
        tokens = min(tokens, seqs * length)
    return (min(seqs, tokens) if settings.max_num_seqs is None else seqs), tokens


def check(settings: EngineSettings) -> None:
    """Refuse flags that vLLM refuses before it looks at the model.

    Raises:
        InputError: naming the flag, its value and what is allowed.
    """
    share = settings.gpu_memory_utilization
    if share is not None and (not math.isfinite(share) or not 0 < share <= 1):
        raise InputError(
            f"gpu-memory-utilization: {share} is not above 0 and at most 1",
            field="gpu_memory_utilization",
            hint="it is the share of the GPU's memory that vLLM may take, for instance 0.9",
        )
    for flag in COUNTED_FLAGS:
        value = getattr(settings, flag)
        if value is not None and value < 1:
            raise InputError(f"{flag.replace('_', '-')}: {value} is not at least 1", field=flag)
    seqs, tokens = settings.max_num_seqs, settings.max_num_batched_tokens
    if seqs is not None and tokens is not None and tokens < seqs:
        raise InputError(
            f"max-num-batched-tokens: {tokens} is less than max-num-seqs ({seqs}): "
            "every running request needs a token of the batch",
            field="max_num_batched_tokens",
            hint=f"raise --max-num-batched-tokens to {seqs} or more, or lower --max-num-seqs to {tokens} or less",
        )
