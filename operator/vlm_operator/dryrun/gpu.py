"""The GPU that is simulated: what CUDA would say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SHARED_MEMORY_BYTES = {
    (7, 0): 98304,
    (7, 5): 65536,
    (8, 0): 166912,
    (8, 6): 101376,
    (8, 7): 166912,
    (8, 9): 101376,
    (9, 0): 232448,
    (10, 0): 232448,
    (10, 3): 232448,
    (12, 0): 101376,
    (12, 1): 101376,
}
"""Largest shared memory of a block (opt-in) by compute capability: CUDA C++ programming guide 13, "Compute
Capabilities", "Maximum amount of shared memory per thread block" (KB less the 1 KB that CUDA keeps)."""


@dataclass(frozen=True)
class GPU:
    """One CUDA device.

    Attributes:
        name: as CUDA names it (``NVIDIA H100 80GB HBM3``).
        total_bytes: what ``cudaMemGetInfo`` reports as total.
        capability: compute capability, (major, minor).
        multiprocessors: streaming multiprocessors.
        shared_memory_bytes: largest shared memory of a block.
    """

    name: str
    total_bytes: int
    capability: tuple[int, int]
    multiprocessors: int
    shared_memory_bytes: int

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> GPU:
        """The GPU of a request: ``{"name", "totalBytes", "capability": [9, 0], "multiprocessors"}``.

        Raises:
            KeyError, TypeError, ValueError: a field is missing or not of its type.
        """
        major, minor = (int(part) for part in document["capability"])
        shared = document.get("sharedMemoryBytes") or SHARED_MEMORY_BYTES.get((major, minor), 101376)
        return cls(
            name=str(document["name"]),
            total_bytes=int(document["totalBytes"]),
            capability=(major, minor),
            multiprocessors=int(document.get("multiprocessors") or 132),
            shared_memory_bytes=int(shared),
        )
