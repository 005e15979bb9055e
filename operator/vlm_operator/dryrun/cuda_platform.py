"""vLLM's platform for the simulated GPU: its own CUDA platform, with the questions for NVML answered here."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .device import SimulatedDevice
    from .gpu import GPU

GPUS = 8
"""Devices that vLLM may count: as many as tensor parallelism can ask for on one node."""


def install(device: SimulatedDevice, gpu: GPU) -> None:
    """Make the simulated GPU vLLM's current platform."""
    from vllm import platforms
    from vllm.platforms import interface

    platforms._current_platform = interface.Platform()  # while the module of the CUDA platform is imported
    from vllm.platforms.cuda import CudaPlatformBase

    platforms._current_platform = _platform(CudaPlatformBase, interface, device, gpu)()


def _platform(base: Any, interface: Any, device: SimulatedDevice, gpu: GPU) -> Any:
    capability = gpu.capability

    def pair(asked: Any) -> tuple[int, int]:
        return tuple(asked) if isinstance(asked, tuple) else (asked // 10, asked % 10)

    def import_ir_kernels(cls: Any) -> None:
        with contextlib.suppress(ImportError):
            import vllm.kernels  # noqa: F401

    answers: dict[str, Any] = {
        "get_device_capability": lambda cls, device_id=0: interface.DeviceCapability(*capability),
        "has_device_capability": lambda cls, asked, device_id=0: capability >= pair(asked),
        "is_device_capability": lambda cls, asked, device_id=0: capability == pair(asked),
        "is_device_capability_family": lambda cls, asked, device_id=0: capability[0] == asked // 10,
        "get_device_name": lambda cls, device_id=0: gpu.name,
        "get_device_total_memory": lambda cls, device_id=0: gpu.total_bytes,
        "get_device_uuid": lambda cls, device_id=0: "0",
        "is_fully_connected": lambda cls, ids: True,
        "is_pin_memory_available": lambda cls: False,
        "is_integrated_gpu": lambda cls, device_id=0: False,
        "num_compute_units": lambda cls, device_id=0: gpu.multiprocessors,
        "device_count": lambda cls: GPUS,
        "get_device_numa_node": lambda cls, device_id=0: None,
        "get_current_memory_usage": lambda cls, device_=None: device.allocator.allocated,
        "use_custom_allreduce": lambda cls: False,
        "import_kernels": lambda cls: None,
        "import_ir_kernels": import_ir_kernels,
    }
    return type("SimulatedPlatform", (base,), {name: classmethod(answer) for name, answer in answers.items()})
