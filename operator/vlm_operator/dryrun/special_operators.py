"""Operators that need more than their sizes: values that are read, copies between devices, fused attention."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from .device import SimulatedDevice
    from .operator_call import OperatorCall

from .simulation_limit import SimulationLimit

_aten = torch.ops.aten
_PASS = (False, None)

Handler = Callable[["SimulatedDevice", "OperatorCall"], "tuple[bool, Any]"]
"""Gives (handled, result)."""


def _attention(device: SimulatedDevice, call: OperatorCall) -> tuple[bool, Any]:
    """CUDA takes a fused kernel: output and log-sum-exp. The meta device would fall back to plain matrices."""
    query, value = call.args[0], call.args[2]
    for tensor in call.on_device:
        device.take(tensor)
    with device:
        output = torch.empty(*query.shape[:-1], value.shape[-1], dtype=query.dtype, device="cuda:0")
        torch.empty(*query.shape[:-1], dtype=torch.float32, device="cuda:0")
    return True, output


def _read_value(device: SimulatedDevice, call: OperatorCall) -> tuple[bool, Any]:
    values = device.values(call.args[0])
    if values is None:
        raise SimulationLimit("a value is read from the device that the simulation does not know")
    return True, values.item()


def _equal(device: SimulatedDevice, call: OperatorCall) -> tuple[bool, Any]:
    first, second = (device.values(tensor) for tensor in call.args[:2])
    return True, True if first is None or second is None else torch.equal(first, second)


def _to_copy(device: SimulatedDevice, call: OperatorCall) -> tuple[bool, Any]:
    """A copy to the host; what is not known there is zero."""
    target = call.kwargs.get("device")
    if target is None or torch.device(target).type != "cpu" or not call.on_device:
        return _PASS
    if call.kwargs.get("pin_memory"):
        call.kwargs["pin_memory"] = False
    source = call.args[0]
    values = device.values(source)
    if values is None:
        values = torch.zeros(source.shape, dtype=source.dtype, device="cpu")
    return True, call.func(values, **call.kwargs)


def _copy_in_place(device: SimulatedDevice, call: OperatorCall) -> tuple[bool, Any]:
    target, source = call.args[:2]
    if target.device.type != "cpu":
        return _PASS
    values = device.values(source)
    if values is not None:
        target.copy_(values)
    return True, target


SPECIAL: dict[Any, Handler] = {
    _aten.scaled_dot_product_attention.default: _attention,
    _aten._local_scalar_dense.default: _read_value,
    _aten.equal.default: _equal,
    _aten._to_copy.default: _to_copy,
    _aten.copy_.default: _copy_in_place,
    _aten.is_pinned.default: lambda device, call: (True, False),
    _aten.record_stream.default: lambda device, call: (True, None),
}
