"""Compute the ``KVLayout`` of one model under given flags, as a release lays its KV cache out.

The answer is cached per model, flags and release: planning asks for the same layout many times.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from vlm_operator.capacity.as_served import as_served
from vlm_operator.capacity.kv.grouping import LayerGroup, group_layers, stage_of_layers
from vlm_operator.capacity.kv.layout import KVGroup, KVLayout, WeightedDemands, weighted
from vlm_operator.capacity.kv.page import CacheKind, LayerPage, RankShape, heads_on_rank, layer_page
from vlm_operator.capacity.kv.sparse import index_block_size, sparse_token_bytes
from vlm_operator.capacity.kv.state import StateBlocks, element_bytes, state_blocks, state_mode
from vlm_operator.engine.architecture_drafters import mixing_of
from vlm_operator.engine.kv_cache_rules import (
    DEFAULT_BATCHED_TOKENS,
    DEFAULT_BLOCK_SIZE,
    KERNEL_BLOCK_SIZE,
    KVCacheRules,
    NeededBytes,
    StateMode,
    cache_element_bytes,
    kv_cache_rules,
)
from vlm_operator.engine.runner import model_runner
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.speculation import drafted_tokens, speculation_of
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import InputError
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.model.facts import AttentionCache, CacheLayer, LatentCache, ModelFacts, StateCache

LARGEST_PARALLEL_SIZE = 1024
"""Ranks beyond which a figure is a mistake."""


class _Flags(NamedTuple):
    """The flags that the layout depends on, under vLLM's names."""

    tensor_parallel_size: int
    pipeline_parallel_size: int
    kv_cache_dtype: str
    block_size: int | None
    max_num_batched_tokens: int | None
    async_scheduling: bool
    enable_prefix_caching: bool | None
    runner: str | None
    pp_layer_partition: tuple[int, ...] | None
    drafted_tokens: int
    drafts_with_module: bool
    version: EngineVersion
    compute_capability: tuple[int, int] | None


def kv_layout(
    model: ModelFacts,
    settings: EngineSettings,
    version: EngineVersion,
    compute_capability: tuple[int, int] | None = None,
) -> KVLayout:
    """The KV cache of the tightest rank: that of the pipeline stage whose blocks cost most.

    Flags left unset are taken as without a GPU: blocks of 16 tokens, 2048 batched tokens, no asynchronous scheduling,
    the release's default for prefix caching.

    Args:
        compute_capability: of the GPU, ``CPU_CAPABILITY`` for the CPU backend; None where it is not known: then the
            larger of what it may be holds.

    Raises:
        InputError: a flag is out of range, or the model cannot be divided over the ranks.
        UnknownFact: the release, the cache type or an alignment is not known.
    """
    served = as_served(model, settings, version)
    return _layout(served, _flags_of(served, settings, version, compute_capability))


def stage_layouts(
    model: ModelFacts,
    settings: EngineSettings,
    version: EngineVersion,
    compute_capability: tuple[int, int] | None = None,
) -> tuple[KVLayout, ...]:
    """The KV cache of a rank of each pipeline stage, the first stage first; each is checked on its own.

    Args, errors: as ``kv_layout``.
    """
    if settings.pipeline_parallel_size == 1:
        return (kv_layout(model, settings, version, compute_capability),)
    served = as_served(model, settings, version)
    return _stage_layouts(served, _flags_of(served, settings, version, compute_capability))


def _flags_of(
    model: ModelFacts, settings: EngineSettings, version: EngineVersion, compute_capability: tuple[int, int] | None
) -> _Flags:
    """What the layout depends on.

    That is the GPU only where the model has recurrent states or sparse attention, and the batch only where some of its
    layers do not cache every token of a request.
    """
    batch = settings.max_num_batched_tokens
    if batch is not None:
        _require_size(batch, "max-num-batched-tokens", 2**31)
    bounded = _caches_less_than_all(model)
    return _Flags(
        settings.tensor_parallel_size,
        settings.pipeline_parallel_size,
        settings.kv_cache_dtype,
        settings.block_size,
        batch if bounded else None,
        bounded and bool(settings.async_scheduling),
        settings.enable_prefix_caching if bounded else None,
        settings.runner if bounded else None,
        settings.pp_layer_partition,
        drafted_tokens(settings),
        _drafts_with_module(model, settings),
        version,
        compute_capability if _depends_on_gpu(model) else None,
    )


@cached_by_identity()
def _depends_on_gpu(model: ModelFacts) -> bool:
    return any(
        isinstance(cache, StateCache) or (isinstance(cache, LatentCache) and cache.selected) for cache in _caches(model)
    )


@cached_by_identity()
def _caches_less_than_all(model: ModelFacts) -> bool:
    """Whether a layer has a window, a chunk, the encoder's tokens or a state."""
    return any(
        isinstance(cache, StateCache)
        or (
            isinstance(cache, AttentionCache)
            and (cache.sliding_window is not None or cache.chunk_size is not None or cache.cross_attention)
        )
        for cache in _caches(model)
    )


def derived_max_model_len(model: ModelFacts, version: EngineVersion) -> int:
    """The longest context that a release derives from the model's config, tokens.

    Raises:
        UnknownFact: the release is not known.
    """
    if model.scaled_max_model_len is not None and kv_cache_rules(version).yarn_scales_length:
        return model.scaled_max_model_len
    return model.derived_max_model_len


@cached_by_identity()
def _layout(model: ModelFacts, flags: _Flags) -> KVLayout:
    """The layout of the stage whose blocks cost most, with what the checks of all stages ask for."""
    pool = _pool(model, flags)
    stage = _tightest_stage(pool.groups, flags.pipeline_parallel_size)
    return _of_stage(model, flags, pool, stage, range(flags.pipeline_parallel_size))


@cached_by_identity()
def _stage_layouts(model: ModelFacts, flags: _Flags) -> tuple[KVLayout, ...]:
    pool = _pool(model, flags)
    return tuple(_of_stage(model, flags, pool, stage, (stage,)) for stage in range(flags.pipeline_parallel_size))


class _Pool(NamedTuple):
    """The groups of the whole model, which every stage holds its layers of."""

    rank: RankShape
    layers: list[tuple[int, LayerPage]]
    groups: tuple[LayerGroup, ...]


def _pool(model: ModelFacts, flags: _Flags) -> _Pool:
    rules = kv_cache_rules(flags.version)
    _require_size(flags.tensor_parallel_size, "tensor-parallel-size", LARGEST_PARALLEL_SIZE)
    _require_size(flags.pipeline_parallel_size, "pipeline-parallel-size", LARGEST_PARALLEL_SIZE)
    _require_divisible_heads(model, flags.tensor_parallel_size)
    rank = _rank_shape(model, flags, rules)
    layers = _layers(model, rank, flags)
    return _Pool(rank, layers, group_layers(layers, rules))


def _of_stage(model: ModelFacts, flags: _Flags, pool: _Pool, stage: int, checked: Iterable[int]) -> KVLayout:
    """The layout of one stage; ``checked`` are the stages whose check it answers for."""
    rank, layers, groups = pool
    rules = rank.rules
    mixed = any(group.kind is CacheKind.UNIFORM_TYPE for group in groups)
    priced = None if mixed and rules.pages_of_all_stages else stage
    bytes_per_block = max((group.bytes_per_block(priced) for group in groups), default=0)
    return KVLayout(
        groups=tuple(_group(group, stage, priced) for group in groups),
        bytes_per_block=bytes_per_block,
        block_size=rank.block_size,
        derived_max_model_len=derived_max_model_len(model, flags.version),
        needed=_needed(groups, layers, checked, bytes_per_block, rules),
        requested=weighted((1, group.page.demand) for group in groups),
        rules=rules,
        states_follow_length=rank.states is not None and rank.states.mode is StateMode.NONE,
    )


def _rank_shape(model: ModelFacts, flags: _Flags, rules: KVCacheRules) -> RankShape:
    element = cache_element_bytes(flags.kv_cache_dtype, element_bytes(model.dtype), flags.version)
    sparse = sparse_token_bytes(
        _caches(model), model.dtype, flags.kv_cache_dtype, flags.version, flags.compute_capability
    )
    indexed = index_block_size(_caches(model), flags.block_size, flags.version, flags.compute_capability)
    block_size = indexed or _block_size(flags.block_size)
    states = _states(model, flags, rules, element, block_size)
    tokens = _batched_tokens(model, flags.max_num_batched_tokens, rules)
    return RankShape(
        rules=rules,
        tensor_parallel_size=flags.tensor_parallel_size,
        element_bytes=element,
        block_size=block_size if states is None else states.attention_block_size,
        batched_tokens=tokens,
        in_flight_tokens=tokens * (_concurrent_batches(model, flags) if rules.in_flight_batches else 1),
        states=states,
        sparse_token_bytes=sparse,
    )


def _needed(
    groups: tuple[LayerGroup, ...],
    layers: list[tuple[int, LayerPage]],
    stages: Iterable[int],
    bytes_per_block: int,
    rules: KVCacheRules,
) -> tuple[WeightedDemands, ...]:
    if rules.needed_bytes is NeededBytes.LAYERS:
        return tuple(
            weighted((page.page_size_bytes, page.demand) for at, page in layers if at == stage) for stage in stages
        )
    if rules.check_whole_model:
        bytes_per_block = max((group.bytes_per_block() for group in groups), default=0)
    counted = groups[:1] if rules.needed_bytes is NeededBytes.FIRST_GROUP else groups
    return (weighted((bytes_per_block, group.page.demand) for group in counted),)


def _group(group: LayerGroup, stage: int, priced: int | None) -> KVGroup:
    page = group.page
    size = group.bytes_per_block(priced) if group.kind is CacheKind.UNIFORM_TYPE else page.page_size_bytes
    return KVGroup(group.kind.value, group.layers(stage), page.block_size, size)


def _tightest_stage(groups: tuple[LayerGroup, ...], stages: int) -> int:
    return max(range(stages), key=lambda at: max((group.bytes_per_block(at) for group in groups), default=0))


def _layers(model: ModelFacts, rank: RankShape, flags: _Flags) -> list[tuple[int, LayerPage]]:
    """(stage, page) of every layer with a cache, in model order; each distinct cache is sized once."""
    pages: dict[CacheLayer, LayerPage | None] = {}
    count = sum(run.count for run in model.cache_layers)
    at = iter(stage_of_layers(count, flags.pipeline_parallel_size, flags.pp_layer_partition))
    layers: list[tuple[int, LayerPage]] = []
    for run in model.cache_layers:
        own = []
        for cache in (run.cache, *run.also):
            if cache is None:
                continue
            if cache not in pages:
                pages[cache] = layer_page(cache, rank)
            page = pages[cache]
            if page is not None:
                own.append(page)
        for _ in range(run.count):
            stage = next(at)
            layers.extend((stage, page) for page in own)
    if flags.drafts_with_module:  # one layer more like the last, on the last stage
        layers.extend((flags.pipeline_parallel_size - 1, page) for page in own)
    return layers


def _drafts_with_module(model: ModelFacts, settings: EngineSettings) -> bool:
    """Whether a layer of a known MTP module caches beside the model's."""
    found = speculation_of(settings)
    return found is not None and found.method == "mtp" and mixing_of(model.architecture) is not None


def _caches(model: ModelFacts) -> tuple[CacheLayer, ...]:
    found: dict[CacheLayer, None] = {}
    for run in model.cache_layers:
        for cache in (run.cache, *run.also):
            if cache is not None:
                found.setdefault(cache)
    return tuple(found)


def _states(model: ModelFacts, flags: _Flags, rules: KVCacheRules, element: int, block_size: int) -> StateBlocks | None:
    caches = _caches(model)
    recurrent = tuple(cache for cache in caches if isinstance(cache, StateCache))
    if not recurrent:
        return None
    attention = next((cache for cache in caches if not isinstance(cache, StateCache)), None)
    token_bytes = 0
    if isinstance(attention, LatentCache):
        token_bytes = (attention.kv_lora_rank + attention.qk_rope_head_dim) * element
    elif isinstance(attention, AttentionCache):
        heads = heads_on_rank(attention.kv_heads, flags.tensor_parallel_size)
        token_bytes = 2 * heads * attention.head_size * element
    prefix_caching = flags.enable_prefix_caching
    if prefix_caching is None:
        prefix_caching = rules.state_prefix_caching and attention is not None
    return state_blocks(
        recurrent,
        token_bytes,
        latent=isinstance(attention, LatentCache),
        rules=rules,
        mode=state_mode(recurrent, prefix_caching, rules),
        tensor_parallel_size=flags.tensor_parallel_size,
        model_dtype=model.dtype,
        block_size=block_size,
        max_model_len=derived_max_model_len(model, flags.version),
        compute_capability=flags.compute_capability,
        drafted_tokens=flags.drafted_tokens,
    )


def _concurrent_batches(model: ModelFacts, flags: _Flags) -> int:
    """Batches in flight (``VllmConfig.max_concurrent_batches``)."""
    stages = flags.pipeline_parallel_size
    if not flags.async_scheduling:
        return stages
    if stages == 1:
        return 2
    runner = flags.runner or model_runner(
        flags.version,
        architecture=model.architecture,
        mixture_of_experts=model.text.experts is not None,
        hybrid=any(isinstance(cache, StateCache) for cache in _caches(model)),
        quantized=model.quantization is not None,
    )
    return stages + 1 if runner == "V2" else stages


def _batched_tokens(model: ModelFacts, max_num_batched_tokens: int | None, rules: KVCacheRules) -> int:
    if max_num_batched_tokens is None:
        least = model.prefix_lm_item_tokens if rules.raises_batched_tokens else 0
        return max(DEFAULT_BATCHED_TOKENS, least)
    return max_num_batched_tokens


def _block_size(block_size: int | None) -> int:
    if block_size is None:
        return DEFAULT_BLOCK_SIZE
    if block_size <= 0 or block_size % KERNEL_BLOCK_SIZE or block_size > 2**20:
        raise InputError(
            f"block-size: {block_size} is not a multiple of {KERNEL_BLOCK_SIZE} tokens up to 2^20",
            field="block-size",
            hint="leave it unset, or use 16, 32, 64 or 128",
        )
    return block_size


def _require_size(size: int, field: str, most: int) -> None:
    if not 1 <= size <= most:
        raise InputError(f"{field}: {size} is not between 1 and {most}", field=field)


def _require_divisible_heads(model: ModelFacts, tensor_parallel_size: int) -> None:
    heads = model.text.attention_heads
    if heads and heads % tensor_parallel_size:
        raise InputError(
            f"tensor-parallel-size: {heads} attention heads cannot be divided over {tensor_parallel_size} ranks",
            field="tensor-parallel-size",
            hint=f"use a size that divides {heads}",
        )
