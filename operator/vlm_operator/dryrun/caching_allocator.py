"""The bookkeeping of PyTorch's CUDA caching allocator, without memory behind it.

Source: torch 2.11 ``c10/cuda/CUDACachingAllocator.cpp`` (``round_size``, ``get_allocation_size``, ``should_split``,
``free_block``, ``release_cached_blocks``) with default settings.
"""

from __future__ import annotations

import bisect
from dataclasses import dataclass, field

MIB = 1 << 20
SMALLEST_BLOCK = 512
SMALL_LIMIT = MIB
SMALL_SEGMENT = 2 * MIB
MEDIUM_SEGMENT = 20 * MIB
MEDIUM_LIMIT = 10 * MIB
LARGE_ROUNDING = 2 * MIB
_GAP = 1 << 30
"""Address space between two segments, so that their blocks never look adjacent."""


@dataclass(eq=False)
class Block:
    """A piece of a segment.

    Attributes:
        size: bytes, rounded as the allocator rounds them.
        label: what the block is for, in words.
        previous, next: its neighbours in the same segment.
    """

    address: int
    size: int
    small: bool
    label: str = ""
    free: bool = True
    previous: Block | None = None
    next: Block | None = None


@dataclass
class CachingAllocator:
    """Best fit with splitting and coalescing: sizes are bytes.

    Attributes:
        allocated, peak: bytes in blocks that are in use, and the most since ``reset_peak``.
        reserved, peak_reserved: bytes of segments taken from the device.
        largest_split: blocks above it are neither split nor used for smaller requests (``max_split_size_mb``).
        at_peak: (size, label) of the blocks above 2 MiB that were in use at the peak.
    """

    allocated: int = 0
    peak: int = 0
    reserved: int = 0
    peak_reserved: int = 0
    largest_split: int | None = None
    at_peak: list[tuple[int, str]] = field(default_factory=list)
    _pools: dict[bool, list[tuple[int, int, Block]]] = field(default_factory=lambda: {True: [], False: []})
    _in_use: dict[int, Block] = field(default_factory=dict)
    _next_address: int = 1 << 40

    def allocate(self, nbytes: int, label: str = "") -> Block | None:
        """A block of at least ``nbytes``; None where nothing is asked for."""
        if nbytes <= 0:
            return None
        size = rounded(nbytes)
        block = self._take(size) or self._new_segment(size)
        self._split(block, size)
        block.free, block.label = False, label
        self.allocated += block.size
        self._in_use[block.address] = block
        if self.allocated > self.peak:
            self.peak = self.allocated
            if block.size > 4 * MIB:
                self.at_peak = [(each.size, each.label) for each in self._in_use.values() if each.size > 2 * MIB]
        return block

    def release(self, block: Block | None) -> None:
        """Give a block back to its pool and join it with free neighbours."""
        if block is None or block.free:
            return
        del self._in_use[block.address]
        self.allocated -= block.size
        block.free = True
        before, after = block.previous, block.next
        if before is not None and before.free:
            self._remove(before)
            _join(before, block)
            block = before
        if after is not None and after.free:
            self._remove(after)
            _join(block, after)
        bisect.insort(self._pools[block.small], (block.size, block.address, block))

    def empty_cache(self) -> None:
        """Return every segment of which nothing is in use to the device."""
        for small, pool in self._pools.items():
            whole = [entry for entry in pool if entry[2].previous is None and entry[2].next is None]
            self.reserved -= sum(size for size, _, _ in whole)
            gone = {address for _, address, _ in whole}
            self._pools[small] = [entry for entry in pool if entry[1] not in gone]

    def reset_peak(self) -> None:
        """Start to look for a new peak, from what is in use now."""
        self.peak, self.peak_reserved, self.at_peak = self.allocated, self.reserved, []

    def relabel(self, label: str) -> None:
        """Give every block that is in use this label."""
        for block in self._in_use.values():
            block.label = label

    def in_use(self) -> list[tuple[int, str]]:
        """(size, label) of every block in use, the largest first."""
        return sorted(((block.size, block.label) for block in self._in_use.values()), key=lambda each: -each[0])

    def _take(self, size: int) -> Block | None:
        """The smallest free block that is large enough, out of its pool."""
        pool = self._pools[size <= SMALL_LIMIT]
        index = bisect.bisect_left(pool, (size, 0))
        if index == len(pool):
            return None
        block = pool[index][2]
        limit = self.largest_split
        if limit is not None and size < limit <= block.size:
            return None  # kept whole for a request of its own size
        if limit is not None and size >= limit and block.size >= size + MEDIUM_SEGMENT:
            return None
        del pool[index]
        return block

    def _new_segment(self, size: int) -> Block:
        block = Block(self._next_address, segment_size(size), size <= SMALL_LIMIT)
        self._next_address += block.size + _GAP
        self.reserved += block.size
        self.peak_reserved = max(self.peak_reserved, self.reserved)
        return block

    def _split(self, block: Block, size: int) -> None:
        """Cut what is left over off the block, where the allocator would."""
        rest = block.size - size
        if block.small:
            worthwhile = rest >= SMALLEST_BLOCK
        else:
            worthwhile = rest > SMALL_LIMIT and (self.largest_split is None or size < self.largest_split)
        if not worthwhile:
            return
        tail = Block(block.address + size, rest, block.small, previous=block, next=block.next)
        if block.next is not None:
            block.next.previous = tail
        block.next, block.size = tail, size
        bisect.insort(self._pools[block.small], (rest, tail.address, tail))

    def _remove(self, block: Block) -> None:
        pool = self._pools[block.small]
        del pool[bisect.bisect_left(pool, (block.size, block.address))]


def rounded(nbytes: int) -> int:
    """Bytes as the allocator counts them: whole units of 512."""
    return max(SMALLEST_BLOCK, -(-nbytes // SMALLEST_BLOCK) * SMALLEST_BLOCK)


def segment_size(size: int) -> int:
    """Bytes asked of the device for a block of that size."""
    if size <= SMALL_LIMIT:
        return SMALL_SEGMENT
    if size < MEDIUM_LIMIT:
        return MEDIUM_SEGMENT
    return -(-size // LARGE_ROUNDING) * LARGE_ROUNDING


def _join(first: Block, second: Block) -> None:
    """Extend ``first`` over its neighbour ``second``."""
    first.size += second.size
    first.next = second.next
    if second.next is not None:
        second.next.previous = first
