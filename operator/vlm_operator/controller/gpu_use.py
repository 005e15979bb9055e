"""The GPUs that pods of anybody have asked for or that claims were given, as the watches have seen them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from vlm_operator.api.names import DEPLOYMENT_LABEL, SHARE_LABEL
from vlm_operator.controller.cache import share_name
from vlm_operator.controller.client import Object
from vlm_operator.controller.queue import Key
from vlm_operator.controller.versioned import Versioned
from vlm_operator.gpu.devices import claimed_devices
from vlm_operator.gpu.resources import AMD_DOMAIN, NVIDIA_DOMAIN
from vlm_operator.identity_cache import cached_by_identity
from vlm_operator.lifecycle.situation import GpuNode

_RESOURCES: Final = (NVIDIA_DOMAIN, AMD_DOMAIN)


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


@dataclass(frozen=True, slots=True)
class Claim:
    """Devices that one ResourceClaim was given.

    Attributes:
        owner: the VLMDeployment whose template it was made from, None for anybody else's.
        devices: pool and name of each.
        shares: the group whose pods use them, empty where it is nobody's.
    """

    owner: Key | None
    devices: frozenset[tuple[str, str]]
    shares: str = ""


class ClaimUse:
    """Which devices claims of anybody were given. Safe to use from several threads.

    Attributes:
        claims: the sink of the informer of ResourceClaims.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._claims: dict[str, Claim] = {}
        self.claims: Versioned[Claim] = Versioned(read_claim, self._claim_changed)

    def by_node(self, but: Key, nodes: tuple[GpuNode, ...], shares: str = "") -> dict[str, Counter[str]]:
        """Devices given by node and by the resource that stands for their kind, one VLMDeployment's own left out.

        Args:
            shares: the group whose claim is its own, too; empty for none.
        """
        with self._lock:
            claims = [each for each in self._claims.values() if each.owner != but]
        given = {device for each in claims if not shares or each.shares != shares for device in each.devices}
        if not given:
            return {}
        places = _places(nodes)
        found: dict[str, Counter[str]] = {}
        for device in given & places.keys():
            node, resource = places[device]
            found.setdefault(node, Counter())[resource] += 1
        return found

    def holders(self) -> frozenset[Key]:
        """VLMDeployments whose claims were given devices."""
        with self._lock:
            return frozenset(claim.owner for claim in self._claims.values() if claim.owner is not None)

    def _claim_changed(self, name: str, before: Claim | None, after: Claim | None) -> None:
        with self._lock:
            if after is None:
                self._claims.pop(name, None)
            else:
                self._claims[name] = after


def read_claim(raw: Object) -> Claim | None:
    """The devices of NVIDIA's driver that a claim was given, None where it has none or its pod's requests count."""
    metadata, devices = raw["metadata"], claimed_devices(raw)
    if not devices:
        return None
    labels, namespace = metadata.get("labels") or {}, metadata["namespace"]
    owner, group = labels.get(DEPLOYMENT_LABEL), labels.get(SHARE_LABEL)
    return Claim(Key(namespace, owner) if owner else None, devices, share_name(namespace, group) if group else "")


@cached_by_identity(kept=4)
def _places(nodes: tuple[GpuNode, ...]) -> dict[tuple[str, str], tuple[str, str]]:
    """Node and resource of each device that one claim has alone; one that is shared is in use by none alone."""
    return {
        (device.pool, device.name): (node.name, device.resource)
        for node in nodes
        for device in node.devices
        if not device.shared
    }


def together(
    by_pods: Mapping[str, Mapping[str, int]] | None, by_claims: Mapping[str, Mapping[str, int]]
) -> Mapping[str, Mapping[str, int]] | None:
    """GPUs in use on each node by resource, whether asked for or claimed; None where pods are not known."""
    if by_pods is None or not by_claims:
        return by_pods
    nodes = by_pods.keys() | by_claims.keys()
    return {node: dict(Counter(by_pods.get(node, {})) + Counter(by_claims.get(node, {}))) for node in nodes}
