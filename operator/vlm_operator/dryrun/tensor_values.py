"""Values of small tensors on the simulated device: what vLLM reads back (sizes, masks, indices) is computed for real.

Each device storage may have a twin on the CPU; a tensor's values are a view of its storage's twin with the tensor's own
offset, sizes and strides, so that views and in-place writes stay right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from .storage_ledger import StorageLedger

from .operator_rules import VALUE_LIMIT

_MOST_BYTES = VALUE_LIMIT


def key_of(tensor: torch.Tensor) -> int:
    """What the ledger knows a tensor's storage by."""
    return tensor.untyped_storage()._cdata


def values_of(ledger: StorageLedger, tensor: torch.Tensor) -> torch.Tensor | None:
    """The values of a device tensor, None where they are not known; writing to them writes to the tensor."""
    entry = ledger.find(key_of(tensor))
    if entry is None:
        return None
    if entry.values is None and entry.fresh:
        size = tensor.untyped_storage().nbytes()
        if not 0 < size <= _MOST_BYTES:
            return None
        entry.values = torch.zeros(size, dtype=torch.uint8, device="cpu").untyped_storage()
        entry.fresh = False
    return None if entry.values is None else _view(entry.values, tensor)


def keep_values(ledger: StorageLedger, tensor: torch.Tensor, values: torch.Tensor) -> None:
    """Remember the values of a device tensor that the ledger has."""
    entry, size = ledger.find(key_of(tensor)), tensor.untyped_storage().nbytes()
    if entry is None or size == 0:
        return
    if entry.values is None:
        entry.values = torch.zeros(size, dtype=torch.uint8, device="cpu").untyped_storage()
    entry.fresh = False
    _view(entry.values, tensor).copy_(values)


def forget_values(ledger: StorageLedger, tensor: torch.Tensor) -> None:
    """Say that a tensor's values are not known any more."""
    entry = ledger.find(key_of(tensor))
    if entry is not None:
        entry.values, entry.fresh = None, False


def _view(storage: torch.UntypedStorage, tensor: torch.Tensor) -> torch.Tensor:
    view = torch.empty(0, dtype=tensor.dtype, device="cpu")
    return view.set_(storage, tensor.storage_offset(), tensor.size(), tensor.stride())
