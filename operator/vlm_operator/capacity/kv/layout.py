"""KV cache layout of the tightest rank, and what a container of that layout holds.

A request of ``max_model_len`` tokens takes blocks of every group; all groups draw blocks from one pool, and a block
costs what the widest group's layers cost together.

Sources (vLLM): ``get_kv_cache_configs``, ``_check_enough_kv_cache_memory``, ``_max_memory_usage_bytes_from_groups``,
``max_memory_usage_bytes`` (to 0.13), ``_estimate_max_model_len_from_groups``, ``_report_kv_cache_config`` (to 0.23) and
``get_kv_cache_capacity`` of ``v1/core/kv_cache_utils.py``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vlm_operator.capacity.kv.page import UNBOUNDED_TOKENS, CacheKind, Demand
from vlm_operator.engine.kv_cache_rules import KVCacheRules

WeightedDemands = tuple[tuple[int, int, int, int], ...]
"""(weight, block size, tokens, extra blocks) of each distinct demand: weight x its blocks is summed."""


@dataclass(frozen=True, slots=True)
class KVGroup:
    """One of vLLM's KV-cache groups on the tightest rank.

    Attributes:
        kind: vLLM's kind of cache (``FullAttention``, ``SlidingWindow``, ``Mamba`` …).
        layers: layers of the group on that rank.
        block_size: tokens of a block.
        page_size_bytes: bytes of one block in one layer, after vLLM brought all pages to one size.
    """

    kind: str
    layers: int
    block_size: int
    page_size_bytes: int


def weighted(demands: Iterable[tuple[int, Demand]]) -> WeightedDemands:
    """Equal demands summed, so that arithmetic visits each only once."""
    weights: dict[Demand, int] = {}
    for weight, demand in demands:
        weights[demand] = weights.get(demand, 0) + weight
    return tuple((weight, each.block_size, each.tokens, each.extra_blocks) for each, weight in weights.items())


def _total(demands: WeightedDemands, max_model_len: int) -> int:
    total = 0
    for weight, block_size, tokens, extra in demands:
        cached = tokens if tokens < max_model_len else max_model_len
        total += weight * (-(-cached // block_size) + extra)
    return total


def _longest(needed: WeightedDemands, available: int, limit: int) -> int:
    """The largest length up to ``limit`` whose needed bytes are at most ``available``; 0 if none."""
    if available <= 0 or limit < 1 or _total(needed, 1) > available:
        return 0
    if _total(needed, limit) <= available:
        return limit
    if len(needed) == 1 and needed[0][2] == UNBOUNDED_TOKENS:
        weight, block_size, _, extra = needed[0]
        return (available // weight - extra) * block_size
    low, high = 1, limit
    while high - low > 1:
        middle = (low + high) // 2
        if _total(needed, middle) <= available:
            low = middle
        else:
            high = middle
    return low


@dataclass(frozen=True, slots=True)
class KVLayout:
    """The KV cache of the tightest rank, with vLLM's own arithmetic over it. All sizes are bytes, all lengths tokens.

    Attributes:
        groups: vLLM's groups; empty for a model that caches nothing.
        bytes_per_block: bytes that one block of the shared pool costs on the rank; 0 if nothing is cached.
        block_size: tokens of an attention block, as vLLM re-aligned it.
        derived_max_model_len: longest context that this vLLM release derives from the model's config.
        needed: what the capacity check sums, in bytes; of several sums, one per pipeline stage, the largest counts.
        requested: blocks that a request takes of all groups.
        rules: those of the vLLM release.
        states_follow_length: True where a recurrent layer's block is as long as the context served.
    """

    groups: tuple[KVGroup, ...]
    bytes_per_block: int
    block_size: int
    derived_max_model_len: int
    needed: tuple[WeightedDemands, ...]
    requested: WeightedDemands
    rules: KVCacheRules
    states_follow_length: bool = False

    def needed_bytes(self, max_model_len: int) -> int:
        """Bytes that the check asks for one request of that many tokens."""
        return max(_total(demands, max_model_len) for demands in self.needed)

    def blocks_per_request(self, max_model_len: int) -> int:
        """Blocks that one request of that many tokens takes from the pool."""
        return _total(self.requested, max_model_len)

    def num_blocks(self, kv_cache_bytes: int, *, num_gpu_blocks_override: int | None = None) -> int:
        """Blocks of a container of that many bytes; 1 where nothing is cached (vLLM's null block)."""
        if not self.bytes_per_block:
            return 1
        if num_gpu_blocks_override is not None:
            return num_gpu_blocks_override
        return max(0, kv_cache_bytes) // self.bytes_per_block

    def compared_bytes(self, kv_cache_bytes: int, *, num_gpu_blocks_override: int | None = None) -> int:
        """Bytes that the check compares with the needed ones: "available KV cache memory" of the error text."""
        available = kv_cache_bytes
        if num_gpu_blocks_override is not None and self.rules.override_replaces_memory:
            available = num_gpu_blocks_override * self.bytes_per_block
        return available - self.bytes_per_block if self.rules.null_block else available

    def passes(self, kv_cache_bytes: int, max_model_len: int, *, num_gpu_blocks_override: int | None = None) -> bool:
        """True where vLLM's capacity check lets that length start."""
        if not self.groups:
            return True
        available = self.compared_bytes(kv_cache_bytes, num_gpu_blocks_override=num_gpu_blocks_override)
        return available > 0 and self.needed_bytes(max_model_len) <= available

    def longest_context(self, kv_cache_bytes: int, limit: int, *, num_gpu_blocks_override: int | None = None) -> int:
        """The largest length up to ``limit`` that passes the check; 0 if none does."""
        if not self.groups:
            return limit
        available = self.compared_bytes(kv_cache_bytes, num_gpu_blocks_override=num_gpu_blocks_override)
        return min(_longest(demands, available, limit) for demands in self.needed)

    def auto_fit_max_model_len(self, kv_cache_bytes: int, *, num_gpu_blocks_override: int | None = None) -> int | None:
        """What ``--max-model-len auto`` chooses: 0 where vLLM refuses, None where the release has no such thing."""
        if not self.rules.auto_fit:
            return None
        limit = self.derived_max_model_len
        return self.longest_context(kv_cache_bytes, limit, num_gpu_blocks_override=num_gpu_blocks_override)

    def concurrency(
        self, kv_cache_bytes: int, max_model_len: int, *, num_gpu_blocks_override: int | None = None
    ) -> float:
        """Requests of that length that the container holds at once, as vLLM logs it; 0.0 where nothing is cached."""
        if not self.groups:
            return 0.0
        blocks = self.num_blocks(kv_cache_bytes, num_gpu_blocks_override=num_gpu_blocks_override)
        return blocks / self.blocks_per_request(max_model_len)

    def capacity_tokens(
        self, kv_cache_bytes: int, max_model_len: int, *, num_gpu_blocks_override: int | None = None
    ) -> int:
        """The "KV cache size: N tokens" that vLLM logs when it serves that length; 0 where nothing is cached."""
        if not self.groups:
            return 0
        blocks = self.num_blocks(kv_cache_bytes, num_gpu_blocks_override=num_gpu_blocks_override)
        if self.rules.tokens_by_concurrency:
            return int(blocks / self.blocks_per_request(max_model_len) * max_model_len)
        smallest = min(
            max_model_len if self.states_follow_length and group.kind == CacheKind.MAMBA else group.block_size
            for group in self.groups
        )
        return blocks // len(self.groups) * smallest

    def least_bytes_that_start(self, max_model_len: int) -> int:
        """The smallest container with which that length starts."""
        reserved = self.bytes_per_block if self.rules.null_block else 0
        return max(1, self.needed_bytes(max_model_len)) + reserved if self.groups else 0
