"""Read this machine's GPUs through NVML, as facts that plans take."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from platform import uname
from typing import Any

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.gpu.catalogue import labelled_gpu
from vlm_operator.gpu.facts import GPUFacts, Platform, context_bytes, cuda_total_of
from vlm_operator.gpu.platform import on_platform, platform_of_kernel
from vlm_operator.gpu.read_memory import with_memory


@dataclass(frozen=True, slots=True)
class LocalGPU:
    """One GPU of this machine.

    Attributes:
        index: as nvidia-smi counts.
        uuid: as NVML says.
        name: device name as NVML says.
        nvml_total_bytes, nvml_free_bytes: as nvidia-smi shows.
        compute_capability: (major, minor).
        driver_version: of the kernel driver.
        platform: the operating system under the driver.
    """

    index: int
    uuid: str
    name: str
    nvml_total_bytes: int
    nvml_free_bytes: int
    compute_capability: tuple[int, int]
    driver_version: str
    platform: Platform = Platform.LINUX

    @property
    def label(self) -> str:
        """The product as gpu-feature-discovery would label the node: blanks become dashes."""
        return self.name.replace(" ", "-")

    def facts(self) -> GPUFacts:
        """What a plan takes: the catalogue's figures, with what is free just now in place of an idle card's."""
        try:
            known = with_memory(labelled_gpu(self.label, self.nvml_total_bytes), self.nvml_total_bytes, "NVML")
        except UnknownFact:
            total, uncertainty = cuda_total_of(self.nvml_total_bytes)
            known = GPUFacts(
                product=self.label,
                total_bytes=total,
                total_uncertainty_bytes=uncertainty,
                nvml_total_bytes=self.nvml_total_bytes,
                compute_capability=self.compute_capability,
                known=False,
                device_name=self.name,
            )
        known = on_platform(known, self.platform)
        if self.platform is not Platform.LINUX:  # NVML counts the desktop's share as used
            return known.with_(free_at_start_bytes=max(self.nvml_free_bytes - context_bytes(known.total_bytes), 0))
        reserved = max((known.nvml_total_bytes or self.nvml_total_bytes) - known.total_bytes, 0)
        used = self.nvml_total_bytes - self.nvml_free_bytes - reserved
        idle = known.free_estimate_bytes
        return known.with_(free_at_start_bytes=max(idle - max(used, 0), 0))


def local_gpus(nvml: Any = None, platform: Platform | None = None) -> tuple[LocalGPU, ...]:
    """The GPUs of this machine, in NVML's order.

    Args:
        nvml: the ``pynvml`` module; another one in tests.
        platform: asked of the kernel where None.

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
        return tuple(_read(nvml, platform or platform_of_kernel(uname().release, uname().system)))
    finally:
        nvml.nvmlShutdown()


def _read(nvml: Any, platform: Platform) -> Iterator[LocalGPU]:
    driver = _text(nvml.nvmlSystemGetDriverVersion())
    for index in range(nvml.nvmlDeviceGetCount()):
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
        major, minor = nvml.nvmlDeviceGetCudaComputeCapability(handle)
        yield LocalGPU(
            index=index,
            uuid=_text(nvml.nvmlDeviceGetUUID(handle)),
            name=_text(nvml.nvmlDeviceGetName(handle)),
            nvml_total_bytes=int(memory.total),
            nvml_free_bytes=int(memory.free),
            compute_capability=(int(major), int(minor)),
            driver_version=driver,
            platform=platform,
        )


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
