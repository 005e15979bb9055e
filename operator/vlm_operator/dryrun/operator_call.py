"""One call of a torch operator, seen by the dispatch mode: its arguments on the meta device and on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _pytree as pytree

if TYPE_CHECKING:
    from .storage_ledger import StorageLedger

from .operator_rules import DATA_DEPENDENT, VALUE_LIMIT, is_random
from .simulation_limit import SimulationLimit
from .tensor_values import keep_values, values_of

_MASKS = (torch.bool, torch.uint8)

UNSIZED = object()
"""In place of a result whose size only values can tell."""


class OperatorCall:
    """An operator with its arguments.

    Attributes:
        name, namespace, base: ``aten::add``, ``aten``, ``add``.
        on_device: the tensors among the arguments that lie on the simulated device.
        wants_device: whether the result is asked for on it.
    """

    def __init__(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.func, self.args, self.kwargs = func, args, kwargs
        self.name: str = func._schema.name
        self.namespace, _, self.base = self.name.partition("::")
        self.leaves, self._spec = pytree.tree_flatten((args, kwargs))
        self.on_device = [leaf for leaf in self.leaves if _is_tensor(leaf) and leaf.device.type == "meta"]
        self.wants_device = is_device(kwargs.get("device")) or any(
            isinstance(leaf, torch.device) and is_device(leaf) for leaf in args
        )
        self.mutable = bool(func._schema.is_mutable)

    def prepare(self) -> None:
        """Take out what only a real device understands: generators, pinned memory, ``cuda``."""
        if self.kwargs.get("pin_memory"):
            self.kwargs["pin_memory"] = False
        if self.kwargs.get("generator") is not None:
            self.kwargs["generator"] = None
        self.args = tuple(None if isinstance(each, torch._C.Generator) else each for each in self.args)
        if is_device(self.kwargs.get("device")):
            self.kwargs["device"] = torch.device("meta")
        self.leaves, self._spec = pytree.tree_flatten((self.args, self.kwargs))

    def moved_to_meta(self) -> tuple[Any, dict[str, Any]]:
        """The arguments with every tensor on the meta device."""
        leaves = [leaf.to("meta") if _is_tensor(leaf) and leaf.device.type == "cpu" else leaf for leaf in self.leaves]
        args, kwargs = pytree.tree_unflatten(leaves, self._spec)
        kwargs = dict(kwargs)
        kwargs.update({name: self.kwargs[name] for name in ("device", "pin_memory") if name in self.kwargs})
        if is_device(kwargs.get("device")):
            kwargs["device"] = torch.device("meta")
        return args, kwargs

    def known_values(self, ledger: StorageLedger) -> dict[int, torch.Tensor] | None:
        """The values of every device tensor among the arguments, by identity; None where one is not known."""
        if is_random(self.base) or self.base.startswith(("empty", "new_empty")):
            return None
        values = {}
        for tensor in self.on_device:
            known = values_of(ledger, tensor)
            if known is None:
                return None
            values[id(tensor)] = known
        return values

    def on_meta(self, ledger: StorageLedger, *, has_values: bool) -> Any:
        """The result by the meta kernel; ``UNSIZED`` where only values can tell its size.

        Raises:
            SimulationLimit: a mask whose values are not known.
            Exception: what the kernel raises, where values cannot help.
        """
        if self.base in DATA_DEPENDENT and self.kwargs.get("output_size") is None:
            return UNSIZED
        args, kwargs = self.moved_to_meta()
        if self.base == "index":
            args = (args[0], self._without_masks(ledger, args[1]), *args[2:])
        try:
            return self.func(*args, **kwargs)
        except Exception:
            if not has_values:
                raise
            return UNSIZED

    def _without_masks(self, ledger: StorageLedger, indices: Any) -> list[Any]:
        """Indices with boolean masks replaced by the positions that they select."""
        if not any(_is_tensor(each) and each.dtype in _MASKS for each in indices):
            return list(indices)
        plain: list[Any] = []
        for given in self.args[1]:
            if _is_tensor(given) and given.dtype in _MASKS:
                mask = values_of(ledger, given) if given.device.type == "meta" else given
                if mask is None:
                    raise SimulationLimit("a tensor is indexed by a mask whose values are not known")
                plain.extend(positions.to("meta") for positions in mask.nonzero(as_tuple=True))
            else:
                plain.append(given.to("meta") if _is_tensor(given) else given)
        return plain

    def on_cpu(self, values: dict[int, torch.Tensor], result: Any) -> Any:
        """The result with values; None where it is too large or the CPU has no kernel.

        Raises:
            Exception: what the kernel raises, where the meta kernel had no result either.
        """
        size = sum(leaf.numel() for leaf in pytree.tree_leaves(result) if _is_tensor(leaf))
        if size > VALUE_LIMIT or (self.base == "_to_copy" and self.args[0].numel() > VALUE_LIMIT):
            return None
        leaves = [values.get(id(leaf), leaf) if _is_tensor(leaf) else leaf for leaf in self.leaves]
        args, kwargs = pytree.tree_unflatten(leaves, self._spec)
        kwargs = dict(kwargs)
        if "device" in kwargs:
            kwargs["device"] = torch.device("cpu")
        try:
            return self.func(*args, **kwargs)
        except Exception:
            if result is UNSIZED:
                raise
            return None

    def copy_whole(self, ledger: StorageLedger) -> None:
        """Keep the values that ``copy_`` writes where it writes to all of a storage."""
        if self.base != "copy_" or self.args[0].device.type != "meta":
            return
        target, source = self.args[:2]
        if target.numel() > VALUE_LIMIT or target.numel() * target.element_size() != target.untyped_storage().nbytes():
            return
        values = values_of(ledger, source) if source.device.type == "meta" else source
        if values is not None:
            keep_values(ledger, target, values)


def is_device(device: Any) -> bool:
    """True for the simulated device under either of its names."""
    return device is not None and torch.device(device).type in {"cuda", "meta"}


def _is_tensor(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor)
