"""Nodes with GPUs as the watches have seen them: labels, resources, devices of the DRA driver, what agents measure."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from vlm_operator.controller.client import Object
from vlm_operator.controller.versioned import Versioned
from vlm_operator.errors import InputError
from vlm_operator.gpu.agent_pod import UNHEARD_SECONDS, AgentPod, read_agent_pod, unheard_since
from vlm_operator.gpu.devices import Device, Slice, by_resource, devices_of, read_slice
from vlm_operator.gpu.measured import MeasuredGPU, read_measured
from vlm_operator.gpu.node_labels import is_planning_label
from vlm_operator.gpu.resources import AMD_DOMAIN, NVIDIA_DOMAIN
from vlm_operator.lifecycle.situation import GpuNode
from vlm_operator.units import MIB

LOGGER: Final = logging.getLogger(__name__)

NEWS_SECONDS: Final = 0.2
"""Labels and resources of a node change one after the other: wait this long before all VLMDeployments look."""

MORE_OF_THE_SAME_SECONDS: Final = 60.0
"""An autoscaler adds nodes one by one: where only their number changes, VLMDeployments look once in this time."""

LEAST_NEWS_BYTES: Final = 256 * MIB
"""Memory of a GPU that processes of the host hold is looked at in steps of this size."""

_RESOURCES: Final = (NVIDIA_DOMAIN, AMD_DOMAIN)
_LABELS: Final = (NVIDIA_DOMAIN, AMD_DOMAIN)

Shape = tuple[Any, ...]
"""What planning reads of a node: labels, allocatable resources, kinds of devices, what the host holds of its GPUs."""


@dataclass(frozen=True, slots=True)
class _Known:
    """A Node as the watch brought it, with GPUs or without.

    Attributes:
        has_gpus: by its labels or resources.
    """

    uid: str
    version: int
    node: GpuNode
    has_gpus: bool


@dataclass(frozen=True, slots=True)
class Measurement:
    """What a GPUNode says: its GPUs, who measured them (namespace and name of a pod), and when it was last written."""

    gpus: tuple[MeasuredGPU, ...]
    agent_pod: str | None
    observed_at: str | None


class Nodes:
    """The sink of the informer of nodes. Safe to use from several threads.

    Args:
        changed: called with the delay in seconds when what is planned for has changed. Heartbeats, cordons, labels that
            planning does not read and the timestamps of GPU feature discovery change nothing.

    Attributes:
        slices: the sink of the informer of ResourceSlices.
        device_classes: the sink of the informer of DeviceClasses.
        measured: the sink of the informer of GPUNodes.
        agents: the sink of the informer of the agents' pods; while they cannot be listed, every agent is taken to run.
    """

    def __init__(self, changed: Callable[[float], None]) -> None:
        self._changed = changed
        self._lock = threading.RLock()
        self._known: dict[str, _Known] = {}
        self._slices: dict[str, dict[str, Slice]] = {}
        self._devices: dict[str, tuple[Device, ...]] = {}
        self._offered: dict[str, str] = {}
        self._nodes: dict[str, GpuNode] = {}
        self._shapes: Counter[Shape] = Counter()
        self._snapshot: tuple[GpuNode, ...] | None = ()
        self.slices: Versioned[Slice] = Versioned(_slice_of, self._slice_changed)
        self._measured: dict[str, Measurement] = {}
        self.measured: Versioned[Measurement] = Versioned(_measured_of, self._measured_changed)
        self._agents: dict[str, AgentPod] = {}
        self.agents: Versioned[AgentPod] = Versioned(read_agent_pod, self._agent_changed)
        self.device_classes: Versioned[str] = Versioned(_extended_resource, self._class_changed)

    def snapshot(self) -> tuple[GpuNode, ...]:
        """All nodes with GPUs by name; the very same tuple until one changes."""
        with self._lock:
            if self._snapshot is None:
                self._snapshot = tuple(self._nodes[name] for name in sorted(self._nodes))
            return self._snapshot

    def put(self, item: Object) -> None:
        """See ``informer.Sink``."""
        metadata = item["metadata"]
        node, has_gpus = _read(item)
        self._set(metadata["name"], _Known(metadata["uid"], int(metadata["resourceVersion"]), node, has_gpus))

    def drop(self, item: Object) -> None:
        """See ``informer.Sink``."""
        with self._lock:
            known = self._known.get(item["metadata"]["name"])
        if known is not None and known.uid == item["metadata"]["uid"]:
            self._set(item["metadata"]["name"], None)

    def retain(self, namespace: str | None, uids: set[str], version: int) -> None:
        """See ``informer.Sink``."""
        with self._lock:
            gone = [name for name, one in self._known.items() if one.uid not in uids and one.version <= version]
        for name in gone:
            self._set(name, None)

    def _set(self, name: str, new: _Known | None) -> None:
        with self._lock:
            if new is None:
                self._known.pop(name, None)
            else:
                self._known[name] = new
            delay = self._look(name)
        self._tell(delay)

    def _slice_changed(self, name: str, before: Slice | None, after: Slice | None) -> None:
        with self._lock:
            for old in filter(None, (before,)):
                self._slices[old.node].pop(name)
            if after is not None:
                self._slices.setdefault(after.node, {})[name] = after
            nodes = {each.node for each in (before, after) if each is not None}
            delays = []
            for node in nodes:
                self._devices[node] = devices_of(self._slices[node].values())
                if not self._slices[node]:
                    del self._slices[node], self._devices[node]
                delays.append(self._look(node))
        self._tell(*delays)

    def _measured_changed(self, name: str, before: Measurement | None, after: Measurement | None) -> None:
        with self._lock:
            if after is None:
                self._measured.pop(name, None)
            else:
                self._measured[name] = after
            delay = self._look(name)
        self._tell(delay)

    def _agent_changed(self, name: str, before: AgentPod | None, after: AgentPod | None) -> None:
        with self._lock:
            if after is None:
                self._agents.pop(name, None)
            else:
                self._agents[name] = after
            delays = [self._look(node) for node, found in self._measured.items() if found.agent_pod == name]
        self._tell(*delays)
        if delays and (after is None or not after.ready):  # until then what it measured is believed
            self._tell(UNHEARD_SECONDS + 1)

    def _unheard(self, found: Measurement) -> str | None:
        return unheard_since(found.agent_pod, found.observed_at, self._agents) if self.agents.listed else None

    def _class_changed(self, name: str, before: str | None, after: str | None) -> None:
        with self._lock:
            if after is None:
                self._offered.pop(name, None)
            else:
                self._offered[name] = after
            delays = [self._look(node) for node in self._devices]
        self._tell(*delays)

    def _tell(self, *delays: float | None) -> None:
        soonest = min((delay for delay in delays if delay is not None), default=None)
        if soonest is not None:
            self._changed(soonest)

    def _look(self, name: str) -> float | None:
        """Put the parts of a node together anew; the delay after which that is to be told, None where it is no news."""
        before, after = self._nodes.pop(name, None), self._together(name)
        if after is not None:
            self._nodes[name] = after
        if before == after:
            return None
        self._snapshot = None
        old_shape, new_shape = _shape(before), _shape(after)
        if old_shape == new_shape:
            return None
        first = new_shape is not None and not self._shapes[new_shape]
        if new_shape is not None:
            self._shapes[new_shape] += 1
        last = False
        if old_shape is not None:
            self._shapes[old_shape] -= 1
            last = not self._shapes[old_shape]
        self._shapes += Counter()  # drops those of which there is none
        return NEWS_SECONDS if first or last else MORE_OF_THE_SAME_SECONDS

    def _together(self, name: str) -> GpuNode | None:
        """The node with its devices, None where it is gone or has nothing to do with GPUs.

        Where a DeviceClass stands for an extended resource, the scheduler gives devices to pods that ask for it, though
        the node's allocatable does not list it.
        """
        known, devices, measured = self._known.get(name), self._devices.get(name, ()), self._measured.get(name)
        if known is None or not (known.has_gpus or devices):
            return None
        kinds = by_resource(devices)
        named = {resource: str(len(kinds[resource])) for resource in set(self._offered.values()) if resource in kinds}
        return replace(
            known.node,
            allocatable={**named, **known.node.allocatable},
            devices=devices,
            measured=measured.gpus if measured else (),
            unheard_since=self._unheard(measured) if measured else None,
        )


def read_node(raw: Mapping[str, Any]) -> GpuNode | None:
    """What is planned for of a node, or None where it has nothing to do with GPUs."""
    node, has_gpus = _read(raw)
    return node if has_gpus else None


def _read(raw: Mapping[str, Any]) -> tuple[GpuNode, bool]:
    metadata, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    all_labels: Mapping[str, str] = metadata.get("labels") or {}
    allocatable = {key: value for key, value in (status.get("allocatable") or {}).items() if key.startswith(_RESOURCES)}
    has_gpus = bool(allocatable) or any(key.startswith(_LABELS) for key in all_labels)
    labels = {key: value for key, value in all_labels.items() if is_planning_label(key)}
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions") or ())
    return GpuNode(metadata["name"], labels, allocatable, ready, bool(spec.get("unschedulable"))), has_gpus


def _slice_of(raw: Object) -> Slice | None:
    try:
        return read_slice(raw)
    except InputError as error:
        LOGGER.warning("ResourceSlice %s is passed over: %s", raw["metadata"]["name"], error.message)
        return None


def _measured_of(raw: Object) -> Measurement | None:
    status = raw.get("status") or {}
    try:
        gpus = read_measured(status)
        return Measurement(gpus, status.get("agentPod"), status.get("observedAt")) if gpus else None
    except (KeyError, ValueError, TypeError) as error:
        LOGGER.warning("GPUNode %s is passed over: %r", raw["metadata"]["name"], error)
        return None


def _extended_resource(raw: Object) -> str | None:
    """The extended resource of GPUs that a DeviceClass stands for, None where for none."""
    name = (raw.get("spec") or {}).get("extendedResourceName") or ""
    return name if name.startswith(NVIDIA_DOMAIN) else None


def _shape(node: GpuNode | None) -> Shape | None:
    if node is None:
        return None
    devices = Counter((each.resource, each.product, each.memory_bytes) for each in node.devices if each.usable)
    return (
        tuple(sorted(node.labels.items())),
        tuple(sorted(node.allocatable.items())),
        tuple(sorted(devices.items(), key=str)),
        tuple((each.uuid, each.name, each.total_bytes, _held_by_the_host(each)) for each in node.measured),
        node.unheard_since,
    )


def _held_by_the_host(gpu: MeasuredGPU) -> int:
    """What no pod holds: that a model server fills its GPU is no news."""
    in_pods = sum(each.used_bytes or 0 for each in gpu.processes if each.pod_uid)
    return max(gpu.total_bytes - gpu.free_bytes - in_pods, 0) // LEAST_NEWS_BYTES
