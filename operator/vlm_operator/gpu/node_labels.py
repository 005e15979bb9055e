"""Read the GPUs a node offers from its labels and allocatable resources, without asking the node.

Labels are those of NVIDIA's gpu-feature-discovery (``nvidia.com/gpu.product``, ``.memory``, ``.count``,
``.compute.major``, ``.replicas``; with MIG strategy ``mixed`` the same under ``nvidia.com/mig-1g.10gb.``), file
``internal/lm/resource.go``, and those of AMD's node labeller: see ``gpu.resources``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vlm_operator.errors import InputError, UnknownFact
from vlm_operator.gpu.catalogue import find_gpu, is_sold_in_sizes, labelled_gpu, shared_gpu, slice_of
from vlm_operator.gpu.facts import FactSource, GPUFacts, Vendor
from vlm_operator.gpu.platform import on_platform, platform_of_kernel
from vlm_operator.gpu.read_memory import unlisted_gpu, with_memory
from vlm_operator.gpu.resources import (
    AMD_DOMAIN,
    AMD_RESOURCE,
    GPU_RESOURCE,
    MIG_PREFIX,
    NVIDIA_DOMAIN,
    PRODUCT_LABEL,
)
from vlm_operator.units import GIB, MIB, format_gib

_LABELS: Final = FactSource.LABELS
_MIG_RESOURCE: Final = re.compile(rf"{re.escape(MIG_PREFIX)}([a-z0-9.+]+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class NodeGPUs:
    """GPUs of one kind on one node.

    Attributes:
        gpu: what each of them is.
        count: how many the node can hand to pods.
        resource: name of the extended resource to request, for instance ``nvidia.com/gpu``; of what a claim takes, the
            one that a device plugin would offer it under.
        claimed: True where a pod gets them by a ResourceClaim, False where it asks for the resource.
    """

    gpu: GPUFacts
    count: int
    resource: str
    claimed: bool = False


KERNEL_LABEL: Final = "feature.node.kubernetes.io/kernel-version.full"
"""Kernel release of the node (node-feature-discovery, which comes with NVIDIA's): tells WSL2."""

COUNT: Final = "count"
REPLICAS: Final = "replicas"
STRATEGY: Final = "sharing-strategy"
"""Ends of labels: physical GPUs of the node, pods that may share each of them, and how (``time-slicing``, ``mps``)."""

_PLANNING_LABEL = re.compile(
    rf"{re.escape(NVIDIA_DOMAIN)}(gpu|mig-[^/]+)\.(product|memory|{COUNT}|{REPLICAS}|{STRATEGY}|compute\.major|compute\.minor)"
    rf"|(beta\.)?{re.escape(AMD_RESOURCE)}\.(product-name|vram)"
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
        elif resource == AMD_RESOURCE:
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
        gpu = labelled_gpu(product, memory)
    except UnknownFact as unknown:
        gpu = _unlisted(product, memory, labels, prefix, unknown)
    else:
        if memory is not None and gpu.mig_profile is None:
            gpu = with_memory(gpu, memory, f"label {prefix}.memory")
    replicas = labels.get(f"{prefix}.replicas", "1")
    if not gpu.shared and (shared or (replicas.isdecimal() and int(replicas) > 1)):
        gpu = shared_gpu(gpu)
    return gpu.told(_LABELS, ("product",) if memory is None else ("memory", "product"))


def _read_slice(labels: Mapping[str, str], profile: str, resource: str) -> GPUFacts:
    """A slice under MIG strategy ``mixed``: its product and memory labels carry the resource's name."""
    product = labels.get(f"{MIG_PREFIX}{profile}.product") or labels.get(PRODUCT_LABEL, "")
    memory = _memory(labels, f"{MIG_PREFIX}{profile}.memory")
    if not product:
        raise UnknownFact(
            f"the node has {resource} but no label {PRODUCT_LABEL}",
            field=PRODUCT_LABEL,
            hint="run NVIDIA gpu-feature-discovery (part of the GPU operator) on the node, or name the product",
        )
    try:
        gpu = labelled_gpu(product, memory)
        if gpu.mig_profile is None:
            gpu = slice_of(gpu, profile)
    except UnknownFact as unknown:
        if memory is None:
            raise
        gpu = _unlisted(product.partition("-MIG-")[0], memory, labels, GPU_RESOURCE, unknown).with_(
            total_bytes=memory, total_uncertainty_bytes=64 * MIB, mig_profile=profile
        )
    else:
        if memory is not None and memory != gpu.total_bytes:
            note = f"label {MIG_PREFIX}{profile}.memory says {format_gib(memory)}: used in place of the catalogue's"
            gpu = gpu.with_(total_bytes=memory, nvml_total_bytes=memory, notes=(*gpu.notes, note))
    gpu = gpu.told(_LABELS, ("product",) if memory is None else ("memory", "product"))
    return shared_gpu(gpu) if resource.endswith(".shared") and not gpu.shared else gpu


def _unlisted(
    product: str, memory: int | None, labels: Mapping[str, str], prefix: str, unknown: UnknownFact
) -> GPUFacts:
    if memory is None and is_sold_in_sizes(product):
        raise unknown
    if memory is None:
        raise UnknownFact(
            f"{prefix}.product: {product[:60]!r} is not a known product, and no label {prefix}.memory says its size",
            field=f"{prefix}.product",
            hint="give CUDA's total with --gpu-memory SIZE",
        )
    major, minor = (labels.get(f"{prefix}.compute.{part}", "") for part in ("major", "minor"))
    capability = (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None
    return unlisted_gpu(product, memory, capability, "its memory label").told(_LABELS, ("computeCapability",))


def _read_amd(labels: Mapping[str, str]) -> GPUFacts:
    product = next(
        (
            labels[key]
            for key in (f"{AMD_RESOURCE}.product-name", f"beta.{AMD_RESOURCE}.product-name")
            if labels.get(key)
        ),
        "",
    )
    try:
        return find_gpu(product or "AMD GPU").told(_LABELS, ("product",))
    except UnknownFact:
        text = labels.get(f"{AMD_RESOURCE}.vram") or labels.get(f"beta.{AMD_RESOURCE}.vram") or ""
        match = re.fullmatch(r"(\d{1,5})G", text.strip(), re.ASCII)
        if match is None:
            raise UnknownFact(
                f"the node has {AMD_RESOURCE} but no label {AMD_RESOURCE}.product-name or {AMD_RESOURCE}.vram",
                field=f"{AMD_RESOURCE}.product-name",
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
        return 0 if not resource.startswith((NVIDIA_DOMAIN, AMD_DOMAIN)) else _refuse(resource, text)
    return int(text)


def _refuse(resource: str, text: str) -> int:
    raise InputError(f"allocatable {resource}: {str(text)[:40]!r} is not a whole number", field=resource)
