"""Nodes grouped by the GPUs they offer, with what pods have left free."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final

from vlm_operator.audit.container_command import Manifest
from vlm_operator.audit.gpu_objects import GPUObjects
from vlm_operator.audit.placement import ANYWHERE, Placement, Site, read_taints
from vlm_operator.audit.server_pod import GPU_RESOURCES, gpus_of
from vlm_operator.errors import VlmOperatorError
from vlm_operator.gpu.devices import Device
from vlm_operator.gpu.facts import FactSource, GPUFacts
from vlm_operator.gpu.measured import MeasuredGPU, present_gpu
from vlm_operator.gpu.node_gpus import node_gpus
from vlm_operator.gpu.node_labels import NodeGPUs, is_planning_label
from vlm_operator.gpu.resources import GPU_RESOURCE
from vlm_operator.units import MIB, format_gib

_REPLICAS: Final = f"{GPU_RESOURCE}.replicas"


STEP_BYTES: Final = 256 * MIB
"""An agent does not tell of smaller changes: nodes that differ by less are of one group."""

_NOWHERE: Final = Site("")


@dataclass(frozen=True, slots=True)
class Member:
    """One node of a group.

    Attributes:
        free: GPUs that no pod asks for; 0 where the node takes no pods now.
        takes_pods: ready and not cordoned.
        replicas: pods that may share one GPU (time slicing), 1 where none do.
        site: its labels and taints.
    """

    name: str
    free: int
    takes_pods: bool = True
    replicas: int = 1
    site: Site = _NOWHERE


@dataclass(frozen=True)
class NodeGroup:
    """Nodes that offer the same number of the same GPUs.

    Attributes:
        name: for people and JSON: ``8x NVIDIA-H100-80GB-HBM3``.
        gpu: one of the GPUs.
        resource: extended resource to ask for.
        count: GPUs of one node.
        members: the nodes.
    """

    name: str
    gpu: GPUFacts
    resource: str
    count: int
    members: tuple[Member, ...] = field(repr=False)

    @cached_property
    def free(self) -> int:
        """GPUs of all nodes that no pod asks for."""
        return sum(member.free for member in self.members)

    @cached_property
    def most_free(self) -> int:
        """Most free GPUs of one node."""
        return max((member.free for member in self.members), default=0)

    @cached_property
    def _free_counts(self) -> Counter[int]:
        """How many nodes have so many free GPUs."""
        return Counter(member.free for member in self.members)

    def refusals(self, placement: Placement) -> dict[str, str]:
        """By name the nodes that do not take such a pod, with what is in the way."""
        if placement is ANYWHERE:
            return {}
        refused = ((member.name, placement.refusal(member.site)) for member in self.members)
        return {name: words for name, words in refused if words is not None}

    def startable(self, gpus: int, *, besides: Mapping[str, str]) -> int:
        """Servers of so many GPUs of one node that the free GPUs hold now, on all nodes besides those named."""
        counts = self._free_counts
        if besides:
            counts = Counter(member.free for member in self.members if member.name not in besides)
        return sum(free // gpus * nodes for free, nodes in counts.items())


@dataclass(frozen=True, slots=True)
class Fleet:
    """Every GPU of the cluster.

    Attributes:
        groups: in the order of their names, largest counts first.
        unreadable: nodes whose GPUs cannot be told: (node, reason).
        places: by node and resource, its group.
        sites: of every node by name, its labels and taints.
        closed: nodes that take no pods now: not ready, or cordoned.
    """

    groups: tuple[NodeGroup, ...]
    unreadable: tuple[tuple[str, str], ...]
    places: Mapping[tuple[str, str], NodeGroup]
    sites: Mapping[str, Site]
    closed: frozenset[str] = frozenset()

    def group_of(self, node: str, resource: str) -> NodeGroup | None:
        """The group of the GPUs that a pod with this resource has on the node; None where the node has none."""
        return self.places.get((node, resource))

    def nodes_with(self, resource: str, count: int) -> tuple[str, ...]:
        """Nodes that have ``count`` of the resource at all, free or not."""
        return tuple(
            name for (name, offered), group in self.places.items() if offered == resource and group.count >= count
        )


_Shape = tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]


def read_fleet(nodes: Iterable[Manifest], pods: Iterable[Manifest], others: GPUObjects | None = None) -> Fleet:
    """The groups of these nodes, with what these pods and claims leave free. Nodes without GPUs are left out.

    Args:
        others: devices, claims and measurements; None for none.

    Raises:
        InputError: a ResourceSlice tells a memory that is no quantity.
    """
    others, listed = others or GPUObjects(), tuple(pods)
    asked = gpus_asked(listed) + others.claimed
    unheard = others.unheard(listed)
    in_pods = frozenset(str((pod.get("metadata") or {}).get("uid")) for pod in listed)
    read: dict[_Shape, Any] = {}
    found: dict[tuple[GPUFacts, str, int], list[Member]] = {}
    places: dict[tuple[str, str], tuple[GPUFacts, str, int]] = {}
    sites: dict[str, Site] = {}
    unreadable: list[tuple[str, str]] = []
    closed: set[str] = set()
    for node in nodes:
        name = str((node.get("metadata") or {}).get("name"))
        own: Mapping[str, str] = (node.get("metadata") or {}).get("labels") or {}
        sites[name] = Site(name, own, read_taints(node))
        takes_pods = _takes_pods(node)
        if not takes_pods:
            closed.add(name)
        allocatable = (node.get("status") or {}).get("allocatable") or {}
        measured = others.measured.get(name, ()) if name not in unheard else ()
        offered = _offered(own, allocatable, others.devices.get(name, ()), measured, read)
        if isinstance(offered, str):
            unreadable.append((name, offered))
            continue
        for each in (_as_found(one, measured, in_pods) for one in offered):
            key = (each.gpu, each.resource, each.count)
            free = max(each.count - asked[name, each.resource], 0) if takes_pods else 0
            text = own.get(_REPLICAS, "1")
            replicas = int(text) if text.isdecimal() and int(text) > 0 and each.gpu.shared else 1
            found.setdefault(key, []).append(Member(name, free, takes_pods, replicas, sites[name]))
            places.setdefault((name, each.resource), key)
    groups = _named(found)
    return Fleet(
        tuple(groups.values()),
        tuple(unreadable),
        {place: groups[key] for place, key in places.items()},
        sites,
        frozenset(closed),
    )


def _as_found(offered: NodeGPUs, measured: Iterable[MeasuredGPU], in_pods: frozenset[str]) -> NodeGPUs:
    """With what processes outside pods hold of the fullest of the GPUs, in steps of 256 MiB."""
    gpu = offered.gpu
    if gpu.mig_profile or offered.resource.removesuffix(".shared") != GPU_RESOURCE:
        return offered
    found = [
        present_gpu(card, gpu.platform, in_pods, STEP_BYTES)
        for card in measured
        if card.label == gpu.product and not card.mig_enabled
    ]
    fullest = min(found, key=lambda each: each.free_estimate_bytes, default=None)
    if fullest is None or fullest.free_estimate_bytes >= gpu.free_estimate_bytes:
        return offered
    free = fullest.free_estimate_bytes // STEP_BYTES * STEP_BYTES
    held = gpu.with_(free_at_start_bytes=free, held_by=fullest.held_by, sources=fullest.sources)
    return replace(offered, gpu=held)


def _offered(
    labels: Mapping[str, str],
    allocatable: Mapping[str, Any],
    devices: tuple[Device, ...],
    measured: tuple[MeasuredGPU, ...],
    read: dict[_Shape, Any],
) -> Any:
    """GPUs of a node, or the reason why they cannot be told; read once for each shape of node."""
    shape = (
        tuple(sorted((key, value) for key, value in labels.items() if is_planning_label(key))),
        tuple(sorted((key, str(value)) for key, value in allocatable.items() if key.startswith(GPU_RESOURCES))),
    )
    if not devices and not measured and shape in read:
        return read[shape]
    try:
        found: Any = node_gpus(dict(shape[0]), dict(shape[1]), devices, measured)
    except VlmOperatorError as error:
        found = error.message
    if not devices and not measured:
        read[shape] = found
    return found


def _named(found: Mapping[tuple[GPUFacts, str, int], list[Member]]) -> dict[tuple[GPUFacts, str, int], NodeGroup]:
    """Groups with a name each: where two would be called the same, with the resource or the memory."""
    plain = {key: f"{key[2]}x {key[0].label}{' (shared)' if key[0].shared else ''}{_held(key[0])}" for key in found}
    counted = Counter(plain.values())
    longer = {
        key: name if counted[name] == 1 else f"{name} ({key[0].total_bytes / 2**30:.1f} GiB, {key[1]})"
        for key, name in plain.items()
    }
    seen: Counter[str] = Counter()
    groups: dict[tuple[GPUFacts, str, int], NodeGroup] = {}
    for key in sorted(found, key=lambda key: (key[0].label, -key[2], longer[key])):
        seen[longer[key]] += 1
        repeated = seen[longer[key]]
        name = longer[key] if repeated == 1 else f"{longer[key]} #{repeated}"
        groups[key] = NodeGroup(name, *key, tuple(found[key]))
    return groups


def _held(gpu: GPUFacts) -> str:
    """For people: what processes outside pods hold, as an agent tells."""
    if gpu.source_of("free") is not FactSource.AGENT or not gpu.held_by:
        return ""
    return f" ({format_gib(gpu.free_estimate_bytes)} free of {format_gib(gpu.total_bytes)})"


def _takes_pods(node: Manifest) -> bool:
    conditions = (node.get("status") or {}).get("conditions") or ()
    ready = next((each.get("status") for each in conditions if each.get("type") == "Ready"), "True")
    return ready == "True" and not (node.get("spec") or {}).get("unschedulable")


def gpus_asked(pods: Iterable[Manifest]) -> Counter[tuple[str, str]]:
    """GPUs that pods have on each node by resource, as the scheduler counts containers."""
    total: Counter[tuple[str, str]] = Counter()
    for pod in pods:
        spec, phase = pod.get("spec") or {}, (pod.get("status") or {}).get("phase")
        if not spec.get("nodeName") or phase in {"Succeeded", "Failed"}:
            continue
        for container in (*(spec.get("containers") or ()), *_sidecars(spec)):
            resource, count = gpus_of(container)
            if count:
                total[spec["nodeName"], resource] += count
    return total


def _sidecars(spec: Manifest) -> list[Manifest]:
    return [each for each in spec.get("initContainers") or () if each.get("restartPolicy") == "Always"]
