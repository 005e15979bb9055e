"""A product of the catalogue with the memory that was read on the node: the reading wins."""

from __future__ import annotations

from typing import Final

from vlm_operator.gpu.catalogue import memory_variant, unified_gpu
from vlm_operator.gpu.facts import GPUFacts, MemoryKind, cuda_total_of
from vlm_operator.units import GIB, MIB, format_gib

_SAME_CARD_BYTES: Final = 64 * MIB
"""NVML's totals of one product differ by up to this between drivers."""


def with_memory(gpu: GPUFacts, nvml_total_bytes: int, source: str) -> GPUFacts:
    """``gpu`` with NVML's total as it was read: a product exists with other memory, with ECC on or off, under other
    drivers. A board without NVML's total has CUDA's read in its place (Jetson).

    Args:
        gpu: the product as the catalogue has it.
        nvml_total_bytes: what was read.
        source: where, for the note: ``label nvidia.com/gpu.memory``.
    """
    listed = gpu.nvml_total_bytes
    if listed is None and gpu.memory_kind is MemoryKind.UNIFIED:
        if abs(nvml_total_bytes - gpu.total_bytes) <= gpu.total_uncertainty_bytes:
            return gpu
        note = f"{source} says {format_gib(nvml_total_bytes)}: used in place of the catalogue's"
        return unified_gpu(gpu, nvml_total_bytes, note)
    if listed is not None and abs(listed - nvml_total_bytes) <= _SAME_CARD_BYTES:
        return gpu
    variant = memory_variant(gpu.product, nvml_total_bytes)
    if variant is not None:
        return variant
    total, uncertainty = cuda_total_of(nvml_total_bytes)
    catalogue = f"the catalogue {format_gib(listed)}" if listed is not None else "the catalogue nothing"
    return gpu.with_(
        total_bytes=total,
        total_uncertainty_bytes=uncertainty,
        nvml_total_bytes=nvml_total_bytes,
        free_at_start_bytes=None,
        notes=(
            *gpu.notes,
            f"{source} says {format_gib(nvml_total_bytes)}, {catalogue}: the reading is used, "
            f"less what the driver keeps ({format_gib(nvml_total_bytes - total)})",
        ),
    )


def unlisted_gpu(
    product: str, nvml_total_bytes: int, compute_capability: tuple[int, int] | None, source: str
) -> GPUFacts:
    """A GPU that the catalogue does not have, from the memory that was read: planned with wider bounds.

    Args:
        product: as a label spells it.
        source: what the memory was read from, for the note.
    """
    total, uncertainty = cuda_total_of(nvml_total_bytes)
    return GPUFacts(
        product=product,
        total_bytes=total,
        total_uncertainty_bytes=uncertainty,
        nvml_total_bytes=nvml_total_bytes,
        compute_capability=compute_capability,
        memory_kind=MemoryKind.HBM if nvml_total_bytes > 64 * GIB else MemoryKind.GDDR,
        known=False,
        notes=(f"not in the catalogue: planned from {source} ({format_gib(nvml_total_bytes)}), with wider bounds",),
        device_name=product.replace("-", " "),
    )
