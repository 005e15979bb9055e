"""Bytes of a token in layers of sparse latent attention, by release, GPU and cache type."""

from __future__ import annotations

from collections.abc import Iterable

from vlm_operator.engine.sparse_attention import (
    MAJORS,
    latent_token_bytes,
    require_block_size,
    require_known_kernel,
    require_own_block_size,
    require_shared_selection,
)
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import UnknownFact
from vlm_operator.model.facts import CacheLayer, DType, IndexerCache, LatentCache


def index_block_size(
    caches: Iterable[CacheLayer],
    asked: int | None,
    version: EngineVersion,
    compute_capability: tuple[int, int] | None,
) -> int:
    """Tokens of a block where an index decides; 0 for a model without.

    Raises:
        InputError: the size asked for is no multiple of it.
        UnknownFact: another multiple of it, or the GPU's kernels or the release's choice are not known.
    """
    caches = tuple(caches)
    index = next((cache for cache in caches if isinstance(cache, IndexerCache)), None)
    if index is None:
        return 0
    require_known_kernel(compute_capability)
    whole = any(isinstance(cache, LatentCache) and not cache.selected for cache in caches)
    if whole and compute_capability is not None and compute_capability[0] > MAJORS[0]:
        raise UnknownFact(
            "block-size: blocks that kernels of whole and of sparse latent attention share on this GPU are not known",
            field="block-size",
            hint="plan for a GPU of compute capability 9.0",
        )
    require_block_size(asked, index.block_size)
    if asked is None and not index.scaled:
        require_own_block_size(version, index.block_size)
    return index.block_size


def sparse_token_bytes(
    caches: Iterable[CacheLayer],
    dtype: DType,
    kv_cache_dtype: str,
    version: EngineVersion,
    compute_capability: tuple[int, int] | None,
) -> int:
    """Bytes of one token's latent vector in layers that an indexer selects for; 0 for a model without.

    Raises:
        UnknownFact: the GPU's kernels, the cache's format or the release's layers are not known.
    """
    sparse = [cache for cache in caches if isinstance(cache, LatentCache) and cache.selected]
    if not sparse:
        return 0
    require_known_kernel(compute_capability)
    if dtype is not DType.BFLOAT16:
        raise UnknownFact(
            f"dtype: whether the kernels for sparse attention take {dtype} is not known",
            field="dtype",
            hint="serve in bfloat16",
        )
    if any(cache.shares_selection for cache in sparse):
        require_shared_selection(version)
    fp8 = any(cache.fp8_on_blackwell for cache in sparse)
    return latent_token_bytes(kv_cache_dtype, version, compute_capability, fp8_on_blackwell=fp8)
