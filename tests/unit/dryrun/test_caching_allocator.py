"""The simulated caching allocator counts as PyTorch's does."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vlm_operator.dryrun.caching_allocator import MIB, CachingAllocator, rounded, segment_size


@pytest.mark.parametrize(
    ("asked", "counted"),
    [
        pytest.param(1, 512, id="a byte is a block of 512"),
        pytest.param(512, 512, id="a whole block"),
        pytest.param(513, 1024, id="one byte more is a second block"),
        pytest.param(10 * MIB + 1, 10 * MIB + 512, id="large sizes are rounded to 512 too"),
    ],
)
def test_sizes_are_counted_in_blocks_of_512_bytes(asked: int, counted: int) -> None:
    allocator = CachingAllocator()
    allocator.allocate(asked)
    assert (rounded(asked), allocator.allocated) == (counted, counted)


@pytest.mark.parametrize(
    ("size", "segment"),
    [
        pytest.param(512, 2 * MIB, id="small blocks come from segments of 2 MiB"),
        pytest.param(MIB, 2 * MIB, id="1 MiB is small"),
        pytest.param(MIB + 512, 20 * MIB, id="up to 10 MiB from segments of 20 MiB"),
        pytest.param(10 * MIB, 10 * MIB, id="from 10 MiB on their own, in steps of 2 MiB"),
        pytest.param(11 * MIB + 512, 12 * MIB, id="rounded up to 2 MiB"),
    ],
)
def test_segments_are_taken_as_large_as_pytorch_takes_them(size: int, segment: int) -> None:
    allocator = CachingAllocator()
    allocator.allocate(size)
    assert (segment_size(size), allocator.reserved) == (segment, segment)


def test_nothing_is_allocated_for_nothing() -> None:
    allocator = CachingAllocator()
    assert allocator.allocate(0) is None
    allocator.release(None)
    assert (allocator.allocated, allocator.reserved, allocator.peak) == (0, 0, 0)


def test_a_released_block_is_used_again() -> None:
    allocator = CachingAllocator()
    allocator.release(allocator.allocate(30 * MIB))
    allocator.allocate(30 * MIB)
    assert (allocator.reserved, allocator.peak) == (30 * MIB, 30 * MIB)


def test_the_smallest_block_that_is_large_enough_is_taken() -> None:
    allocator = CachingAllocator()
    large, small = allocator.allocate(64 * MIB), allocator.allocate(32 * MIB)
    allocator.release(large)
    allocator.release(small)
    again = allocator.allocate(30 * MIB)
    assert again is not None
    assert (again is small, allocator.reserved) == (True, 96 * MIB)


def test_neighbours_are_joined_when_they_are_free() -> None:
    allocator = CachingAllocator()
    blocks = [allocator.allocate(4 * MIB) for _ in range(5)]
    assert allocator.reserved == 20 * MIB
    for index in (1, 3, 2, 0, 4):
        allocator.release(blocks[index])
    allocator.allocate(20 * MIB)
    assert allocator.reserved == 20 * MIB


def test_the_peak_is_of_blocks_in_use_and_can_be_asked_for_anew() -> None:
    allocator = CachingAllocator()
    first = allocator.allocate(100 * MIB, "first")
    allocator.release(allocator.allocate(50 * MIB, "second"))
    assert (allocator.peak, allocator.at_peak) == (150 * MIB, [(100 * MIB, "first"), (50 * MIB, "second")])
    allocator.reset_peak()
    assert (allocator.peak, allocator.at_peak) == (100 * MIB, [])
    allocator.release(first)
    assert (allocator.allocated, allocator.peak) == (0, 100 * MIB)


def test_a_small_block_keeps_its_whole_segment_when_the_cache_is_emptied() -> None:
    """The mechanism behind "consumed" memory since vLLM 0.28: free memory is read per segment."""
    allocator = CachingAllocator()
    large = allocator.allocate(1024 * MIB)
    allocator.release(large)
    kept = allocator.allocate(2 * MIB)  # cut off the free block of 1 GiB
    allocator.empty_cache()
    assert (allocator.allocated, allocator.reserved) == (2 * MIB, 1024 * MIB)
    allocator.release(kept)
    allocator.empty_cache()
    assert allocator.reserved == 0


def test_blocks_above_the_split_limit_are_kept_whole() -> None:
    """vLLM 0.33 profiles with ``max_split_size_mb=20`` so that small blocks do not pin large ones."""
    allocator = CachingAllocator(largest_split=20 * MIB)
    allocator.release(allocator.allocate(1024 * MIB))
    allocator.allocate(2 * MIB)
    allocator.empty_cache()
    assert (allocator.allocated, allocator.reserved) == (2 * MIB, 20 * MIB)


_STEPS = st.lists(st.tuples(st.integers(1, 40 * MIB), st.booleans()), max_size=60)


@given(_STEPS)
def test_what_is_allocated_is_the_sum_of_the_blocks_in_use(steps: list[tuple[int, bool]]) -> None:
    allocator, live = CachingAllocator(), []
    for size, released in steps:
        block = allocator.allocate(size)
        assert block is not None
        assert block.size >= size
        live.append(block)
        if released:
            allocator.release(live.pop(0))
    assert allocator.allocated == sum(block.size for block in live) == sum(size for size, _ in allocator.in_use())
    assert allocator.allocated <= allocator.reserved
    assert allocator.allocated <= allocator.peak
    spans = sorted((block.address, block.address + block.size) for block in live)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))
    for block in live:
        allocator.release(block)
    allocator.empty_cache()
    assert (allocator.allocated, allocator.reserved) == (0, 0)
