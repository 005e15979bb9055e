"""Every kind of GPU that a node offers, from all that is known: NVML, devices of the DRA driver, labels, catalogue.

Where two sources tell a fact, the first of these wins. Each GPU keeps who told what (``GPUFacts.sources``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vlm_operator.errors import UnknownFact
from vlm_operator.gpu.catalogue import is_sold_in_sizes, labelled_gpu, shared_gpu, slice_of
from vlm_operator.gpu.devices import Device, by_resource, check_devices
from vlm_operator.gpu.facts import FactSource, GPUFacts, Platform
from vlm_operator.gpu.measured import MeasuredGPU, idle_gpu
from vlm_operator.gpu.node_labels import KERNEL_LABEL, NodeGPUs, read_node_gpus
from vlm_operator.gpu.platform import on_platform, platform_of_kernel
from vlm_operator.gpu.read_memory import unlisted_gpu, with_memory
from vlm_operator.gpu.resources import GPU_RESOURCE, MEMORY_LABEL, MIG_PREFIX, PRODUCT_LABEL
from vlm_operator.units import MIB, format_gib


def node_gpus(
    labels: Mapping[str, str],
    allocatable: Mapping[str, str],
    devices: Sequence[Device] = (),
    measured: Sequence[MeasuredGPU] = (),
) -> tuple[NodeGPUs, ...]:
    """What a node offers, as it is with nothing on it: to pods that ask for an extended resource, then to claims.

    A resource of a node without a product label is left out where devices tell what it stands for: a pod that asks for
    it cannot be kept to that product, a claim can.

    Raises:
        UnknownFact, InputError: as ``read_node_gpus``; or a device says neither what it is nor how large.
    """
    check_devices(devices)
    kinds = by_resource(devices)
    told = {
        resource: amount
        for resource, amount in allocatable.items()
        if resource.removesuffix(".shared") not in kinds or _is_labelled(labels, resource)
    }
    seen = _whole(measured, platform_of_kernel(labels.get(KERNEL_LABEL, "")))
    if seen is not None and labels.get(PRODUCT_LABEL):  # an unknown product without a label of its memory
        labels = {**labels, MEMORY_LABEL: str((seen.nvml_total_bytes or seen.total_bytes) // MIB)}
    by_name = [
        _refined(each, kinds.get(each.resource.removesuffix(".shared"), ()), labels, seen)
        for each in read_node_gpus(labels, told)
    ]
    by_claim: list[NodeGPUs] = []
    for resource in sorted(kinds):
        gpus = [device_gpu(device, labels) for device in kinds[resource]]
        if resource == GPU_RESOURCE and seen is not None and len(dict.fromkeys(gpus)) == 1:
            gpus = [shared_gpu(seen) if gpu.shared else seen for gpu in gpus]
        by_claim += [
            NodeGPUs(gpu, sum(other == gpu for other in gpus), resource, claimed=True) for gpu in dict.fromkeys(gpus)
        ]
    return (*by_name, *by_claim)


def _whole(measured: Sequence[MeasuredGPU], platform: Platform) -> GPUFacts | None:
    """The whole GPUs that NVML tells of, None where there are none or they are not all alike."""
    found = dict.fromkeys(idle_gpu(each, platform) for each in measured if not each.mig_enabled)
    return next(iter(found)) if len(found) == 1 else None


def device_gpu(device: Device, labels: Mapping[str, str] | None = None) -> GPUFacts:
    """One device as vLLM will see it.

    Args:
        labels: of its node; the kernel tells WSL2.

    Raises:
        UnknownFact: the product is not in the catalogue and the device tells no memory, or it has no such MIG profile.
    """
    product, memory = device.product.replace(" ", "-"), device.memory_bytes
    source = "the ResourceSlice"
    told = ["product", *(["memory"] if memory else []), *(["computeCapability"] if device.compute_capability else [])]
    try:
        gpu = labelled_gpu(product, memory)
    except UnknownFact:
        if memory is None or is_sold_in_sizes(product):
            raise
        gpu = unlisted_gpu(product, memory, device.compute_capability, source)
        if device.profile:
            gpu = gpu.with_(total_bytes=memory, total_uncertainty_bytes=64 * MIB, mig_profile=device.profile)
    else:
        if device.profile:
            gpu = _slice(gpu, device.profile, memory, source)
        elif memory is not None:
            gpu = with_memory(gpu, memory, source)
    if device.compute_capability is not None:
        gpu = gpu.with_(compute_capability=device.compute_capability)
    gpu = on_platform(gpu, platform_of_kernel((labels or {}).get(KERNEL_LABEL, "")))
    return (shared_gpu(gpu) if device.shared else gpu).told(FactSource.DRA, told)


def _slice(gpu: GPUFacts, profile: str, memory: int | None, source: str) -> GPUFacts:
    """A MIG instance; the memory that the driver tells wins over the catalogue's."""
    try:
        found = slice_of(gpu, profile)
    except UnknownFact:
        if memory is None:
            raise
        found = gpu.with_(mig_profile=profile, mig_profiles=(), total_bytes=memory, free_at_start_bytes=None)
    if memory is None or memory == found.total_bytes:
        return found
    note = f"{source} says {format_gib(memory)}: used in place of the catalogue's"
    return found.with_(total_bytes=memory, nvml_total_bytes=memory, notes=(*found.notes, note))


def _is_labelled(labels: Mapping[str, str], resource: str) -> bool:
    own = f"{resource.removesuffix('.shared')}.product" if resource.startswith(MIG_PREFIX) else PRODUCT_LABEL
    return bool(labels.get(own) or labels.get(PRODUCT_LABEL))


def _refined(
    offered: NodeGPUs, devices: Sequence[Device], labels: Mapping[str, str], seen: GPUFacts | None
) -> NodeGPUs:
    """What a node offers by name, as NVML or its devices tell it; as its labels do where those are not all alike."""
    found = dict.fromkeys(device_gpu(device, labels) for device in devices)
    gpu = next(iter(found)) if len(found) == 1 else None
    if seen is not None and offered.resource.removesuffix(".shared") == GPU_RESOURCE and not offered.gpu.mig_profile:
        gpu = seen
    if gpu is None:
        return offered
    shared = offered.gpu.shared and not gpu.shared
    return NodeGPUs(shared_gpu(gpu) if shared else gpu, offered.count, offered.resource)
