"""Form vLLM's KV cache groups over all layers of a model, and each pipeline stage's part of them.

Sources (vLLM): ``get_kv_cache_groups``, ``unify_kv_cache_spec_page_size``, ``_get_kv_cache_groups_uniform_page_size``,
``unify_hybrid_kv_cache_specs`` and ``_project_kv_cache_groups_to_worker`` of ``v1/core/kv_cache_utils.py`` (0.33:
``kv_cache_planning.py``); ``is_uniform_type`` of ``v1/kv_cache_interface.py``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vlm_operator.capacity.kv.page import UNBOUNDED_TOKENS, CacheKind, Demand, LayerPage
from vlm_operator.engine.kv_cache_rules import KVCacheRules, PageUnification
from vlm_operator.engine.pipeline import stage_sizes
from vlm_operator.errors import UnknownFact

_CACHES_ALL_TOKENS = (CacheKind.FULL_ATTENTION, CacheKind.MLA_ATTENTION)


@dataclass(frozen=True, slots=True)
class LayerGroup:
    """Layers that share a block table.

    Attributes:
        kind: kind of its layers, ``UniformType`` where their pages differ in size.
        members: (stage, page) of each layer: the pipeline stage it stands on, and its page.
        page: page of one layer; for ``UniformType`` that of the first.
    """

    kind: CacheKind
    members: tuple[tuple[int, LayerPage], ...]
    page: LayerPage

    def bytes_per_block(self, stage: int | None = None) -> int:
        """Bytes that one block of the group costs on a stage (None: on all stages together)."""
        return sum(page.page_size_bytes for at, page in self.members if stage is None or at == stage)

    def layers(self, stage: int | None = None) -> int:
        """Layers of the group on a stage (None: on all)."""
        return sum(1 for at, _ in self.members if stage is None or at == stage)


Layers = Sequence[tuple[int, LayerPage]]
"""(stage, page) of every layer with a cache, in model order."""


def stage_of_layers(layers: int, stages: int, partition: tuple[int, ...] | None = None) -> list[int]:
    """The pipeline stage of each decoder layer.

    >>> stage_of_layers(7, 3)
    [0, 0, 1, 1, 1, 2, 2]
    """
    sizes = stage_sizes(layers, stages, partition)
    return [stage for stage, size in enumerate(sizes) for _ in range(size)]


def group_layers(layers: Layers, rules: KVCacheRules) -> tuple[LayerGroup, ...]:
    """vLLM's groups over all layers with a cache, in vLLM's order.

    Raises:
        UnknownFact: the release cannot bring the layers' pages to one size.
    """
    if not layers:
        return ()
    one_group = _one_group(layers)
    if one_group is not None:
        return (one_group,)
    if not rules.chunked_groups and any(page.kind is CacheKind.CHUNKED_LOCAL_ATTENTION for _, page in layers):
        layers = [(stage, _caching_all_tokens(page)) for stage, page in layers]
        one_group = _one_group(layers)
        if one_group is not None:
            return (one_group,)
    return _groups_of_equal_pages(_unify_pages(layers, rules), rules)


def _one_group(layers: Layers) -> LayerGroup | None:
    """All layers as one group, where they always need the same number of blocks."""
    first = layers[0][1]
    if all(page == first for _, page in layers):
        return LayerGroup(first.kind, tuple(layers), first)
    return LayerGroup(CacheKind.UNIFORM_TYPE, tuple(layers), first) if _uniform_type(layers) else None


def _caching_all_tokens(page: LayerPage) -> LayerPage:
    """A windowed layer as the release without groups for it manages it: every token is cached."""
    if page.kind not in (CacheKind.SLIDING_WINDOW, CacheKind.CHUNKED_LOCAL_ATTENTION):
        return page
    demand = Demand(page.block_size, UNBOUNDED_TOKENS)
    return LayerPage(CacheKind.FULL_ATTENTION, page.block_size, page.page_size_bytes, demand, 0, page.shape)


def _uniform_type(layers: Layers) -> bool:
    """True where all layers always need the same number of blocks, though their pages differ."""
    first = layers[0][1]
    for _, page in layers:
        if page.block_size != first.block_size:
            return False
        if first.kind in _CACHES_ALL_TOKENS:
            if page.kind not in _CACHES_ALL_TOKENS:
                return False
        elif page.kind is not first.kind or page.window != first.window or page.demand != first.demand:
            return False
    return True


def _unify_pages(layers: Layers, rules: KVCacheRules) -> Layers:
    largest = max(page.page_size_bytes for _, page in layers)
    if all(page.page_size_bytes == largest for _, page in layers):
        return layers
    return [(stage, _with_page_size(page, largest, rules)) for stage, page in layers]


def _with_page_size(page: LayerPage, largest: int, rules: KVCacheRules) -> LayerPage:
    if page.page_size_bytes == largest:
        return page
    unification = rules.page_unification
    divides = page.kind is not CacheKind.MAMBA and largest % page.page_size_bytes == 0
    if divides and unification is not PageUnification.EQUAL_ONLY:
        return page.with_block_size(page.block_size * (largest // page.page_size_bytes), largest)
    if unification is PageUnification.LARGER_BLOCKS_OR_PADDING and page.kind is not CacheKind.MLA_ATTENTION:
        return page.padded(largest)
    raise UnknownFact(
        f"vllm-version: how this release brings pages of {page.page_size_bytes} bytes ({page.kind.value}) and of "
        f"{largest} bytes to one size is not known",
        field="vllm-version",
        hint="plan for vLLM 0.32",
    )


def _groups_of_equal_pages(layers: Layers, rules: KVCacheRules) -> tuple[LayerGroup, ...]:
    buckets: dict[object, list[tuple[int, LayerPage]]] = {}
    for stage, page in layers:
        key: object = page
        if rules.merged_full_attention and page.kind is CacheKind.FULL_ATTENTION:
            key = (page.kind, page.block_size, page.page_size_bytes, page.shape)
        buckets.setdefault(key, []).append((stage, page))
    counts = [len(bucket) for bucket in buckets.values()]
    size, most = min(counts), max(counts)
    if most * 100 < size * rules.group_ratio_percent:
        size = most
    groups = []
    for bucket in buckets.values():
        number = -(-len(bucket) // size)
        # Every so-manieth layer, not runs of layers, so that each pipeline stage holds a part of every group.
        for index in range(number):
            members = tuple(bucket[index::number])
            groups.append(LayerGroup(members[0][1].kind, members, members[0][1]))
    return tuple(groups)
