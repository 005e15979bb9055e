"""What the watches have seen of VLMDeployments, their children and pods, and of observations.

An object is kept as the JSON text it came as, without other writers' ``managedFields``: a thousand VLMDeployments with
their children take a tenth of the memory that Python's objects of them would. What this operator wrote is in the cache
before its watch event comes, so that a decision never rests on what it has itself changed since.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from vlm_operator.api.names import DEPLOYMENT_LABEL, DRY_RUN_LABEL, FIELD_MANAGER, MODEL_LABEL, SHARE_LABEL
from vlm_operator.controller.client import Object
from vlm_operator.controller.queue import Key
from vlm_operator.lifecycle.children import CHILD_KINDS
from vlm_operator.lifecycle.gpu_share import group_of

ROOT: Final = "VLMDeployment"
OBSERVATION: Final = "StartupObservation"
FACTS: Final = "EngineFacts"
POD: Final = "Pod"
JOB: Final = "Job"
SHARED_CLAIM: Final = "ResourceClaim"
"""The claim of a group that shares one GPU."""

DRY_RUN_POD: Final = "DryRunPod"
"""Pods of dry runs: kept apart from those of model servers, which another informer brings."""

SETTLE_SECONDS: Final = 0.05
"""A change of a child seldom comes alone: wait this long for its companions."""

Changed = Callable[[Iterable[Key], float], None]
"""Called with keys to look at and the delay in seconds."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One object.

    Attributes:
        uid: identity of this very object.
        version: its resource version; greater is newer (Kubernetes 1.35 and every etcd-backed API server before).
        group: what it is found by: the key of its VLMDeployment, the model label of observations and facts, or the
            group that a claim is of.
        text: JSON.
        shares: of a VLMDeployment, the group that it shares a GPU with; empty for none.
    """

    uid: str
    version: int
    group: Key | str
    text: bytes
    shares: str = ""

    def object(self) -> Object:
        """The object, made anew for each caller."""
        found: Object = json.loads(self.text)
        return found


Name = tuple[str, str, str]
"""Kind, namespace (empty for none) and name."""


class Cache:
    """Objects by kind, namespace and name, and by the VLMDeployment they belong to. Safe to use from several threads.

    Args:
        changed: told which VLMDeployments are to be looked at; not told of what ``wrote`` brings.
    """

    def __init__(self, changed: Changed) -> None:
        self._changed = changed
        self._lock = threading.Lock()
        self._entries: dict[Name, Entry] = {}
        self._groups: dict[Key | str, set[Name]] = {}
        self._sharing: dict[str, set[Key]] = {}

    # --- what is there ----------------------------------------------------------------------------------------------

    def keys(self) -> list[Key]:
        """All VLMDeployments."""
        with self._lock:
            return [Key(namespace, name) for kind, namespace, name in self._entries if kind == ROOT]

    def root(self, key: Key) -> Object | None:
        """The VLMDeployment, or None where there is none."""
        with self._lock:
            entry = self._entries.get((ROOT, *key))
        return entry.object() if entry is not None else None

    def belonging(self, group: Key | str, kinds: Iterable[str]) -> list[Object]:
        """Objects of these kinds that carry the label of this VLMDeployment, or of this model; by kind and name."""
        wanted = frozenset(kinds)
        with self._lock:
            names = sorted(name for name in self._groups.get(group, ()) if name[0] in wanted)
            entries = [self._entries[name] for name in names]
        return [entry.object() for entry in entries]

    def sharing(self, group: str) -> list[Key]:
        """VLMDeployments of a group that shares a GPU (see ``share_name``), by name."""
        with self._lock:
            return sorted(self._sharing.get(group, ()))

    def shares(self, key: Key) -> str:
        """The group with which a VLMDeployment shares a GPU; empty where it does not, or is not there."""
        with self._lock:
            entry = self._entries.get((ROOT, *key))
        return entry.shares if entry is not None else ""

    # --- what changed -----------------------------------------------------------------------------------------------

    def put(self, item: Object) -> None:
        """A watch has seen this object."""
        group = self._put(item)
        if isinstance(group, Key):
            self._changed((group,), 0.0 if item["kind"] == ROOT else SETTLE_SECONDS)
            self._say_neighbours(item)

    def wrote(self, item: Object) -> None:
        """This operator has written this object: nobody need look at what it has done itself."""
        if item.get("kind") in _CACHED and "uid" in (item.get("metadata") or {}):
            self._put(item)
            self._say_neighbours(item)

    def drop(self, item: Object) -> None:
        """The object was deleted."""
        name, uid = _name(item), item["metadata"]["uid"]
        with self._lock:
            entry = self._entries.get(name)
            if entry is None or entry.uid != uid:
                return
            self._remove(name, entry)
        self._say([entry.group])
        self._say_neighbours(item)

    def retain(self, namespace: str | None, uids: set[str], version: int, *, kind: str) -> None:
        """Of this kind and namespace only these were there at ``version``: what is older and not among them went."""
        with self._lock:
            gone = [
                (name, entry)
                for name, entry in self._entries.items()
                if name[0] == kind
                and (namespace is None or name[1] == namespace)
                and entry.uid not in uids
                and entry.version <= version
            ]
            for name, entry in gone:
                self._remove(name, entry)
        self._say(entry.group for _, entry in gone)
        for group in {entry.shares for _, entry in gone if entry.shares}:
            self._say(self.sharing(group))

    def _put(self, item: Object) -> Key | str | None:
        """Remember it; whose it is, or None where it is known already, or nobody's."""
        name, metadata = _name(item), item["metadata"]
        group, version = _group(item), int(metadata["resourceVersion"])
        with self._lock:
            before = self._entries.get(name)
            if before is not None and version <= before.version:
                return None
        entry = None if group is None else Entry(metadata["uid"], version, group, _text(item), _shares(item))
        with self._lock:
            before = self._entries.get(name)
            if before is not None and version <= before.version:
                return None
            if before is not None:
                self._remove(name, before)
            if entry is not None:
                self._entries[name] = entry
                self._groups.setdefault(entry.group, set()).add(name)
                if entry.shares:
                    self._sharing.setdefault(entry.shares, set()).add(Key(name[1], name[2]))
        if before is not None and before.shares and (entry is None or before.shares != entry.shares):
            self._say(self.sharing(before.shares))  # it has left them
        if before is not None and before.group != group:  # relabelled: the one that lost it looks, too
            self._say([before.group])
        return group

    def _remove(self, name: Name, entry: Entry) -> None:
        del self._entries[name]
        members = self._groups[entry.group]
        members.discard(name)
        if not members:
            del self._groups[entry.group]
        if entry.shares:
            self._sharing[entry.shares].discard(Key(name[1], name[2]))
            if not self._sharing[entry.shares]:
                del self._sharing[entry.shares]

    def _say_neighbours(self, item: Object) -> None:
        """What one VLMDeployment takes and whether it serves decides about the others on its GPU."""
        if shares := _shares(item):
            own = Key(item["metadata"]["namespace"], item["metadata"]["name"])
            self._say(key for key in self.sharing(shares) if key != own)

    def _say(self, groups: Iterable[Key | str]) -> None:
        keys = [group for group in groups if isinstance(group, Key)]
        if keys:
            self._changed(keys, SETTLE_SECONDS)


class KindOfCache:
    """The cache as the sink of one kind's informer."""

    def __init__(self, cache: Cache, kind: str) -> None:
        self._cache = cache
        self._kind = kind
        self.put = cache.put
        self.drop = cache.drop

    def retain(self, namespace: str | None, uids: set[str], version: int) -> None:
        """See ``informer.Sink``."""
        self._cache.retain(namespace, uids, version, kind=self._kind)


class DryRunPods(KindOfCache):
    """The cache as the sink of the informer of dry runs' pods."""

    def __init__(self, cache: Cache) -> None:
        super().__init__(cache, DRY_RUN_POD)
        self.put = lambda item: cache.put({**item, "kind": DRY_RUN_POD})
        self.drop = lambda item: cache.drop({**item, "kind": DRY_RUN_POD})


_CACHED: Final = frozenset({ROOT, OBSERVATION, FACTS, POD, JOB, SHARED_CLAIM, *(kind.kind for kind in CHILD_KINDS)})


def _name(item: Object) -> Name:
    metadata = item["metadata"]
    return item["kind"], metadata.get("namespace") or "", metadata["name"]


def _group(item: Object) -> Key | str | None:
    metadata = item["metadata"]
    labels = metadata.get("labels") or {}
    if item["kind"] == ROOT:
        return Key(metadata["namespace"], metadata["name"])
    if item["kind"] in {OBSERVATION, FACTS}:
        return str(labels.get(MODEL_LABEL, ""))
    if item["kind"] == SHARED_CLAIM:
        shared = labels.get(SHARE_LABEL)
        return share_name(metadata["namespace"], shared) if shared else None
    owner = labels.get(DRY_RUN_LABEL if item["kind"] in {JOB, DRY_RUN_POD} else DEPLOYMENT_LABEL)
    return Key(metadata["namespace"], owner) if owner else None


def share_name(namespace: str, group: str) -> str:
    """A group that shares a GPU: it is of one namespace. No model label has a slash."""
    return f"{namespace}/{group}"


def _shares(item: Object) -> str:
    group = group_of(item.get("spec") or {}) if item["kind"] == ROOT else None
    return share_name(item["metadata"]["namespace"], group) if group else ""


def _text(item: Object) -> bytes:
    metadata: dict[str, Any] = item["metadata"]
    if managed := metadata.get("managedFields"):
        ours = [entry for entry in managed if entry.get("manager") == FIELD_MANAGER]
        item = {**item, "metadata": {**metadata, "managedFields": ours}}
    return json.dumps(item, separators=(",", ":")).encode()
