"""Storages take memory from their birth to the end of their last reference."""

from __future__ import annotations

from vlm_operator.dryrun.caching_allocator import MIB, CachingAllocator
from vlm_operator.dryrun.storage_ledger import StorageLedger


class Storage:
    """Something that can be referred to weakly."""


def ledger() -> StorageLedger:
    return StorageLedger(CachingAllocator())


def test_a_storage_holds_memory_until_its_last_reference_goes() -> None:
    books, storage = ledger(), Storage()
    books.enter(1, storage, 4 * MIB, "weights")
    books.enter(1, storage, 4 * MIB, "a view of it")
    assert books.allocator.allocated == 4 * MIB
    del storage
    assert (books.allocator.allocated, books.find(1)) == (0, None)


def test_a_key_may_be_used_again_after_its_storage_has_gone() -> None:
    books, storage = ledger(), Storage()
    books.enter(1, storage, 4 * MIB, "first")
    storage = Storage()
    books.enter(1, storage, 8 * MIB, "second")
    assert books.allocator.allocated == 8 * MIB


def test_a_virtual_storage_takes_memory_when_it_is_read() -> None:
    books, storage = ledger(), Storage()
    books.enter(1, storage, 4 * MIB, "fused", virtual=True)
    assert books.allocator.allocated == 0
    books.materialise(1)
    books.materialise(1)
    assert books.allocator.allocated == 4 * MIB
    del storage
    assert books.allocator.allocated == 0


def test_a_virtual_storage_that_goes_unread_never_takes_memory() -> None:
    books, storage = ledger(), Storage()
    books.enter(1, storage, 4 * MIB, "fused", virtual=True)
    del storage
    books.materialise_all()
    assert (books.allocator.allocated, books.allocator.peak) == (0, 0)


def test_every_virtual_storage_that_is_still_referred_to_can_be_materialised() -> None:
    books, first, second = ledger(), Storage(), Storage()
    books.enter(1, first, 4 * MIB, "fused", virtual=True)
    books.enter(2, second, 2 * MIB, "fused", virtual=True)
    books.materialise_all()
    assert books.allocator.allocated == 6 * MIB
    assert books.find(1) is not None


def test_host_memory_that_the_device_sees_takes_none_of_its_memory() -> None:
    books, storage = ledger(), Storage()
    books.enter_host(1, storage)
    books.materialise(1)
    assert books.allocator.reserved == 0
    del storage
    assert books.find(1) is None


def test_a_workspace_counts_while_an_operator_runs() -> None:
    books = ledger()
    books.transient(32 * MIB, "sort")
    assert (books.allocator.allocated, books.allocator.peak) == (0, 32 * MIB)
