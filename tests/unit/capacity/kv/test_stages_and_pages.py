"""Layers over pipeline stages, and pages brought to one size."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import qwen3
from vlm_operator.capacity.kv import kv_layout
from vlm_operator.capacity.kv.grouping import stage_of_layers
from vlm_operator.capacity.kv.page import UNBOUNDED_TOKENS, CacheKind, Demand, LayerPage, RankShape, layer_page
from vlm_operator.engine.kv_cache_rules import kv_cache_rules
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.model.facts import AttentionCache


@pytest.mark.parametrize(
    ("layers", "stages", "shares"),
    [
        pytest.param(6, 1, [6], id="one stage"),
        pytest.param(6, 3, [2, 2, 2], id="even shares"),
        pytest.param(7, 3, [2, 3, 2], id="one more: to the last but one"),
        pytest.param(8, 3, [3, 3, 2], id="two more: to the two before the last"),
        pytest.param(7, 4, [2, 2, 2, 1], id="three more of four"),
        pytest.param(5, 4, [1, 1, 2, 1], id="one more of four"),
    ],
)
def test_the_rest_goes_to_the_stages_before_the_last(layers: int, stages: int, shares: list[int]) -> None:
    found = stage_of_layers(layers, stages)
    assert [found.count(stage) for stage in range(stages)] == shares
    assert found == sorted(found)


PAGE = LayerPage(CacheKind.SLIDING_WINDOW, 16, 1000, Demand(16, 512, 1), window=512, shape=(2, 64))


def test_a_padded_page_costs_more_and_holds_the_same() -> None:
    assert PAGE.padded(1500) == LayerPage(CacheKind.SLIDING_WINDOW, 16, 1500, Demand(16, 512, 1), 512, (2, 64))


def test_longer_blocks_hold_the_same_tokens() -> None:
    assert PAGE.with_block_size(32, 2000) == LayerPage(
        CacheKind.SLIDING_WINDOW, 32, 2000, Demand(32, 512, 1), 512, (2, 64)
    )


@pytest.mark.parametrize(
    ("minor", "cache", "value_head", "tokens", "extra", "window"),
    [
        pytest.param(13, {}, 64, UNBOUNDED_TOKENS, 0, 0, id="values as wide as keys before 0.14"),
        pytest.param(14, {}, 32, UNBOUNDED_TOKENS, 0, 0, id="values of their own width since"),
        pytest.param(19, {"sliding_window": 512}, 64, 511 + 100, 1, 512, id="not so in windows before 0.20"),
        pytest.param(20, {"sliding_window": 512}, 32, 511 + 100, 1, 512, id="in windows, too, since"),
        pytest.param(32, {"chunk_size": 256}, 64, 256 + 100, 0, 256, id="never in chunks"),
    ],
)
def test_the_page_of_an_attention_layer(
    minor: int, cache: dict[str, int], value_head: int, tokens: int, extra: int, window: int
) -> None:
    rank = RankShape(
        rules=kv_cache_rules(EngineVersion(0, minor)),
        tensor_parallel_size=2,
        element_bytes=2,
        block_size=16,
        batched_tokens=100,
        in_flight_tokens=100,
        states=None,
    )
    page = layer_page(AttentionCache(kv_heads=4, head_size=64, value_head_size=32, **cache), rank)  # type: ignore[arg-type]
    assert page is not None
    assert page.page_size_bytes == page.block_size * 2 * (64 + value_head) * 2
    assert (page.demand.tokens, page.demand.extra_blocks, page.window) == (tokens, extra, window)


def test_of_several_stages_the_one_that_needs_most_counts_and_the_one_that_holds_least() -> None:
    layout = kv_layout(qwen3(), EngineSettings(), EngineVersion(0, 32))
    (whole,) = layout.needed
    both = replace(layout, needed=((), whole))
    assert both.needed_bytes(4096) == layout.needed_bytes(4096) > 0
    enough = layout.least_bytes_that_start(4096)
    assert both.longest_context(enough, 40_960) == layout.longest_context(enough, 40_960) == 4096
