"""``torch.cuda`` and ``torch.accelerator`` as the simulated device answers them. Nothing here is undone."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch
from torch.utils import _device as default_device

if TYPE_CHECKING:
    from .device import SimulatedDevice
    from .gpu import GPU

from .operator_call import is_device

CONTEXT_BYTES = 500 << 20
"""What the CUDA context takes of the device's free memory. Nothing is derived from it: it only keeps free memory below
the total, as on a device."""


class Nothing:
    """Streams, events and drivers: every call on them does nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.cuda_stream = 0
        self.device = torch.device("cuda:0")

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args, **kwargs: None

    def __enter__(self) -> Nothing:
        return self

    def __exit__(self, *args: object) -> None:
        return None

    def query(self) -> bool:
        """Always done."""
        return True

    def elapsed_time(self, other: object) -> float:
        """A positive time, milliseconds."""
        return 1.0


class _Stream(Nothing):
    pass


class _Event(Nothing):
    pass


def install(device: SimulatedDevice, gpu: GPU) -> None:
    """Let torch answer as if ``gpu`` were its only CUDA device."""
    stream = _Stream()
    shared = _memory_interface(device, gpu) | {
        "is_available": lambda: True,
        "device_count": lambda: 1,
        "synchronize": lambda *args: None,
        "current_stream": lambda *args: stream,
        "set_stream": lambda *args: None,
    }
    for name, value in (shared | _cuda_interface(gpu, stream)).items():
        setattr(torch.cuda, name, value)
    accelerator = shared | {
        "set_device_index": lambda *args: None,
        "current_device_index": lambda: 0,
        "get_memory_info": lambda *args: torch.cuda.mem_get_info(),
        "current_accelerator": lambda *args, **kwargs: torch.device("cuda"),
    }
    for name, value in accelerator.items():
        setattr(torch.accelerator, name, value)
    torch.Event = _Event
    torch._C._cuda_getCurrentRawStream = lambda *args: 0
    torch.backends.cuda.enable_cudnn_sdp = lambda *args: None
    torch.get_default_device = lambda: torch.device("cuda:0")
    _tensors_pass_for_cuda()
    _constructors()


def _memory_interface(device: SimulatedDevice, gpu: GPU) -> dict[str, Any]:
    allocator = device.allocator

    def statistics(*args: Any) -> dict[str, int]:
        return {
            "allocated_bytes.all.current": allocator.allocated,
            "allocated_bytes.all.peak": allocator.peak,
            "reserved_bytes.all.current": allocator.reserved,
            "reserved_bytes.all.peak": allocator.peak_reserved,
        }

    return {
        "memory_stats": statistics,
        "memory_reserved": lambda *args: allocator.reserved,
        "memory_allocated": lambda *args: allocator.allocated,
        "max_memory_allocated": lambda *args: allocator.peak,
        "max_memory_reserved": lambda *args: allocator.peak_reserved,
        "reset_peak_memory_stats": lambda *args: allocator.reset_peak(),
        "empty_cache": allocator.empty_cache,
        "mem_get_info": lambda *args: (gpu.total_bytes - allocator.reserved - CONTEXT_BYTES, gpu.total_bytes),
    }


def _cuda_interface(gpu: GPU, stream: Nothing) -> dict[str, Any]:
    properties = SimpleNamespace(
        name=gpu.name,
        major=gpu.capability[0],
        minor=gpu.capability[1],
        total_memory=gpu.total_bytes,
        multi_processor_count=gpu.multiprocessors,
        is_integrated=0,
        max_threads_per_multi_processor=2048,
        warp_size=32,
        regs_per_multiprocessor=65536,
        shared_memory_per_block=49152,
        shared_memory_per_block_optin=gpu.shared_memory_bytes,
        shared_memory_per_multiprocessor=gpu.shared_memory_bytes + 1024,
        L2_cache_size=50 << 20,
        uuid="0",
        gcnArchName="",
    )
    return {
        "_lazy_init": lambda: None,
        "is_initialized": lambda: True,
        "init": lambda: None,
        "current_device": lambda: 0,
        "set_device": lambda *args: None,
        "get_device_properties": lambda *args: properties,
        "get_device_capability": lambda *args: gpu.capability,
        "get_device_name": lambda *args: gpu.name,
        "get_arch_list": lambda: [f"sm_{gpu.capability[0]}{gpu.capability[1]}"],
        "default_stream": lambda *args: stream,
        "stream": lambda *args: contextlib.nullcontext(),
        "device": lambda *args: contextlib.nullcontext(),
        "Stream": _Stream,
        "Event": _Event,
        "manual_seed": lambda *args: None,
        "manual_seed_all": lambda *args: None,
        "is_current_stream_capturing": lambda: False,
        "is_bf16_supported": lambda *args, **kwargs: gpu.capability >= (8, 0),
        "graph_pool_handle": lambda: 0,
        "ipc_collect": lambda: None,
    }


def _tensors_pass_for_cuda() -> None:
    """Meta tensors say that they are CUDA's, and give back the values that are known."""
    tensor, as_list, data_pointer, autocast = torch.Tensor, torch.Tensor.tolist, torch.Tensor.data_ptr, torch.autocast
    patched: Any = tensor
    patched.is_cuda = property(lambda self: self.device.type in {"cuda", "meta"})
    patched.tolist = lambda self: as_list(self.cpu() if self.device.type == "meta" else self)
    patched.data_ptr = lambda self: 16 if self.device.type == "meta" else data_pointer(self)
    patched.pin_memory = lambda self, *args, **kwargs: self
    patched.record_stream = lambda self, *args, **kwargs: None
    torch.autocast = lambda device_type, *args, **kwargs: autocast(
        "cuda" if device_type == "meta" else device_type, *args, **kwargs
    )
    torch._C._set_only_lift_cpu_tensors(True)


def _constructors() -> None:
    """``torch.tensor`` and ``as_tensor`` ask the CUDA runtime in C++: build on the CPU, then move through the mode."""
    for name in ("tensor", "as_tensor"):
        setattr(torch, name, _through_cpu(getattr(torch, name)))

    class Generator(torch.Generator):
        """One on the CPU, whatever device is asked for."""

        def __new__(cls, device: Any = None) -> Generator:
            return super().__new__(cls, "cpu")

    torch.Generator = Generator


def _through_cpu(construct: Callable[..., Any]) -> Callable[..., Any]:
    def made(data: Any, *args: Any, dtype: Any = None, device: Any = None, **kwargs: Any) -> Any:
        kwargs.pop("pin_memory", None)
        if device is None:
            device = getattr(default_device, "CURRENT_DEVICE", None)
        if isinstance(data, torch.Tensor) and device is None:
            return construct(data, *args, dtype=dtype, **kwargs)
        if not is_device(device):
            return construct(data, *args, dtype=dtype, device=device, **kwargs)
        if isinstance(data, torch.Tensor):
            return data.to(device=device, dtype=dtype)
        return construct(data, *args, dtype=dtype, device="cpu", **kwargs).to(device)

    return made
