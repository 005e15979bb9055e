"""What holds for every layout: more memory never holds less, and the longest context is the longest."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from vlm_operator.capacity.kv import KVLayout, kv_layout
from vlm_operator.engine.settings import EngineSettings
from vlm_operator.engine.version import EngineVersion
from vlm_operator.errors import VlmOperatorError
from vlm_operator.model.facts import ModelFacts
from vlm_operator.model.reader import read_model_facts
from vlm_operator.units import GIB

RECORDED = Path(__file__).resolve().parents[3] / "data/kv_cache/vllm_0_32.jsonl"
CASES: dict[str, dict[str, Any]] = {case["id"]: case for case in map(json.loads, RECORDED.read_text().splitlines())}
MINORS = range(11, 34)


@lru_cache
def facts_of(name: str) -> ModelFacts:
    case = CASES[name]
    return read_model_facts(case["config"], model=name, source="test", hf_overrides=case.get("hf_overrides"))


def layout_of(name: str, minor: int, **flags: Any) -> KVLayout:
    """The layout, or no example where that release refuses the model or is not known to run it."""
    try:
        return kv_layout(facts_of(name), EngineSettings(**flags), EngineVersion(0, minor))
    except VlmOperatorError:
        assume(False)
        raise


names = st.sampled_from(sorted(CASES))
minors = st.sampled_from(MINORS)
sizes = st.integers(0, 200 * GIB)


@settings(deadline=None)
@given(name=names, minor=minors, one=sizes, other=sizes)
def test_more_memory_never_holds_less(name: str, minor: int, one: int, other: int) -> None:
    layout = layout_of(name, minor)
    less, more = sorted((one, other))
    limit = layout.derived_max_model_len
    assert layout.num_blocks(less) <= layout.num_blocks(more)
    assert layout.longest_context(less, limit) <= layout.longest_context(more, limit)
    if length := layout.longest_context(less, limit):
        assert layout.capacity_tokens(less, length) <= layout.capacity_tokens(more, length)
        assert layout.concurrency(less, length) <= layout.concurrency(more, length)


@settings(deadline=None)
@given(name=names, minor=minors, available=sizes)
def test_the_longest_context_passes_and_one_token_more_does_not(name: str, minor: int, available: int) -> None:
    layout = layout_of(name, minor)
    limit = layout.derived_max_model_len
    longest = layout.longest_context(available, limit)
    assert 0 <= longest <= limit
    if longest:
        assert layout.passes(available, longest)
    if longest < limit:
        assert not layout.passes(available, longest + 1)


@settings(deadline=None)
@given(name=names, minor=minors, length=st.integers(1, 300_000))
def test_the_least_bytes_start_and_one_byte_less_does_not(name: str, minor: int, length: int) -> None:
    layout = layout_of(name, minor)
    least = layout.least_bytes_that_start(length)
    assert layout.passes(least, length)
    if least:
        assert not layout.passes(least - 1, length)


@settings(deadline=None)
@given(name=names, minor=minors, one=st.integers(1, 300_000), other=st.integers(1, 300_000))
def test_longer_contexts_never_need_less(name: str, minor: int, one: int, other: int) -> None:
    layout = layout_of(name, minor)
    shorter, longer = sorted((one, other))
    assert layout.needed_bytes(shorter) <= layout.needed_bytes(longer)
    assert layout.least_bytes_that_start(shorter) <= layout.least_bytes_that_start(longer)


@settings(deadline=None)
@given(name=names, minor=minors, length=st.integers(1, 300_000), available=sizes)
def test_every_figure_is_a_whole_number(name: str, minor: int, length: int, available: int) -> None:
    layout = layout_of(name, minor)
    figures = [
        layout.bytes_per_block,
        layout.needed_bytes(length),
        layout.num_blocks(available),
        layout.longest_context(available, length),
        layout.capacity_tokens(available, length),
        layout.least_bytes_that_start(length),
    ]
    assert [type(figure) for figure in figures] == [int] * len(figures)
    assert all(figure >= 0 for figure in figures)


@settings(deadline=None)
@given(name=names, minor=minors, ranks=st.sampled_from([2, 4, 8]))
def test_more_ranks_never_need_more_on_each(name: str, minor: int, ranks: int) -> None:
    # Attention alone: blocks of hybrids follow from the state's share of a rank and round differently.
    one, several = layout_of(name, minor), layout_of(name, minor, tensor_parallel_size=ranks)
    assume(all(group.kind != "Mamba" for group in one.groups))
    length = one.derived_max_model_len
    assert several.needed_bytes(length) <= one.needed_bytes(length)
    for available in (GIB // 8, GIB, 20 * GIB):
        assert several.longest_context(available, length) >= one.longest_context(available, length)


@settings(deadline=None)
@given(name=names, minor=minors)
def test_an_eight_bit_cache_never_needs_more(name: str, minor: int) -> None:
    layout, small = layout_of(name, minor), layout_of(name, minor, kv_cache_dtype="fp8")
    assume(all(group.kind != "Mamba" for group in layout.groups))
    length = layout.derived_max_model_len
    assert small.needed_bytes(length) <= layout.needed_bytes(length)
