"""What could be changed so that it fits? Bounded changes to flags the user left free, each with its price.

A lever is one thing to pull; its levels are tried from the mildest on. The cheapest combination of levels that fits
the low bound wins, not the first lever that happens to help.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.gpu.facts import GPUFacts
from vlm_operator.model.facts import LatentCache, ModelFacts
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.item_levers import item_levers
from vlm_operator.planning.lever import Apply, Level, Lever
from vlm_operator.planning.limits import without
from vlm_operator.planning.workload import RequestSize, modalities_of
from vlm_operator.units import format_gib

GRAPHS_CHARGED_SINCE: Final = EngineVersion(0, 20)
"""First release that takes the CUDA-graph estimate from the KV cache (``v1/worker/gpu_worker.py``)."""

FP8_KV_COMPUTE_CAPABILITY: Final = (8, 9)
"""Ada and later store the KV cache in FP8 with every attention backend; before, it depends on the backend."""

SEARCH_LIMIT: Final = 1500
"""Combinations judged before the search settles for a good one instead of the cheapest."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the levers may not go beyond, and how flags follow a workload that caps have shrunk.

    Attributes:
        ceiling: highest utilisation that is free at start.
        least_context: shortest context for these flags, tokens.
        refit: the flags with context and batch as short as the workload needs under their caps.
        request: one request as described, None where nobody described one.
    """

    ceiling: float
    least_context: Callable[[EngineSettings], int]
    refit: Callable[[EngineSettings], EngineSettings]
    request: RequestSize | None = None


def _set(**changes: object) -> Apply:
    return lambda settings: settings.with_(**changes)


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
    version = intent.version
    current = base.gpu_memory_utilization or 0.0
    ceiling = bounds.ceiling
    if "gpu_memory_utilization" not in pinned and ceiling > current:
        more = format_gib(int((ceiling - current) * gpu.total_bytes))
        found.append(
            Lever(
                "gpu_memory_utilization",
                (Level(1, f"takes {more} more of the GPU", _set(gpu_memory_utilization=ceiling)),),
                mild=True,
            )
        )
    found += _modality_levers(model, intent, base, pinned)
    if "max_num_batched_tokens" not in pinned:
        found.append(_batched_tokens(base))
    if "max_num_seqs" not in pinned:
        found.append(_sequences(base, intent))
    found += item_levers(model, intent, base, bounds.request, bounds.refit, pinned=pinned)
    if "enforce_eager" not in pinned and not base.enforce_eager and version >= GRAPHS_CHARGED_SINCE:
        eager = _set(enforce_eager=True)
        found.append(Lever("enforce_eager", (Level(9, "no CUDA graphs: tokens come slower", eager),)))
    if "kv_cache_dtype" not in pinned and intent.allow_fp8_kv_cache and fp8_kv_cache_allowed(model, gpu, base):
        cost = "keys and values in eight bits: half the memory a token, a small loss of precision"
        found.append(Lever("kv_cache_dtype", (Level(8, cost, _set(kv_cache_dtype="fp8")),)))
    if "max_model_len" not in pinned:
        found.append(_shorter_context(base, bounds.least_context, is_described=bounds.request is not None))
    return tuple(lever for lever in found if lever.levels)


def fp8_kv_cache_allowed(model: ModelFacts, gpu: GPUFacts, base: EngineSettings) -> bool:
    """True where the GPU stores FP8 keys and values whatever the attention backend, and the model has such a cache."""
    capability = gpu.compute_capability
    latent = any(isinstance(run.cache, LatentCache) for run in model.cache_layers)
    return (
        base.kv_cache_dtype == "auto" and capability is not None and capability >= FP8_KV_COMPUTE_CAPABILITY
    ) and not latent


def _modality_levers(
    model: ModelFacts, intent: Intent, base: EngineSettings, pinned: frozenset[str]
) -> Iterator[Lever]:
    """Switching off what nobody asked for. With a described workload that has been done already."""
    if "limit_mm_per_prompt" in pinned or intent.workload is not None:
        return
    modalities = modalities_of(model)
    for modality in ("audio", "video"):
        if modality in modalities and len(modalities) > 1 and base.enabled(modality):
            cost = f"requests with {modality} are refused; its share of the start-up peak is free"

            def off(settings: EngineSettings, name: str = modality) -> EngineSettings:
                return without(settings, name, modalities)

            yield Lever("limit_mm_per_prompt", (Level(6, cost, off),))


def _batched_tokens(base: EngineSettings) -> Lever:
    now = base.max_num_batched_tokens or 0
    cost = "prompts are read {:,} tokens at a time: a later first token on long ones"
    sizes = [size for size in (4096, 2048, 1024) if size < now and size >= (base.max_num_seqs or 1)]
    return Lever(
        "max_num_batched_tokens",
        tuple(Level(2 + step, cost.format(size), _set(max_num_batched_tokens=size)) for step, size in enumerate(sizes)),
        mild=True,
    )


def _sequences(base: EngineSettings, intent: Intent) -> Lever:
    now = base.max_num_seqs or 0
    wanted = (intent.workload.concurrent_requests if intent.workload else None) or 1
    sizes = [size for size in (64, 16, 4, 1) if wanted <= size < now]
    return Lever(
        "max_num_seqs",
        tuple(
            Level(2 + 2 * step, f"at most {size} requests at once; more wait", _set(max_num_seqs=size))
            for step, size in enumerate(sizes)
        ),
        mild=True,
    )


def _shorter_context(
    base: EngineSettings, least_context: Callable[[EngineSettings], int], *, is_described: bool
) -> Lever:
    """Halves of the context, then the least; where a request is described the least holds it, and costs little."""
    now, least = base.max_model_len or 0, least_context(base)
    sizes: list[int] = []
    size = now
    while size // 2 >= max(least, 1024) and len(sizes) < 4:
        size //= 2
        sizes.append(size)
    if least < (sizes[-1] if sizes else now):
        sizes.append(least)

    def shorten(size: int) -> Apply:
        def apply(settings: EngineSettings) -> EngineSettings:
            target = size if size > least else least_context(settings)
            return settings.with_(max_model_len=min(settings.max_model_len or target, target))

        return apply

    return Lever(
        "max_model_len",
        tuple(
            Level((4 if is_described else 10) + 4 * step, f"requests of at most {size:,} tokens", shorten(size))
            for step, size in enumerate(sizes)
        ),
    )


Choice = tuple[int, ...]
"""One level per lever, 0 for untouched, n for the n-th level."""


def apply_choice(settings: EngineSettings, found: tuple[Lever, ...], choice: Choice) -> EngineSettings:
    """``settings`` with the chosen level of every lever."""
    for lever, level in zip(found, choice, strict=True):
        if level:
            settings = lever.levels[level - 1].apply(settings)
    return settings


def cheapest(found: tuple[Lever, ...], fits: Callable[[Choice], bool]) -> Choice | None:
    """The cheapest combination that fits, or None where even all of them together do not.

    Combinations are judged in order of their summed price. Where too many would have to be, the search starts from
    everything pulled and lets go, dearest lever first, of what is not needed.
    """
    everything = tuple(len(lever.levels) for lever in found)
    if not fits(everything):
        return None
    start: Choice = (0,) * len(found)
    queue: list[tuple[float, Choice]] = [(0.0, start)]
    seen = {start}
    for _ in range(SEARCH_LIMIT):
        if not queue:
            break
        price, choice = heapq.heappop(queue)
        if fits(choice):
            return choice
        for place, lever in enumerate(found):
            level = choice[place]
            if level == len(lever.levels):
                continue
            step = lever.levels[level].weight - (lever.levels[level - 1].weight if level else 0)
            neighbour = (*choice[:place], level + 1, *choice[place + 1 :])
            if neighbour not in seen:
                seen.add(neighbour)
                heapq.heappush(queue, (price + step, neighbour))
    return _let_go(found, everything, fits)


def _let_go(found: tuple[Lever, ...], choice: Choice, fits: Callable[[Choice], bool]) -> Choice:
    places = sorted(range(len(found)), key=lambda place: -found[place].levels[choice[place] - 1].weight)
    for place in places:
        for level in range(choice[place]):
            lighter = (*choice[:place], level, *choice[place + 1 :])
            if fits(lighter):
                choice = lighter
                break
    return choice
