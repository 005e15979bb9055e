"""Layers over pipeline stages, and pages brought to one size."""

from __future__ import annotations

import pytest

from vlm_operator.capacity.kv.grouping import stage_of_layers
from vlm_operator.capacity.kv.page import CacheKind, Demand, LayerPage


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
