"""The operating system under the driver, which decides what CUDA reports as total.

On Linux the driver keeps 0.4 to 1 GiB of a card for itself, and CUDA's total is smaller than NVML's by as much. Under
Windows' display driver model, and so under WSL2, CUDA's total is NVML's; the desktop's share is missing from free
memory instead. Read on RTX 4080, 4090, 5060 Ti, 5070 Ti, 5080 and 5090.
"""

from __future__ import annotations

from typing import Final

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.gpu.facts import GPUFacts, MemoryKind, Platform, Vendor
from vlm_operator.units import GIB, MIB, format_gib

_DESKTOP_BYTES: Final = int(1.35 * GIB)
"""Between total and free under Windows and WSL2: published start-ups lie between 0.9 and 1.8 GiB."""
_DESKTOP_SPREAD_BYTES: Final = int(0.45 * GIB)
_WSL2_KERNEL: Final = "microsoft"
"""A piece of the release of WSL2's kernel."""
_TOTAL_SPREAD_BYTES: Final = 2 * MIB
"""CUDA's total is NVML's, or 1 MiB less."""


def platform_of_kernel(release: str, system: str = "Linux") -> Platform:
    """The platform of a kernel release as ``uname -r`` prints it.

    >>> platform_of_kernel("5.15.167.4-microsoft-standard-WSL2")
    <Platform.WSL2: 'wsl2'>
    """
    if system.lower() == "windows":
        return Platform.WINDOWS
    return Platform.WSL2 if _WSL2_KERNEL in release.lower() else Platform.LINUX


def on_platform(gpu: GPUFacts, platform: Platform) -> GPUFacts:
    """``gpu`` as CUDA reports it on ``platform``; the catalogue's figures are Linux'.

    Raises:
        UnknownFact: the product's total on that platform is not known.
    """
    if platform is gpu.platform:
        return gpu
    if gpu.platform is not Platform.LINUX:
        raise InputError(
            f"platform: {gpu.label} is described as under {gpu.platform} already, not {platform}", field="platform"
        )
    if gpu.vendor is Vendor.CUSTOM:
        total, uncertainty = gpu.total_bytes, gpu.total_uncertainty_bytes
    elif gpu.memory_kind is not MemoryKind.GDDR or gpu.nvml_total_bytes is None or gpu.vendor is not Vendor.NVIDIA:
        raise UnknownFact(
            f"platform: the memory of {gpu.label} under {platform} is not known: it is read for GeForce and RTX cards",
            field="platform",
            hint="give what CUDA reports as total with --gpu-memory SIZE",
        )
    else:
        total, uncertainty = gpu.nvml_total_bytes, _TOTAL_SPREAD_BYTES
    note = (
        f"under {platform}: CUDA reports {format_gib(total)} as total, and the desktop holds about "
        f"{format_gib(_DESKTOP_BYTES)} of it"
    )
    return gpu.with_(
        platform=platform,
        total_bytes=total,
        total_uncertainty_bytes=uncertainty,
        free_at_start_bytes=max(total - _DESKTOP_BYTES, 0),
        free_uncertainty_bytes=max(gpu.free_uncertainty_bytes, _DESKTOP_SPREAD_BYTES),
        notes=(*gpu.notes, note),
    )


def seems_without_reserve(gpu: GPUFacts, total_bytes: int) -> bool:
    """Whether a total that a log printed is that of a card under Windows or WSL2, not under Linux.

    A log prints GiB with two decimals: 5 MiB either way.
    """
    nvml = gpu.nvml_total_bytes
    return (
        gpu.platform is Platform.LINUX
        and gpu.memory_kind is MemoryKind.GDDR
        and nvml is not None
        and nvml - gpu.total_bytes > 64 * MIB
        and abs(total_bytes - nvml) <= 8 * MIB
    )
