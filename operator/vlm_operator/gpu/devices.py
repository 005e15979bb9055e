"""Devices of NVIDIA's driver for dynamic resource allocation, as its ResourceSlices list them.

``resource.k8s.io/v1``, driver ``gpu.nvidia.com``. A whole GPU has the attributes ``productName`` (NVML's name, with
blanks), ``cudaComputeCapability`` and ``uuid`` and the capacity ``memory`` (NVML's total in bytes; GB10 has none). A
MIG instance has ``profile`` and ``parentUUID`` beside them, and its ``memory`` is the instance's own
(https://github.com/kubernetes-sigs/dra-driver-nvidia-gpu, ``cmd/gpu-kubelet-plugin/deviceinfo.go``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from vlm_operator.errors import InputError
from vlm_operator.gpu.resources import DRA_DRIVER, GPU_RESOURCE, MIG_PREFIX
from vlm_operator.units import parse_bytes

GPU_TYPE: Final = "gpu"
MIG_TYPE: Final = "mig"

_UNUSABLE: Final = frozenset({"NoSchedule", "NoExecute"})
"""Effects of a device's taint by which the scheduler passes it over."""


@dataclass(frozen=True, slots=True)
class Device:
    """One device that a claim can be given.

    Attributes:
        name: of the device in its pool: with pool and driver its identity.
        pool: NVIDIA's driver has one pool a node, named after it.
        type: ``gpu`` or ``mig``.
        product: NVML's name of the GPU, or of the GPU that the instance is part of.
        memory_bytes: NVML's total, or the instance's memory; None where the driver tells none (GB10).
        compute_capability: (major, minor), None where the driver tells none.
        profile: MIG profile such as ``3g.40gb``, None for a whole GPU.
        uuid: NVML's UUID, empty where the driver tells none (MIG instances that are made on demand).
        parent_uuid: UUID of the GPU that the instance is part of, None for a whole GPU.
        shared: True where several claims may hold the device at once: its memory is not divided between them.
        usable: False where a taint keeps claims off it.
    """

    name: str
    pool: str
    type: str
    product: str
    memory_bytes: int | None
    compute_capability: tuple[int, int] | None
    profile: str | None = None
    uuid: str = ""
    parent_uuid: str | None = None
    shared: bool = False
    usable: bool = True

    @property
    def resource(self) -> str:
        """The extended resource that a device plugin would offer it under, by which plans name kinds of GPUs."""
        return f"{MIG_PREFIX}{self.profile}" if self.profile else GPU_RESOURCE


@dataclass(frozen=True, slots=True)
class Slice:
    """What one ResourceSlice says.

    Attributes:
        node: whose devices these are.
        pool, generation, slices: the pool they belong to; only slices of its newest generation count, and only once
            there are ``slices`` of them.
    """

    node: str
    pool: str
    generation: int
    slices: int
    devices: tuple[Device, ...]


def read_slice(raw: Mapping[str, Any]) -> Slice | None:
    """A ResourceSlice of NVIDIA's driver for one node, None for any other.

    Raises:
        InputError: a memory capacity is no quantity.
    """
    spec = raw.get("spec") or {}
    if spec.get("driver") != DRA_DRIVER or not spec.get("nodeName"):
        return None
    pool = spec.get("pool") or {}
    name = str(pool.get("name") or spec["nodeName"])
    read = (_device(device, name) for device in spec.get("devices") or ())
    return Slice(
        str(spec["nodeName"]),
        name,
        int(pool.get("generation") or 0),
        int(pool.get("resourceSliceCount") or 1),
        tuple(device for device in read if device.type in {GPU_TYPE, MIG_TYPE}),
    )


def devices_of(slices: Iterable[Slice]) -> tuple[Device, ...]:
    """Devices of one node's slices, by pool and name: as the scheduler reads them, of complete pools only."""
    pools: dict[str, list[Slice]] = {}
    for each in slices:
        pools.setdefault(each.pool, []).append(each)
    found: list[Device] = []
    for members in pools.values():
        newest = max(each.generation for each in members)
        current = [each for each in members if each.generation == newest]
        if len(current) >= current[0].slices:
            found += [device for each in current for device in each.devices]
    return tuple(sorted(found, key=lambda device: (device.pool, _natural(device.name))))


def by_resource(devices: Iterable[Device]) -> dict[str, list[Device]]:
    """Usable devices by the resource that stands for their kind."""
    kinds: dict[str, list[Device]] = {}
    for device in devices:
        if device.usable:
            kinds.setdefault(device.resource, []).append(device)
    return kinds


def _device(raw: Mapping[str, Any], pool: str) -> Device:
    raw = {**raw, **(raw.get("basic") or {})}  # v1beta1 has one level more
    attributes, name = _plain_names(raw.get("attributes") or {}), str(raw["name"])
    profile = _text(attributes, "profile")
    return Device(
        name=name,
        pool=pool,
        type=_text(attributes, "type") or GPU_TYPE,
        product=_text(attributes, "productName"),
        memory_bytes=_memory(_plain_names(raw.get("capacity") or {}).get("memory"), name),
        compute_capability=_version(_text(attributes, "cudaComputeCapability")),
        profile=profile.lower() or None,
        uuid=_text(attributes, "uuid"),
        parent_uuid=_text(attributes, "parentUUID") or None,
        shared=bool(raw.get("allowMultipleAllocations")),
        usable=not any(taint.get("effect") in _UNUSABLE for taint in raw.get("taints") or ()),
    )


def _plain_names(values: Mapping[str, Any]) -> dict[str, Any]:
    """Names without the driver's own domain, which may be left out; those of other domains as they are."""
    return {name.removeprefix(f"{DRA_DRIVER}/"): value for name, value in values.items()}


def _text(attributes: Mapping[str, Any], name: str) -> str:
    value = attributes.get(name) or {}
    return str(value.get("string") or value.get("version") or "").strip()


def _memory(capacity: Any, device: str) -> int | None:
    text = str(capacity.get("value") if isinstance(capacity, Mapping) else capacity or "0")
    size = parse_bytes(text, field=f"ResourceSlice device {device} capacity memory") if text != "0" else 0
    return size or None


def _version(text: str) -> tuple[int, int] | None:
    match = re.match(r"(\d{1,3})\.(\d{1,3})", text, re.ASCII)
    return (int(match[1]), int(match[2])) if match else None


def _natural(name: str) -> Sequence[tuple[int, str]]:
    """``gpu-2`` before ``gpu-10``."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


EXTENDED_RESOURCE_CLAIM: Final = "resource.kubernetes.io/extended-resource-claim"
"""Annotation of claims that the scheduler makes for pods which ask for an extended resource: their requests count."""


def claimed_devices(raw: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Pool and name of NVIDIA's devices that a ResourceClaim was given; none where its pod's requests count."""
    if (raw["metadata"].get("annotations") or {}).get(EXTENDED_RESOURCE_CLAIM):
        return frozenset()
    devices = ((raw.get("status") or {}).get("allocation") or {}).get("devices") or {}
    return frozenset(
        (str(each["pool"]), str(each["device"]))
        for each in devices.get("results") or ()
        if each.get("driver") == DRA_DRIVER and not each.get("adminAccess")
    )


def check_devices(devices: Iterable[Device]) -> None:
    """Raises InputError where a device names no product: nothing can be planned for it."""
    for device in devices:
        if not device.product:
            raise InputError(
                f"ResourceSlice of pool {device.pool}: device {device.name} has no attribute productName",
                field="productName",
                hint="update NVIDIA's DRA driver on that node",
            )
