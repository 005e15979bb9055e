"""The ladder: bounded changes to flags the user left free, each with its price.

A lever is one flag (or one modality of a flag); its levels go from the mildest on. Which of them are pulled together is
decided in ``combination``, and whether they are preferred to more GPUs by whether they are mild (``lever``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Final

from vlm_operator.engine.budget_rules import GRAPHS_CHARGED_SINCE
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import LatentCache, ModelFacts, StateCache
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.item_levers import item_levers
from vlm_operator.planning.lever import Apply, Bounds, Level, Lever, setting
from vlm_operator.planning.limits import without
from vlm_operator.planning.workload import SHORTEST_CONTEXT, modalities_of
from vlm_operator.units import format_gib

FP8_KV_COMPUTE_CAPABILITY: Final = (8, 9)
"""Ada and later store the KV cache in FP8 with every attention backend; before, it depends on the backend."""


def levers(
    model: ModelFacts,
    gpu: GPUFacts,
    intent: Intent,
    base: EngineSettings,
    bounds: Bounds,
    *,
    pinned: frozenset[str],
) -> tuple[Lever, ...]:
    """Every lever the user left free, in the order they read best.

    Args:
        base: the resolved flags the levers start from.
        bounds: what they may not go beyond.
        pinned: fields that may not change.
    """
    found: list[Lever] = []
    current = base.gpu_memory_utilization or 0.0
    hybrid = any(isinstance(run.cache, StateCache) for run in model.cache_layers)
    if "gpu_memory_utilization" not in pinned:
        found.append(_utilization(bounds.ceiling, bounds.highest, current, gpu.total_bytes))
    if "limit_mm_per_prompt" not in pinned and intent.workload is None:
        # With a described workload, what nobody asked for has been switched off already.
        found += _modalities(modalities_of(model), base)
    if "max_num_batched_tokens" not in pinned:
        sequences = base.sequences
        least = sequences if "max_num_seqs" in pinned else 1
        found.append(_batched_tokens(base.batch_tokens, sequences, least, hybrid=hybrid))
    if "max_num_seqs" not in pinned:
        wanted = intent.workload.concurrent_requests if intent.workload else None
        found.append(_sequences(base.sequences, wanted or 1))
    found += item_levers(model, intent, base, bounds.request, pinned=pinned)
    if "enforce_eager" not in pinned and not base.enforce_eager and (hybrid or intent.version >= GRAPHS_CHARGED_SINCE):
        found.append(_EAGER)
    if "kv_cache_dtype" not in pinned and intent.allow_fp8_kv_cache and fp8_kv_cache_allowed(model, gpu, base):
        found.append(_FP8_KV_CACHE_OF_HYBRIDS if hybrid else _FP8_KV_CACHE)
    if "max_model_len" not in pinned:
        least = bounds.least_context(base)
        found.append(_shorter_context(base.context_tokens, least, is_described=bounds.request is not None))
    return tuple(lever for lever in found if lever.levels)


def fp8_kv_cache_allowed(model: ModelFacts, gpu: GPUFacts, base: EngineSettings) -> bool:
    """True where the GPU stores FP8 keys and values whatever the attention backend, and the model has such a cache."""
    capability = gpu.compute_capability
    latent = any(isinstance(run.cache, LatentCache) for run in model.cache_layers)
    return (
        base.kv_cache_dtype == "auto" and capability is not None and capability >= FP8_KV_COMPUTE_CAPABILITY
    ) and not latent


_EAGER: Final = Lever(
    "enforce_eager",
    (Level(9, "no CUDA graphs: slower decoding", setting(enforce_eager=True)),),
    only_helps=True,
)
_FP8_KV_CACHE: Final = Lever(
    "kv_cache_dtype",
    (
        Level(
            8,
            "8-bit KV cache: half the memory for each token, a small loss of precision",
            setting(kv_cache_dtype="fp8"),
        ),
    ),
    only_helps=True,
)
_FP8_KV_CACHE_OF_HYBRIDS: Final = replace(_FP8_KV_CACHE, only_helps=False, may_take_memory=True)
"""Recurrent states keep their size, and the attention blocks that are aligned to them may grow."""


@lru_cache(maxsize=256)
def _utilization(ceiling: float, highest: float, current: float, total_bytes: int) -> Lever:
    """More of the GPU, as far as it is free: for certain, then by the best estimate."""
    levels: list[Level] = []
    for share, weight in ((ceiling, 1), (highest, 5)):
        if share > (ceiling if levels else current):
            cost = f"uses {format_gib(int((share - current) * total_bytes))} more GPU memory"
            levels.append(Level(weight, cost, setting(gpu_memory_utilization=share), mild=True))
    return Lever("gpu_memory_utilization", tuple(levels), only_helps=True)


def _modalities(modalities: tuple[str, ...], base: EngineSettings) -> Iterator[Lever]:
    """Switching off what nobody asked for."""
    for modality in ("audio", "video"):
        if modality in modalities and len(modalities) > 1 and base.enabled(modality):
            yield _switched_off(modality, modalities)


@lru_cache(maxsize=64)
def _switched_off(modality: str, modalities: tuple[str, ...]) -> Lever:
    cost = f"requests with {modality} are rejected; vLLM reserves no memory for it at start"
    off = Level(6, cost, lambda settings, bounds: without(settings, modality, modalities), mild=True)
    return Lever("limit_mm_per_prompt", (off,), modality)


BATCH_SIZES: Final = ((4096, 2), (2048, 3), (1024, 4), (512, 6), (256, 8))
"""Batches tried, tokens, and their weights."""


@lru_cache(maxsize=256)
def _batched_tokens(now: int, sequences: int, least: int, *, hybrid: bool) -> Lever:
    """Smaller batches, mild; every running request needs a token of the batch.

    Args:
        least: sequences that the user pinned: no batch is smaller.
        hybrid: the model has recurrent states: a smaller batch may make the blocks larger that are aligned to them.
    """
    levels: list[Level] = []
    first_weight: int | None = None
    for size, weight in BATCH_SIZES:
        if not least <= size < now:
            continue
        first_weight = weight if first_weight is None else first_weight
        cost = f"prefill in chunks of {size:,} tokens: higher time to first token on long prompts"
        if size < sequences:
            cost += f"; at most {size:,} concurrent requests"
        levels.append(Level(2 + weight - first_weight, cost, setting(max_num_batched_tokens=size), mild=True))
    return Lever("max_num_batched_tokens", tuple(levels), may_take_memory=hybrid)


def sequences_level(size: int, weight: float, *, mild: bool) -> Level:
    """The level that serves at most ``size`` requests at once."""
    return Level(
        weight, f"at most {size:,} concurrent requests; further requests queue", setting(max_num_seqs=size), mild=mild
    )


@lru_cache(maxsize=256)
def _sequences(now: int, wanted: int) -> Lever:
    """Fewer requests at once: mild down to the number described, dear below it.

    The levels are coarse: what is chosen is raised to the most that fit (``Attempt``).
    """
    sizes, size = {wanted} if wanted < now else set(), now
    while size > 1:
        size = max(size // (2 if size > FEW_SEQUENCES else 4), 1)
        sizes.add(size)
    levels: list[Level] = []
    weight = 1.0
    for size in sorted(sizes, reverse=True):
        weight += 0.5 if size >= FEW_SEQUENCES else 2
        levels.append(sequences_level(size, weight + (0 if size >= wanted else 10), mild=size >= wanted))
    return Lever("max_num_seqs", tuple(levels))


FEW_SEQUENCES: Final = 64
"""Above it half as many sequences cost next to nothing: a KV cache seldom holds more requests at once."""


def request_limit(context: int) -> str:
    """The price of a context of so many tokens."""
    return f"requests of at most {context:,} tokens"


@lru_cache(maxsize=1024)
def _shorter_context(now: int, least: int, *, is_described: bool) -> Lever:
    """Halves of the context, then the least; where a request is described the least holds it, and costs little."""
    sizes: list[int] = []
    size = now
    while size // 2 >= max(least, SHORTEST_CONTEXT) and len(sizes) < 4:
        size //= 2
        sizes.append(size)
    if least < (sizes[-1] if sizes else now):
        sizes.append(least)

    def shorten(size: int) -> Apply:
        def apply(settings: EngineSettings, bounds: Bounds) -> EngineSettings:
            target = size if size > least else bounds.least_context(settings)
            return settings.with_(max_model_len=min(settings.max_model_len or target, target))

        return apply

    cheapest_weight = 4 if is_described else 10
    levels = (Level(cheapest_weight + 4 * step, request_limit(size), shorten(size)) for step, size in enumerate(sizes))
    return Lever("max_model_len", tuple(levels))
