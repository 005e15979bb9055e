"""Nodes with GPUs, and the GPUs that pods of anybody have asked for, as the watches have seen them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from vlm_operator.api.names import DEPLOYMENT_LABEL
from vlm_operator.controller.client import Object
from vlm_operator.controller.queue import Key
from vlm_operator.gpu.node_labels import is_planning_label
from vlm_operator.gpu.resources import AMD_DOMAIN, NVIDIA_DOMAIN
from vlm_operator.lifecycle.situation import GpuNode

NEWS_SECONDS: Final = 0.2
"""Labels and resources of a node change one after the other: wait this long before all VLMDeployments look."""

MORE_OF_THE_SAME_SECONDS: Final = 60.0
"""An autoscaler adds nodes one by one: where only their number changes, VLMDeployments look once in this time."""

_RESOURCES: Final = (NVIDIA_DOMAIN, AMD_DOMAIN)
_LABELS: Final = (NVIDIA_DOMAIN, AMD_DOMAIN)

Shape = tuple[tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]]
"""Labels and allocatable resources that planning reads."""


class Nodes:
    """The sink of the informer of nodes. Safe to use from several threads.

    Args:
        changed: called with the delay in seconds when what is planned for has changed. Heartbeats, cordons, labels that
            planning does not read and the timestamps of GPU feature discovery change nothing.
    """

    def __init__(self, changed: Callable[[float], None]) -> None:
        self._changed = changed
        self._lock = threading.Lock()
        self._nodes: dict[str, tuple[str, int, GpuNode | None]] = {}
        self._shapes: Counter[Shape] = Counter()
        self._snapshot: tuple[GpuNode, ...] | None = ()

    def snapshot(self) -> tuple[GpuNode, ...]:
        """All nodes with GPUs by name; the very same tuple until one changes."""
        with self._lock:
            if self._snapshot is None:
                found = (node for _, _, node in self._nodes.values() if node is not None)
                self._snapshot = tuple(sorted(found, key=lambda node: node.name))
            return self._snapshot

    def put(self, item: Object) -> None:
        """See ``informer.Sink``."""
        metadata, node = item["metadata"], read_node(item)
        self._set(metadata["name"], (metadata["uid"], int(metadata["resourceVersion"]), node))

    def drop(self, item: Object) -> None:
        """See ``informer.Sink``."""
        with self._lock:
            known = self._nodes.get(item["metadata"]["name"])
        if known is not None and known[0] == item["metadata"]["uid"]:
            self._set(item["metadata"]["name"], None)

    def retain(self, namespace: str | None, uids: set[str], version: int) -> None:
        """See ``informer.Sink``."""
        with self._lock:
            gone = [name for name, (uid, seen, _) in self._nodes.items() if uid not in uids and seen <= version]
        for name in gone:
            self._set(name, None)

    def _set(self, name: str, new: tuple[str, int, GpuNode | None] | None) -> None:
        with self._lock:
            known = self._nodes.pop(name, None)
            if new is not None:
                self._nodes[name] = new
            before, after = known[2] if known is not None else None, new[2] if new is not None else None
            if before == after:
                return
            self._snapshot = None
            old_shape, new_shape = _shape(before), _shape(after)
            if old_shape == new_shape:
                return
            first = new_shape is not None and not self._shapes[new_shape]
            if new_shape is not None:
                self._shapes[new_shape] += 1
            last = False
            if old_shape is not None:
                self._shapes[old_shape] -= 1
                last = not self._shapes[old_shape]
            self._shapes += Counter()  # drops those of which there is none
        self._changed(NEWS_SECONDS if first or last else MORE_OF_THE_SAME_SECONDS)


@dataclass(frozen=True, slots=True)
class Use:
    """GPUs that one pod has on a node, by resource."""

    uid: str
    version: int
    node: str
    owner: Key | None
    requests: Mapping[str, int]


class GpuUse:
    """The sink of informers of pods: which GPUs of which node are asked for. Safe to use from several threads.

    Attributes:
        known: False until pods have been listed: of all namespaces, or of one that is watched.
    """

    def __init__(self) -> None:
        self.known = False
        self._lock = threading.Lock()
        self._uses: dict[tuple[str, str], Use] = {}
        self._owned: dict[Key, set[tuple[str, str]]] = {}
        self._totals: dict[str, Counter[str]] = {}
        self._plain: dict[str, dict[str, int]] | None = None

    def by_node(self, but: Key) -> Mapping[str, Mapping[str, int]] | None:
        """GPUs asked for on each node by resource, without those of one VLMDeployment's own pods; None if not known."""
        with self._lock:
            if not self.known:
                return None
            if self._plain is None:
                self._plain = {node: _counts(total) for node, total in self._totals.items()}
            others = self._plain
            own = [self._uses[name] for name in self._owned.get(but, ())]
        if not own:
            return others
        others = dict(others)
        for use in own:
            left = Counter(others.get(use.node, {}))
            left.subtract(use.requests)
            others[use.node] = _counts(left)
        return {node: counts for node, counts in others.items() if counts}

    def holders(self) -> frozenset[Key]:
        """VLMDeployments whose pods hold GPUs."""
        with self._lock:
            return frozenset(self._owned)

    def put(self, item: Object) -> None:
        """See ``informer.Sink``."""
        name, use = _pod_name(item), read_use(item)
        with self._lock:
            self._replace(name, use)

    def drop(self, item: Object) -> None:
        """See ``informer.Sink``."""
        with self._lock:
            known = self._uses.get(_pod_name(item))
            if known is not None and known.uid == item["metadata"]["uid"]:
                self._replace(_pod_name(item), None)

    def retain(self, namespace: str | None, uids: set[str], version: int) -> None:
        """See ``informer.Sink``."""
        with self._lock:
            self.known = True
            for name, use in list(self._uses.items()):
                listed = namespace is None or name[0] == namespace
                if listed and use.uid not in uids and use.version <= version:
                    self._replace(name, None)

    def _replace(self, name: tuple[str, str], use: Use | None) -> None:
        before = self._uses.pop(name, None)
        if before is None and use is None:
            return
        self._plain = None
        if before is not None:
            if before.owner is not None:
                self._owned[before.owner].discard(name)
                if not self._owned[before.owner]:
                    del self._owned[before.owner]
            total = self._totals[before.node]
            total.subtract(before.requests)
            if not any(total.values()):
                del self._totals[before.node]
        if use is not None:
            self._uses[name] = use
            if use.owner is not None:
                self._owned.setdefault(use.owner, set()).add(name)
            self._totals.setdefault(use.node, Counter()).update(use.requests)


def read_node(raw: Mapping[str, Any]) -> GpuNode | None:
    """What is planned for of a node, or None where it has nothing to do with GPUs."""
    metadata, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    all_labels: Mapping[str, str] = metadata.get("labels") or {}
    allocatable = {key: value for key, value in (status.get("allocatable") or {}).items() if key.startswith(_RESOURCES)}
    if not allocatable and not any(key.startswith(_LABELS) for key in all_labels):
        return None
    labels = {key: value for key, value in all_labels.items() if is_planning_label(key)}
    ready = any(item["type"] == "Ready" and item["status"] == "True" for item in status.get("conditions") or ())
    return GpuNode(metadata["name"], labels, allocatable, ready, bool(spec.get("unschedulable")))


def read_use(raw: Mapping[str, Any]) -> Use | None:
    """GPUs that a pod holds on its node: None where it asks for none, is not bound, or has ended."""
    metadata, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in {"Succeeded", "Failed"}:
        return None
    requests = gpu_requests(spec)
    if not requests:
        return None
    label = (metadata.get("labels") or {}).get(DEPLOYMENT_LABEL)
    owner = Key(metadata["namespace"], label) if label else None
    return Use(metadata["uid"], int(metadata["resourceVersion"]), spec["nodeName"], owner, requests)


def gpu_requests(spec: Mapping[str, Any]) -> dict[str, int]:
    """GPUs that a pod asks for, by resource: as the scheduler counts them.

    Containers and sidecars (init containers that restart) run together; an init container runs before them, beside
    the sidecars that were started until then.
    """
    together: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for container in spec.get("initContainers") or ():
        asked = _asked(container)
        if container.get("restartPolicy") == "Always":
            together += asked
            most |= together
        else:
            most |= together + asked
    for container in spec.get("containers") or ():
        together += _asked(container)
    return {resource: count for resource, count in (most | together).items() if count}


def _asked(container: Mapping[str, Any]) -> Counter[str]:
    resources = container.get("resources") or {}
    amounts = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return Counter(
        {
            name: int(amount)
            for name, amount in amounts.items()
            if name.startswith(_RESOURCES) and str(amount).isdecimal()
        }
    )


def _counts(total: Counter[str]) -> dict[str, int]:
    return {resource: count for resource, count in total.items() if count > 0}


def _pod_name(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["metadata"]["namespace"], item["metadata"]["name"]


def _shape(node: GpuNode | None) -> Shape | None:
    if node is None:
        return None
    return tuple(sorted(node.labels.items())), tuple(sorted(node.allocatable.items()))
