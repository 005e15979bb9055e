"""Which storages hold device memory: born when a tensor first appears, dead when its last reference goes.

A storage of a fused region (what ``torch.compile`` would fuse) is *virtual* at first: it takes memory only once
something outside the fusion reads it. Storages are known by a key and a weak reference, so this file needs no torch.
"""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from typing import Any

from .caching_allocator import Block, CachingAllocator


@dataclass(eq=False)
class Entry:
    """One storage.

    Attributes:
        nbytes: its size.
        label: what it is for.
        block: its memory, None while it has none.
        virtual: True where no memory has been taken for it yet.
        values: a twin on the CPU with its values, None where they are not known (``tensor_values``).
        fresh: True while nothing was written to it: its values count as zeros.
        reference: keeps the ledger told of the storage's end.
    """

    nbytes: int
    label: str
    block: Block | None = None
    virtual: bool = False
    values: Any = None
    fresh: bool = False
    reference: Any = None


class StorageLedger:
    """Books of all storages on the simulated device."""

    def __init__(self, allocator: CachingAllocator) -> None:
        self.allocator = allocator
        self._entries: dict[int, Entry] = {}
        self._virtual: dict[int, Entry] = {}

    def find(self, key: int) -> Entry | None:
        """The entry of a storage, None where it has not appeared."""
        return self._entries.get(key)

    def enter(self, key: int, storage: Any, nbytes: int, label: str, *, virtual: bool = False) -> Entry:
        """The entry of a storage; a new one takes memory, unless it is virtual."""
        entry = self._entries.get(key)
        if entry is not None:
            return entry
        entry = Entry(nbytes, label, virtual=virtual)
        if virtual:
            self._virtual[key] = entry
        else:
            entry.block = self.allocator.allocate(nbytes, label)
        entry.reference = weakref.ref(storage, lambda _: self._leave(key))
        self._entries[key] = entry
        return entry

    def enter_host(self, key: int, storage: Any) -> Entry:
        """The entry of a storage that the device only sees: host memory mapped into it takes none of the device's."""
        entry = Entry(0, "host memory", reference=weakref.ref(storage, lambda _: self._leave(key)))
        self._entries[key] = entry
        return entry

    def materialise(self, key: int) -> None:
        """Take memory for a virtual storage."""
        entry = self._virtual.pop(key, None)
        if entry is not None:
            self._take(entry)

    def materialise_all(self) -> None:
        """Take memory for every virtual storage that is still referred to, in the order of their birth."""
        for entry in list(self._virtual.values()):
            self._take(entry)
        self._virtual.clear()

    def transient(self, nbytes: int, label: str) -> None:
        """Take and return memory that an operator needs while it runs."""
        self.allocator.release(self.allocator.allocate(nbytes, label))

    def _take(self, entry: Entry) -> None:
        entry.virtual = False
        entry.block = self.allocator.allocate(entry.nbytes, entry.label)

    def _leave(self, key: int) -> None:
        entry = self._entries.pop(key, None)
        self._virtual.pop(key, None)
        if entry is not None:
            self.allocator.release(entry.block)
