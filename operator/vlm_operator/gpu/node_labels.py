"""Read the GPUs a node offers from its labels and allocatable resources, without asking the node.

Labels are those of NVIDIA's gpu-feature-discovery (``nvidia.com/gpu.product``, ``.memory``, ``.count``,
``.compute.major``, ``.replicas``; with MIG strategy ``mixed`` the same under ``nvidia.com/mig-1g.10gb.``):
https://github.com/NVIDIA/k8s-device-plugin/blob/main/internal/lm/resource.go. AMD's node labeller:
https://instinct.docs.amd.com/projects/k8s-device-plugin/en/latest/user-guide/configuration.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.gpu.catalogue import find_gpu, memory_variant, shared_gpu, slice_of
from vlm_operator.gpu.facts import GPUFacts, MemoryKind, Vendor, cuda_total_of
from vlm_operator.gpu.platform import on_platform, platform_of_kernel
from vlm_operator.units import GIB, MIB, format_gib

GPU_RESOURCE: Final = "nvidia.com/gpu"
"""Extended resource of whole GPUs, as NVIDIA's device plugin names it: asked for where nothing else is said."""

_MIG_RESOURCE: Final = re.compile(r"nvidia\.com/mig-([a-z0-9.+]+)", re.ASCII)
_SAME_CARD_BYTES: Final = 64 * MIB
"""NVML's totals of one product differ by up to this between drivers."""


@dataclass(frozen=True, slots=True)
class NodeGPUs:
    """GPUs of one kind on one node.

    Attributes:
        gpu: what each of them is.
        count: how many the node can hand to pods.
        resource: name of the extended resource to request, for instance ``nvidia.com/gpu``.
    """

    gpu: GPUFacts
    count: int
    resource: str


KERNEL_LABEL: Final = "feature.node.kubernetes.io/kernel-version.full"
"""Kernel release of the node (node-feature-discovery, which comes with NVIDIA's): tells WSL2."""

_PLANNING_LABEL = re.compile(
    r"nvidia\.com/(gpu|mig-[^/]+)\.(product|memory|replicas|compute\.major|compute\.minor)"
    r"|(beta\.)?amd\.com/gpu\.(product-name|vram)"
    rf"|{re.escape(KERNEL_LABEL)}"
)


def is_planning_label(label: str) -> bool:
    """True for labels that this module reads; of others, such as ``nvidia.com/gfd.timestamp``, nothing depends.

    >>> is_planning_label("nvidia.com/gpu.product"), is_planning_label("nvidia.com/gfd.timestamp")
    (True, False)
    """
    return _PLANNING_LABEL.fullmatch(label) is not None


def read_node_gpus(labels: Mapping[str, str], allocatable: Mapping[str, str]) -> tuple[NodeGPUs, ...]:
    """Every kind of GPU the node offers, whole GPUs first.

    The memory label wins over the catalogue where both are known and differ; the reason is in ``gpu.notes``.

    Raises:
        UnknownFact: GPUs are there, but no label says which; or the product is unknown and has no memory label.
        InputError: a label that should be a number is none.
    """
    offered: list[NodeGPUs] = []
    for resource in sorted(allocatable):
        count = _quantity(resource, allocatable[resource])
        if count < 1:
            continue
        if resource in {GPU_RESOURCE, f"{GPU_RESOURCE}.shared"}:
            gpu = _read(labels, GPU_RESOURCE, shared=resource.endswith(".shared"))
            platform = platform_of_kernel(labels.get(KERNEL_LABEL, ""))
            offered.append(NodeGPUs(on_platform(gpu, platform), count, resource))
        elif match := _MIG_RESOURCE.fullmatch(resource.removesuffix(".shared")):
            offered.append(NodeGPUs(_read_slice(labels, match[1], resource), count, resource))
        elif resource == "amd.com/gpu":
            offered.append(NodeGPUs(_read_amd(labels), count, resource))
    return tuple(offered)


def read_gpu_labels(labels: Mapping[str, str]) -> GPUFacts:
    """The node's whole GPUs as its labels describe them.

    Raises:
        UnknownFact: no product label, or an unknown product without a memory label.
        InputError: a label that should be a number is none.
    """
    return _read(labels, GPU_RESOURCE, shared=False)


def _read(labels: Mapping[str, str], prefix: str, *, shared: bool) -> GPUFacts:
    product = labels.get(f"{prefix}.product", "").strip()
    if not product:
        raise UnknownFact(
            f"the node has {prefix} but no label {prefix}.product",
            field=f"{prefix}.product",
            hint="run NVIDIA gpu-feature-discovery (part of the GPU operator) on the node, or name the product",
        )
    memory = _memory(labels, f"{prefix}.memory")
    try:
        gpu = find_gpu(product)
    except UnknownFact:
        gpu = _unlisted(product, memory, labels, prefix)
    else:
        if memory is not None and gpu.mig_profile is None:
            gpu = _reconciled(gpu, memory, f"{prefix}.memory")
    replicas = labels.get(f"{prefix}.replicas", "1")
    if not gpu.shared and (shared or (replicas.isdecimal() and int(replicas) > 1)):
        gpu = shared_gpu(gpu)
    return gpu


def _read_slice(labels: Mapping[str, str], profile: str, resource: str) -> GPUFacts:
    """A slice under MIG strategy ``mixed``: its product and memory labels carry the resource's name."""
    product = labels.get(f"nvidia.com/mig-{profile}.product") or labels.get("nvidia.com/gpu.product", "")
    memory = _memory(labels, f"nvidia.com/mig-{profile}.memory")
    if not product:
        raise UnknownFact(
            f"the node has {resource} but no label nvidia.com/gpu.product",
            field="nvidia.com/gpu.product",
            hint="run NVIDIA gpu-feature-discovery (part of the GPU operator) on the node, or name the product",
        )
    try:
        gpu = find_gpu(product)
        if gpu.mig_profile is None:
            gpu = slice_of(gpu, profile)
    except UnknownFact:
        if memory is None:
            raise
        gpu = _unlisted(product.partition("-MIG-")[0], memory, labels, GPU_RESOURCE).with_(
            total_bytes=memory, total_uncertainty_bytes=64 * MIB, mig_profile=profile
        )
    else:
        if memory is not None and memory != gpu.total_bytes:
            note = f"label nvidia.com/mig-{profile}.memory says {format_gib(memory)}: used in place of the catalogue's"
            gpu = gpu.with_(total_bytes=memory, nvml_total_bytes=memory, notes=(*gpu.notes, note))
    return shared_gpu(gpu) if resource.endswith(".shared") and not gpu.shared else gpu


def _reconciled(gpu: GPUFacts, nvml_total_bytes: int, label: str) -> GPUFacts:
    """The label wins: the same product exists with other memory, with ECC on or off, under other drivers."""
    listed = gpu.nvml_total_bytes
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
            f"label {label} says {format_gib(nvml_total_bytes)}, {catalogue}: the label is used, "
            f"less what the driver keeps ({format_gib(nvml_total_bytes - total)})",
        ),
    )


def _unlisted(product: str, memory: int | None, labels: Mapping[str, str], prefix: str) -> GPUFacts:
    if memory is None:
        raise UnknownFact(
            f"{prefix}.product: {product[:60]!r} is not a known product, and no label {prefix}.memory says its size",
            field=f"{prefix}.product",
            hint="give CUDA's total with --gpu-memory SIZE",
        )
    total, uncertainty = cuda_total_of(memory)
    major, minor = (labels.get(f"{prefix}.compute.{part}", "") for part in ("major", "minor"))
    capability = (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None
    return GPUFacts(
        product=product,
        total_bytes=total,
        total_uncertainty_bytes=uncertainty,
        nvml_total_bytes=memory,
        compute_capability=capability,
        memory_kind=MemoryKind.HBM if memory > 64 * GIB else MemoryKind.GDDR,
        known=False,
        notes=(f"not in the catalogue: planned from its memory label ({format_gib(memory)}), with wider bounds",),
        device_name=product.replace("-", " "),
    )


def _read_amd(labels: Mapping[str, str]) -> GPUFacts:
    product = next(
        (labels[key] for key in ("amd.com/gpu.product-name", "beta.amd.com/gpu.product-name") if labels.get(key)), ""
    )
    try:
        return find_gpu(product or "AMD GPU")
    except UnknownFact:
        text = labels.get("amd.com/gpu.vram") or labels.get("beta.amd.com/gpu.vram") or ""
        match = re.fullmatch(r"(\d{1,5})G", text.strip(), re.ASCII)
        if match is None:
            raise UnknownFact(
                "the node has amd.com/gpu but no label amd.com/gpu.product-name or amd.com/gpu.vram",
                field="amd.com/gpu.product-name",
                hint="run AMD's node labeller on the node",
            ) from None
        return GPUFacts(
            product=product or "AMD GPU",
            total_bytes=int(match[1]) * GIB,
            vendor=Vendor.AMD,
            total_uncertainty_bytes=GIB,
            known=False,
            supported=False,
            notes=("AMD: the start-up memory model was measured on NVIDIA GPUs only",),
        )


def _memory(labels: Mapping[str, str], label: str) -> int | None:
    """NVML's total in bytes from a label in MiB (some releases of 2022 wrote bytes), None where absent or 0."""
    text = labels.get(label, "").strip()
    if not text:
        return None
    if not re.fullmatch(r"\d{1,15}", text, re.ASCII):
        raise InputError(f"label {label}: {text[:40]!r} is not a whole number of MiB", field=label)
    value = int(text)
    if value == 0:
        return None
    return value if value > 64 * MIB else value * MIB


def _quantity(resource: str, text: str) -> int:
    if not re.fullmatch(r"\d{1,9}", str(text), re.ASCII):
        return 0 if not resource.startswith(("nvidia.com/", "amd.com/")) else _refuse(resource, text)
    return int(text)


def _refuse(resource: str, text: str) -> int:
    raise InputError(f"allocatable {resource}: {str(text)[:40]!r} is not a whole number", field=resource)
