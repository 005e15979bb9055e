"""Frozen facts of a GPU, the same whether they come from the catalogue, node labels or NVML.

Two totals are kept apart: NVML's (``nvidia-smi``, the label ``nvidia.com/gpu.memory``) and CUDA's
(``cudaMemGetInfo``), which vLLM multiplies by ``--gpu-memory-utilization``. On Linux CUDA's is 0.4 to 1 GiB smaller.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from vlm_operator.errors import InputError
from vlm_operator.units import GIB, MIB


class MemoryKind(StrEnum):
    """Kind of device memory."""

    HBM = "HBM"
    GDDR = "GDDR"
    UNIFIED = "unified"
    """Shared with the host (GB10, Strix Halo): CUDA's free memory is what the host has left."""


class Platform(StrEnum):
    """The operating system that the driver runs under (``gpu.platform``)."""

    LINUX = "linux"
    WSL2 = "wsl2"
    WINDOWS = "windows"


class Vendor(StrEnum):
    """Who makes the GPU. The memory model holds for NVIDIA only."""

    NVIDIA = "nvidia"
    AMD = "amd"
    CUSTOM = "custom"
    """Given as bytes only (``--gpu-memory``)."""


class FactSource(StrEnum):
    """Who told a fact; the earlier ones win."""

    AGENT = "agent"
    """NVML, through the agent on the node (``GPUNode``), or on this machine."""
    DRA = "DRA"
    """A ResourceSlice of NVIDIA's DRA driver."""
    LABELS = "labels"
    """Labels of gpu-feature-discovery or of AMD's node labeller."""
    CATALOGUE = "catalogue"
    """The product catalogue."""


@dataclass(frozen=True, slots=True)
class MigProfile:
    """One slice size of a GPU.

    Attributes:
        name: as in ``nvidia.com/mig-1g.10gb``: ``1g.10gb``.
        total_bytes: CUDA's total inside the slice (no further gap to NVML's figure).
    """

    name: str
    total_bytes: int


@dataclass(frozen=True, slots=True)
class GPUFacts:
    """One GPU (or one MIG slice) as vLLM will see it.

    Attributes:
        product: value of the label ``nvidia.com/gpu.product``, without ``-SHARED`` and ``-MIG-…``.
        total_bytes: what ``cudaMemGetInfo`` reports as total: the base of ``--gpu-memory-utilization``.
        total_uncertainty_bytes: how far the total may be off (driver releases differ; unknown products more).
        nvml_total_bytes: NVML's total, None where NVML has none (GB10) or it is not known.
        free_at_start_bytes: free memory that vLLM found on an otherwise idle GPU before tensor-parallel peers
            connect, None where nobody published it; see ``free_estimate_bytes``.
        compute_capability: (major, minor), None where not known (AMD, a custom size).
        known: False for a product that the catalogue does not have: planned with wider bounds.
        supported: False where the memory model does not hold (AMD): plans end as ``Unknown``.
        shared: True where other pods may use the same memory (time slicing, MPS).
        free_uncertainty_bytes: how far free memory at start may be off on an otherwise idle machine (unified memory:
            the host's page cache and processes).
        mig_profile: name of the slice, None for a whole GPU.
        mig_profiles: slices the product can be cut into.
        notes: what a person should know, and why a figure differs from the catalogue's.
        device_name: CUDA's name of the device, as far as known; vLLM's defaults look for ``a100`` in it.
        platform: the operating system under the driver: CUDA's total depends on it.
        held_by: who holds memory of it, in words, as NVML told; empty where nobody is known to.
        sources: fact (``product``, ``memory``, ``computeCapability``, ``free``) and who told it; what is not listed is
            the catalogue's. Two GPUs that differ in these words and sources only are equal.
    """

    product: str
    total_bytes: int
    vendor: Vendor = Vendor.NVIDIA
    total_uncertainty_bytes: int = 0
    nvml_total_bytes: int | None = None
    free_at_start_bytes: int | None = None
    free_uncertainty_bytes: int = 0
    compute_capability: tuple[int, int] | None = None
    memory_kind: MemoryKind = MemoryKind.GDDR
    architecture: str = ""
    known: bool = True
    supported: bool = True
    shared: bool = False
    mig_profile: str | None = None
    mig_profiles: tuple[MigProfile, ...] = ()
    notes: tuple[str, ...] = ()
    device_name: str = ""
    platform: Platform = Platform.LINUX
    held_by: str = field(default="", compare=False)
    sources: tuple[tuple[str, FactSource], ...] = field(default=(), compare=False)

    @property
    def label(self) -> str:
        """The product as a node's label spells it, with its slice."""
        return f"{self.product}-MIG-{self.mig_profile}" if self.mig_profile else self.product

    @property
    def free_estimate_bytes(self) -> int:
        """Free memory at start: as published, else total less what a CUDA context takes on a card of that kind."""
        if self.free_at_start_bytes is not None:
            return self.free_at_start_bytes
        return max(self.total_bytes - context_bytes(self.total_bytes), 0)

    def source_of(self, fact: str) -> FactSource:
        """Who told that fact."""
        return dict(self.sources).get(fact, FactSource.CATALOGUE)

    def told(self, source: FactSource, facts: Iterable[str]) -> GPUFacts:
        """A copy whose ``facts`` come from ``source``."""
        return replace(self, sources=tuple(sorted((dict(self.sources) | dict.fromkeys(facts, source)).items())))

    def with_(self, **changes: Any) -> GPUFacts:
        """A copy with these facts changed."""
        return replace(self, **changes)


def context_bytes(total_bytes: int) -> int:
    """Bytes between CUDA's total and what vLLM finds free on an idle GPU: its own CUDA context.

    Published start-ups: 0.19 GiB on an L4, 0.23 on an A10G, 0.41 to 0.61 on RTX 3090 to B300 (see
    ``docs/accuracy.md``). The context grows with the number of multiprocessors, which grows with the price class.
    """
    return 230 * MIB if total_bytes < 23 * GIB else 560 * MIB


_LEAST_CUSTOM: Final = 64 * MIB
_LARGEST: Final = 4096 * GIB


def custom_gpu(total_bytes: int) -> GPUFacts:
    """A GPU of which only CUDA's total is known (``--gpu-memory SIZE``).

    Raises:
        InputError: below 64 MiB or above 4096 GiB.
    """
    if not _LEAST_CUSTOM <= total_bytes <= _LARGEST:
        raise InputError(
            f"gpu-memory: {total_bytes} bytes is not between 64 MiB and 4096 GiB",
            field="gpu-memory",
            hint="give what CUDA reports as total, for instance 31.36GiB",
        )
    return GPUFacts(
        product="custom",
        total_bytes=total_bytes,
        vendor=Vendor.CUSTOM,
        nvml_total_bytes=total_bytes,
        known=False,
        notes=("only the size is known: compute capability and free memory at start are assumed, bounds are wider",),
    )


def cuda_total_of(nvml_total_bytes: int) -> tuple[int, int]:
    """(CUDA total, uncertainty) of an NVIDIA product that the catalogue does not have, on Linux.

    The driver keeps 426 MiB plus 0.173 % of NVML's total for itself: least squares over 30 products with a recent
    driver; read gaps lie within -97 and +132 MiB of it.
    """
    mib = nvml_total_bytes / MIB
    return max(int((mib - 426 - 0.00173 * mib) * MIB), MIB), 132 * MIB
