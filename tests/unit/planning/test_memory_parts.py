"""The parts of a bar: they make up the card, none is negative, and the cup is never larger than its container."""

from __future__ import annotations

from dataclasses import replace

import pytest

from builders import gpu, qwen3_vl
from vlm_operator.capacity.startup import Budget
from vlm_operator.planning.choose import plan
from vlm_operator.planning.evaluation import Cup
from vlm_operator.planning.intent import Intent
from vlm_operator.planning.memory_parts import Part, memory_parts
from vlm_operator.units import GIB


def budget(**sizes: int) -> Budget:
    """A card of 24 GiB of which 22 are requested: 10 weights, 2 peak, 1 graphs, 1 outside torch, 8 KV cache."""
    found = plan(qwen3_vl(), gpu("H100"), Intent()).budget
    assert found is not None
    usual = {
        "total_bytes": 24,
        "requested_bytes": 22,
        "weights_bytes": 10,
        "activation_peak_bytes": 2,
        "non_torch_bytes": 1,
        "cuda_graph_bytes": 1,
        "kv_cache_bytes": 8,
    }
    return replace(found, **{name: size * GIB for name, size in {**usual, **sizes}.items()})


@pytest.mark.parametrize(
    ("sizes", "cup", "expected"),
    [
        pytest.param({}, 3, [10, 2, 1, 1, 3, 5, 2, 0], id="fits"),
        pytest.param({}, 8, [10, 2, 1, 1, 8, 0, 2, 0], id="to the byte"),
        pytest.param({}, 11, [10, 2, 1, 1, 8, 0, 2, 3], id="the cup is larger than the container"),
        pytest.param({}, None, [10, 2, 1, 1, 0, 8, 2, 0], id="no cup"),
        pytest.param({"kv_cache_bytes": -4, "weights_bytes": 22}, 3, [22, 2, 1, 1, 0, 0, 0, 3], id="no room at all"),
        pytest.param({"non_torch_bytes": -1}, 3, [10, 2, 0, 1, 3, 5, 2, 0], id="less outside torch than nothing"),
        pytest.param({"requested_bytes": 16}, 3, [10, 2, 1, 1, 3, 5, 2, 0], id="more taken than requested"),
    ],
)
def test_a_card_is_divided(sizes: dict[str, int], cup: int | None, expected: list[int]) -> None:
    parts = memory_parts(budget(**sizes), None if cup is None else Cup(4096, cup * GIB))
    assert list(parts) == list(Part)
    assert [size / GIB for size in parts.values()] == expected
