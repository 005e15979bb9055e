"""Bytes of one block of one layer's cache on one rank, and the blocks a request needs.

Sources (vLLM): the ``*Spec`` classes of ``v1/kv_cache_interface.py``; ``Attention.get_kv_cache_spec`` of
``model_executor/layers/attention/attention.py``; ``MLAAttention.get_kv_cache_spec``; ``ChunkedLocalAttention``;
``CrossAttention``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vlm_operator.capacity.kv.state import StateBlocks
from vlm_operator.engine.kv_cache_rules import KERNEL_BLOCK_SIZE, KVCacheRules, StateMode
from vlm_operator.engine.sparse_attention import INDEX_HEAD
from vlm_operator.errors import InputError
from vlm_operator.model.facts import AttentionCache, CacheLayer, IndexerCache, LatentCache, StateCache

UNBOUNDED_TOKENS = 2**62
"""More tokens than any context: a layer that caches all of them."""


class CacheKind(StrEnum):
    """vLLM's kinds of cache layer, named as its classes without ``Spec``."""

    FULL_ATTENTION = "FullAttention"
    MLA_ATTENTION = "MLAAttention"
    SLIDING_WINDOW = "SlidingWindow"
    CHUNKED_LOCAL_ATTENTION = "ChunkedLocalAttention"
    MAMBA = "Mamba"
    CROSS_ATTENTION = "CrossAttention"
    UNIFORM_TYPE = "UniformType"
    """A group of one kind whose layers have pages of different size."""


@dataclass(frozen=True, slots=True)
class Demand:
    """Blocks that one request takes of a layer: ``ceil(min(tokens, length) / block_size) + extra_blocks``."""

    block_size: int
    tokens: int
    extra_blocks: int = 0


@dataclass(frozen=True, slots=True)
class LayerPage:
    """One layer's cache on one rank.

    Attributes:
        kind: kind of layer.
        block_size: tokens of a block.
        page_size_bytes: bytes of one block of this layer.
        demand: blocks of one request.
        window: tokens of the window or chunk, else 0.
        shape: what must be equal for layers to share a group: heads, head sizes, bytes of an element.
    """

    kind: CacheKind
    block_size: int
    page_size_bytes: int
    demand: Demand
    window: int = 0
    shape: tuple[int, ...] = ()

    def with_block_size(self, block_size: int, page_size_bytes: int) -> LayerPage:
        """The same layer with blocks of another size; demand by tokens follows."""
        demand = Demand(block_size, self.demand.tokens, self.demand.extra_blocks)
        return LayerPage(self.kind, block_size, page_size_bytes, demand, self.window, self.shape)

    def padded(self, page_size_bytes: int) -> LayerPage:
        """The same layer with its page padded to that many bytes."""
        return LayerPage(self.kind, self.block_size, page_size_bytes, self.demand, self.window, self.shape)


@dataclass(frozen=True, slots=True)
class RankShape:
    """What pages on one rank depend on, besides the layer.

    Attributes:
        rules: those of the vLLM release.
        tensor_parallel_size: ranks that share the heads.
        element_bytes: bytes of one cached element.
        block_size: tokens of a block.
        batched_tokens: ``max_num_batched_tokens``.
        in_flight_tokens: tokens scheduled and not yet settled, which windows hold in addition.
        states: block and padding of recurrent layers, None for a model without.
        sparse_token_bytes: bytes of one token's latent vector in layers of sparse attention; 0 for a model without.
    """

    rules: KVCacheRules
    tensor_parallel_size: int
    element_bytes: int
    block_size: int
    batched_tokens: int
    in_flight_tokens: int
    states: StateBlocks | None
    sparse_token_bytes: int = 0


def heads_on_rank(kv_heads: int, tensor_parallel_size: int) -> int:
    """Key/value heads of one rank; with more ranks than heads each head is copied.

    Raises:
        InputError: the heads cannot be divided over the ranks.
    """
    larger, smaller = max(kv_heads, tensor_parallel_size), min(kv_heads, tensor_parallel_size)
    if larger % smaller:
        raise InputError(
            f"tensor-parallel-size: {kv_heads} key/value heads cannot be laid over {tensor_parallel_size} ranks",
            field="tensor-parallel-size",
            hint=f"use a size that divides {kv_heads} or is a multiple of it",
        )
    return max(1, kv_heads // tensor_parallel_size)


def layer_page(cache: CacheLayer, rank: RankShape) -> LayerPage | None:
    """The page of one layer; None where it caches nothing (bidirectional encoders).

    Raises:
        InputError: the layer cannot be divided over the ranks.
    """
    if isinstance(cache, AttentionCache):
        return None if cache.encoder_only else _attention_page(cache, rank)
    if isinstance(cache, LatentCache):
        return _latent_page(cache, rank)
    if isinstance(cache, IndexerCache):
        scales = 4 * (cache.head_size // INDEX_HEAD)
        return _vector_page(cache.head_size + scales if cache.scaled else 2 * cache.head_size, rank)
    return _state_page(cache, rank)


def _attention_page(cache: AttentionCache, rank: RankShape) -> LayerPage:
    rules, block_size, element = rank.rules, rank.block_size, rank.element_bytes
    heads = heads_on_rank(cache.kv_heads, rank.tensor_parallel_size)
    windowed = cache.sliding_window is not None
    own_value_head = rules.window_value_heads if windowed else rules.value_heads and cache.chunk_size is None
    value_head = cache.value_head_size if own_value_head else cache.head_size
    shape = (heads, cache.head_size, value_head, element)
    window, extra, tokens, kind = 0, 0, UNBOUNDED_TOKENS, CacheKind.FULL_ATTENTION
    if cache.sliding_window is not None:
        kind, window, extra = CacheKind.SLIDING_WINDOW, cache.sliding_window, 1
        if cache.inclusive_window and rules.inclusive_windows:
            window += 1
        tokens = window - 1 + rank.in_flight_tokens
        if rules.smallest_window_block:
            block_size = KERNEL_BLOCK_SIZE
    elif cache.chunk_size is not None:
        kind, window = CacheKind.CHUNKED_LOCAL_ATTENTION, cache.chunk_size
        tokens = window + rank.in_flight_tokens
    elif cache.cross_attention:
        # The encoder's tokens are cached whatever the context: a fixed number of blocks.
        encoder = rank.batched_tokens if rules.encoder_by_batch else cache.encoder_tokens
        kind, extra, tokens = CacheKind.CROSS_ATTENTION, -(-encoder // block_size), 0
    page = block_size * heads * (cache.head_size + value_head) * element
    return LayerPage(kind, block_size, page, Demand(block_size, tokens, extra), window, shape)


def _latent_page(cache: LatentCache, rank: RankShape) -> LayerPage:
    size = (cache.kv_lora_rank + cache.qk_rope_head_dim) * rank.element_bytes
    return _vector_page(rank.sparse_token_bytes if cache.selected else size, rank)


def _vector_page(token_bytes: int, rank: RankShape) -> LayerPage:
    """A page of vectors that every rank holds whole."""
    demand = Demand(rank.block_size, UNBOUNDED_TOKENS)
    page = rank.block_size * token_bytes
    return LayerPage(CacheKind.MLA_ATTENTION, rank.block_size, page, demand, shape=(1, token_bytes, 0, 1))


def _state_page(cache: StateCache, rank: RankShape) -> LayerPage:
    states = rank.states
    assert states is not None, "a model with a recurrent layer has its states sized"
    page = max(states.page_size_bytes(cache), states.padded_page_bytes)
    if states.mode is StateMode.ALL:
        demand = Demand(states.block_size, UNBOUNDED_TOKENS, extra_blocks=states.drafted_tokens)
    else:
        demand = Demand(states.block_size, 0, extra_blocks=states.pages(cache))
    return LayerPage(CacheKind.MAMBA, states.block_size, page, demand)
