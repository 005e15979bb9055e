"""The simulated CUDA device: every tensor on it is a meta tensor, every operator passes through a dispatch mode.

The mode sends what asks for ``cuda`` to ``meta``, enters each new storage into the ledger, and computes the values of
small tensors on the CPU beside it. FakeTensorMode is not used: it cannot give values back.
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from .caching_allocator import CachingAllocator
from .operator_call import UNSIZED, OperatorCall
from .operator_rules import NOT_FUSED, sort_workspace_bytes
from .simulation_limit import SimulationLimit
from .special_operators import SPECIAL
from .storage_ledger import StorageLedger
from .tensor_values import forget_values, keep_values, key_of, values_of

_GEMM = frozenset({"mm", "addmm", "bmm", "baddbmm"})
_COPY = torch.ops.aten._to_copy.default
_LABELLED_BYTES = 2 << 20
_DEEPEST_FRAME = 40
_WRAPPERS = frozenset({"vllm.model_executor.parameter"})


class SimulatedDevice(TorchDispatchMode):
    """One device: its allocator, its ledger, and what was met that it does not model.

    Attributes:
        python_operators: implementations of vLLM's own operators (``vllm::name``), run as they are.
        unmodelled: operators whose memory is only that of their results, with how often they ran.
        fused_depth: above 0 inside what ``torch.compile`` would fuse.
        gemm_workspace_bytes: cuBLAS' workspace that the first matrix product still has to take.
    """

    def __init__(self) -> None:
        super().__init__()
        self.allocator = CachingAllocator()
        self.ledger = StorageLedger(self.allocator)
        self.python_operators: dict[str, Callable[..., Any]] = {}
        self.unmodelled: Counter[str] = Counter()
        self.fused_depth = 0
        self.gemm_workspace_bytes = 0

    # ---------------------------------------------------------------- fused regions
    @contextlib.contextmanager
    def fused(self) -> Iterator[None]:
        """A region that Inductor would compile: results of pointwise operators take no memory inside it."""
        self.fused_depth += 1
        try:
            yield
        finally:
            self.fused_depth -= 1

    def run_fused(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function as one fused region; what it returns lies in memory."""
        with self.fused():
            result = function(*args, **kwargs)
        for tensor in device_tensors(result):
            self.ledger.materialise(key_of(tensor))
        return result

    def run_unfused(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call the implementation of a custom operator, which no fusion reaches into."""
        depth = self.fused_depth
        if depth:
            self.ledger.materialise_all()
        self.fused_depth = 0
        try:
            with self:
                return function(*args, **kwargs)
        finally:
            self.fused_depth = depth

    # ---------------------------------------------------------------- dispatch
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        call = OperatorCall(func, args, dict(kwargs or {}))
        if call.name in self.python_operators:
            return self.run_unfused(self.python_operators[call.name], *call.args, **call.kwargs)
        if not call.on_device and not call.wants_device:
            if call.kwargs.get("pin_memory"):
                call.kwargs["pin_memory"] = False
            return func(*call.args, **call.kwargs)
        if call.namespace == "prim":
            return func(*call.args, **call.kwargs)
        if call.namespace not in {"aten", "prims", "quantized"}:
            return self._custom(call)
        special = SPECIAL.get(func)
        if special is not None:
            handled, result = special(self, call)
            if handled:
                return result
        if self._decomposes(call):
            with self:
                return func.decompose(*call.args, **call.kwargs)
        return self._aten(call)

    @staticmethod
    def _decomposes(call: OperatorCall) -> bool:
        if call.name == "aten::to":
            return True
        key = "CompositeImplicitAutograd"
        return call.func is not _COPY and bool(torch._C._dispatch_has_kernel_for_dispatch_key(call.func.name(), key))

    def _aten(self, call: OperatorCall) -> Any:
        """An operator of torch: sizes from the meta kernel, values from the CPU's where they are known."""
        call.prepare()
        if call.base in _GEMM and self.gemm_workspace_bytes:
            self.allocator.allocate(self.gemm_workspace_bytes, "cuBLAS workspace")
            self.gemm_workspace_bytes = 0
        fused = self.fused_depth > 0 and call.base not in NOT_FUSED
        if not fused:
            for tensor in call.on_device:
                self.ledger.materialise(key_of(tensor))
            if self.fused_depth:
                self.ledger.materialise_all()
        for tensor in call.on_device:
            self.enter(tensor, "input")
        values = call.known_values(self.ledger)
        result = call.on_meta(self.ledger, has_values=values is not None)
        computed = call.on_cpu(values, result) if values is not None else None
        if result is UNSIZED:
            if computed is None:
                self.unmodelled[call.name] += 1
                raise SimulationLimit(f"{call.name}: the size of its result depends on values that are not known")
            result = pytree.tree_map(_on_meta, computed)
        for tensor in device_tensors(result):
            self.enter(tensor, f"{call.base} {tuple(tensor.shape)} {str(tensor.dtype)[6:]}", virtual=fused)
        self._workspace(call)
        self._update_values(call, result, computed)
        return result

    def _workspace(self, call: OperatorCall) -> None:
        if call.base == "sort":
            keys = call.on_device[0]
            length = keys.shape[-1] if keys.dim() else 1
            rows = keys.numel() // max(length, 1)
            size = sort_workspace_bytes(rows, length, keys.element_size())
            self.ledger.transient(size, "sort workspace")

    def _update_values(self, call: OperatorCall, result: Any, computed: Any) -> None:
        ledger = self.ledger
        if call.base.startswith(("empty", "new_empty")):
            for tensor in device_tensors(result):
                entry = ledger.find(key_of(tensor))
                if entry is not None and entry.values is None:
                    entry.fresh = True
        elif computed is not None and not call.mutable:
            inputs = {key_of(tensor) for tensor in call.on_device}
            for tensor, values in zip(pytree.tree_leaves(result), pytree.tree_leaves(computed), strict=False):
                is_new = (
                    isinstance(tensor, torch.Tensor) and tensor.device.type == "meta" and key_of(tensor) not in inputs
                )
                if is_new and isinstance(values, torch.Tensor):
                    keep_values(ledger, tensor, values)
        elif computed is None and call.mutable:
            for tensor in device_tensors(result):
                forget_values(ledger, tensor)
            call.copy_whole(ledger)

    def _custom(self, call: OperatorCall) -> Any:
        """An operator of somebody else's library: its own fake kernel says what it returns."""
        if call.namespace == "vllm_ir":
            return self._vllm_ir(call)
        for tensor in call.on_device:
            self.ledger.materialise(key_of(tensor))
        if self.fused_depth:
            self.ledger.materialise_all()
        self.unmodelled[call.name] += 1
        args, kwargs = call.moved_to_meta()
        result = call.func(*args, **kwargs)
        for tensor in device_tensors(result):
            self.enter(tensor, call.name)
        return result

    def _vllm_ir(self, call: OperatorCall) -> Any:
        """vLLM's intermediate operators (since 0.20): native inside a fused region, else as vLLM dispatches them."""
        from vllm.ir.op import IrOp

        operator = IrOp.registry[call.base.partition(".")[0]]
        with self:
            if self.fused_depth:
                return operator.impls["native"].impl_fn(*call.args, **call.kwargs)
            if str(call.func).endswith(".default"):
                return operator._inner_call(*call.args, **call.kwargs)
            return operator.dispatch(*call.args, **call.kwargs).impl_fn(*call.args, **call.kwargs)

    # ---------------------------------------------------------------- storages and values
    def enter(self, tensor: torch.Tensor, label: str, *, virtual: bool = False) -> None:
        """Enter a device tensor's storage into the ledger, where it is new."""
        key = key_of(tensor)
        if self.ledger.find(key) is None:
            storage = tensor.untyped_storage()
            size = storage.nbytes()
            if size > _LABELLED_BYTES:
                label = f"{_where()} {label}"
            self.ledger.enter(key, storage, size, label, virtual=virtual)

    def values(self, tensor: torch.Tensor) -> torch.Tensor | None:
        """Values of a tensor wherever it lies; None where they are not known."""
        return values_of(self.ledger, tensor) if tensor.device.type == "meta" else tensor

    def take(self, tensor: torch.Tensor) -> None:
        """Make sure that a tensor which a kernel reads or writes lies in memory."""
        self.enter(tensor, "input")
        self.ledger.materialise(key_of(tensor))


def device_tensors(tree: Any) -> list[torch.Tensor]:
    """Every tensor of the simulated device in a structure."""
    return [leaf for leaf in pytree.tree_leaves(tree) if isinstance(leaf, torch.Tensor) and leaf.device.type == "meta"]


def _on_meta(leaf: Any) -> Any:
    if not isinstance(leaf, torch.Tensor):
        return leaf
    return torch.empty_strided(leaf.shape, leaf.stride(), dtype=leaf.dtype, device="meta")


def _where() -> str:
    """The line of vLLM's (or a processor's) source that runs."""
    frame: FrameType | None = sys._getframe(2)
    for _ in range(_DEEPEST_FRAME):
        if frame is None:
            break
        module = str(frame.f_globals.get("__name__"))
        if module.startswith(("vllm.", "transformers.")) and module not in _WRAPPERS:
            name = frame.f_code.co_filename.rsplit("/", 1)[-1]
            return f"{name}:{frame.f_lineno}:{frame.f_code.co_name}"
        frame = frame.f_back
    return "?"
