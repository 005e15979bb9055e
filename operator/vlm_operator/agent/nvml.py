"""Read this machine's GPUs through NVML, as facts that plans take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from platform import uname
from typing import Any, Final

from vlm_operator.agent.host_process import pod_uid
from vlm_operator.errors import InputError
from vlm_operator.gpu.facts import GPUFacts, Platform
from vlm_operator.gpu.measured import GPUProcess, MeasuredGPU, MigInstance, present_gpu
from vlm_operator.gpu.platform import platform_of_kernel
from vlm_operator.units import KIB

HOST_PROCESSES: Final = Path("/proc")
"""Where processes of the host are seen; in the agent's pod with ``hostPID``."""

_PROFILE: Final = re.compile(r"MIG (\d+[cg]\.[0-9a-z.+]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class LocalGPU:
    """One GPU of this machine.

    Attributes:
        measured: as NVML tells it now.
        driver_version: of the kernel driver.
        platform: the operating system under the driver.
    """

    measured: MeasuredGPU
    driver_version: str
    platform: Platform = Platform.LINUX

    @property
    def label(self) -> str:
        """The product as gpu-feature-discovery would label the node."""
        return self.measured.label

    def facts(self) -> GPUFacts:
        """What a plan takes: the catalogue's figures, with what is free just now in place of an idle card's."""
        return present_gpu(self.measured, self.platform)


def local_gpus(nvml: Any = None, platform: Platform | None = None, proc: Path = HOST_PROCESSES) -> tuple[LocalGPU, ...]:
    """The GPUs of this machine, in NVML's order.

    Args:
        nvml: the ``pynvml`` module; another one in tests.
        platform: asked of the kernel where None.
        proc: where processes of the host are seen.

    Raises:
        InputError: there is no NVIDIA driver here, or it refuses.
    """
    if nvml is None:
        import pynvml

        nvml = pynvml
    try:
        nvml.nvmlInit()
    except nvml.NVMLError as error:
        raise InputError(
            f"local GPU: the NVIDIA driver cannot be asked: {error}",
            field="gpu",
            hint="run it where nvidia-smi works, or name the product with --gpu",
        ) from None
    try:
        return tuple(_read(nvml, platform or platform_of_kernel(uname().release, uname().system), proc))
    except nvml.NVMLError as error:
        raise InputError(
            f"local GPU: the NVIDIA driver does not answer: {error}", field="gpu", hint="see what nvidia-smi says"
        ) from None
    finally:
        nvml.nvmlShutdown()


def _read(nvml: Any, platform: Platform, proc: Path) -> Iterator[LocalGPU]:
    driver = _text(nvml.nvmlSystemGetDriverVersion())
    for index in range(nvml.nvmlDeviceGetCount()):
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        memory = _memory(nvml, handle)
        total, free, reserved = memory or _host_memory(proc)
        major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
        mode = _told(nvml, "nvmlDeviceGetMigMode", handle)
        ecc = _told(nvml, "nvmlDeviceGetEccMode", handle)
        measured = MeasuredGPU(
            index=index,
            uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
            name=_text(nvml.nvmlDeviceGetName(handle)),
            total_bytes=total,
            free_bytes=free,
            compute_capability=(int(major), int(minor)),
            reserved_bytes=reserved,
            unified=memory is None,
            ecc=None if ecc is None else bool(ecc[0]),
            processes=_processes(nvml, handle, proc),
            mig=tuple(_instances(nvml, handle, proc)) if mode and mode[0] else (),
            mig_enabled=bool(mode and mode[0]),
        )
        yield LocalGPU(measured, driver, platform)


def _memory(nvml: Any, handle: Any) -> tuple[int, int, int | None] | None:
    """Total, free and what the driver keeps; None for a board that shares its memory with the host."""
    if version := getattr(nvml, "nvmlMemory_v2", None):
        found = _told(nvml, "nvmlDeviceGetMemoryInfo", handle, version=version)
        if found is not None:
            return int(found.total), int(found.free), int(found.reserved)
    found = _told(nvml, "nvmlDeviceGetMemoryInfo", handle)
    return None if found is None else (int(found.total), int(found.free), None)


def _host_memory(proc: Path) -> tuple[int, int, int | None]:
    """Total and available memory of the host (``/proc/meminfo``)."""
    try:
        text = (proc / "meminfo").read_text()
    except OSError as error:
        raise InputError(
            f"local GPU: NVML tells no memory, and the host's cannot be read: {error}",
            field="gpu",
            hint="give CUDA's total with --gpu-memory SIZE",
        ) from None
    sizes = {name: int(size) * KIB for name, size in re.findall(r"^(\w+): +(\d+) kB$", text, re.MULTILINE)}
    return sizes["MemTotal"], sizes["MemAvailable"], None


def _processes(nvml: Any, handle: Any, proc: Path) -> tuple[GPUProcess, ...]:
    """Those that compute and those that draw; one that does both once, with the larger figure."""
    found: dict[int, int | None] = {}
    for name in ("nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetGraphicsRunningProcesses"):
        for each in _told(nvml, name, handle) or ():
            used = None if each.usedGpuMemory is None else int(each.usedGpuMemory)
            known = found.get(int(each.pid))
            found[int(each.pid)] = used if known is None else max(known, used or 0)
    return tuple(
        GPUProcess(pid, _process_name(nvml, pid), used, pod_uid(pid, proc)) for pid, used in sorted(found.items())
    )


def _process_name(nvml: Any, pid: int) -> str:
    name = _told(nvml, "nvmlSystemGetProcessName", pid)
    return _text(name)[:253] if name else ""


def _instances(nvml: Any, handle: Any, proc: Path) -> Iterator[MigInstance]:
    for index in range(_told(nvml, "nvmlDeviceGetMaxMigDeviceCount", handle) or 0):
        instance = _told(nvml, "nvmlDeviceGetMigDeviceHandleByIndex", handle, index)
        if instance is None:
            continue
        profile = _PROFILE.search(_text(nvml.nvmlDeviceGetName(instance)))
        memory = _memory(nvml, instance)
        if profile and memory:
            uuid = _text(nvml.nvmlDeviceGetUUID(instance))
            held = _processes(nvml, instance, proc)
            yield MigInstance(uuid, profile[1].lower(), memory[0], memory[1], memory[2], held)


def _told(nvml: Any, function: str, *arguments: Any, **named: Any) -> Any:
    """The answer, None where this GPU, its driver or this release of pynvml has none."""
    ask = getattr(nvml, function, None)
    try:
        return None if ask is None else ask(*arguments, **named)
    except nvml.NVMLError:
        return None


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value
