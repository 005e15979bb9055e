"""What says "look again"? kopf's watches: events and indexes only, so that nothing is ever written to users' objects.

No timers, daemons, change or deletion handlers: those put finalizers and annotations on objects, and an operator that
is down must not keep ``kubectl delete`` hanging.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

import kopf

from vlm_operator.api.names import DEPLOYMENT_LABEL, GROUP, VERSION
from vlm_operator.controller.gather import read_node
from vlm_operator.controller.queue import Key, WorkQueue
from vlm_operator.lifecycle.children import CHILD_KINDS
from vlm_operator.lifecycle.situation import GpuNode

SETTLE_SECONDS: Final = 0.05
"""A change of a child seldom comes alone: wait this long for its companions."""


class World:
    """The nodes with GPUs, as of now. To be used from the event loop's thread.

    A watch that begins anew lists what is there; of what went meanwhile kopf hears nothing, and its index keeps it. So
    whoever sees a listing sets ``listed``, and ``keep`` is told which nodes there are.
    """

    def __init__(self) -> None:
        self._nodes: kopf.Index[str, GpuNode] | None = None
        self._gone: set[str] = set()
        self.listed = asyncio.Event()
        self.known: set[Key] = set()
        """VLMDeployments that exist."""

    def see(self, nodes: kopf.Index[str, GpuNode]) -> None:
        """Remember the index of nodes by UID; it stays current by itself, but for the nodes that ``keep`` drops."""
        self._nodes = nodes

    def uids(self) -> set[str]:
        """UIDs of the nodes in the index."""
        return set(self._nodes or ())

    def keep(self, uids: set[str], seen: set[str]) -> bool:
        """Drop nodes that had been ``seen`` before ``uids`` were listed and are not among them; True if any was."""
        gone = seen - uids
        news = gone - self._gone
        self._gone = gone
        return bool(news)

    def nodes(self) -> list[GpuNode]:
        """All nodes with GPUs."""
        return [node for uid, store in (self._nodes or {}).items() if uid not in self._gone for node in store]


def register(queue: WorkQueue, world: World) -> kopf.OperatorRegistry:
    """Handlers that only ever add keys to the queue."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(kopf.login_via_client)
    planned_for: dict[str, GpuNode | None] = {}

    @kopf.index("nodes", id="gpu_nodes", registry=registry)
    def gpu_nodes(body: kopf.Body, uid: str | None, **_: Any) -> dict[str, GpuNode] | None:
        node = read_node(body)
        return None if node is None else {str(uid): node}

    @kopf.on.event(GROUP, VERSION, "vlmdeployments", registry=registry)
    def vlmdeployment_changed(event: kopf.RawEvent, namespace: str | None, name: str | None, **indexes: Any) -> None:
        world.see(indexes["gpu_nodes"])
        key = Key(str(namespace), str(name))
        if event["type"] == "DELETED":
            world.known.discard(key)
        else:
            world.known.add(key)
        queue.add(key)

    def child_changed(namespace: str | None, labels: kopf.Labels, **indexes: Any) -> None:
        world.see(indexes["gpu_nodes"])  # at the start a child may come before its VLMDeployment
        queue.add(Key(str(namespace), labels[DEPLOYMENT_LABEL]), SETTLE_SECONDS)

    for api_version, plural in (*((kind.api_version, kind.plural) for kind in CHILD_KINDS), ("v1", "pods")):
        group, _, version = api_version.rpartition("/")
        kopf.on.event(group, version, plural, registry=registry, labels={DEPLOYMENT_LABEL: kopf.PRESENT})(child_changed)

    @kopf.on.event("", "v1", "nodes", registry=registry)
    def node_changed(event: kopf.RawEvent, body: kopf.Body, name: str | None, **_: Any) -> None:
        node = None if event["type"] == "DELETED" else read_node(body)
        before = planned_for.get(str(name))
        planned_for[str(name)] = node
        if event["type"] is None:
            world.listed.set()
        # The heartbeat of a node changes nothing that is planned for.
        if node != before or event["type"] == "ADDED":
            for key in world.known:
                queue.add(key, SETTLE_SECONDS)

    return registry


def watch_settings() -> kopf.OperatorSettings:
    """kopf, with everything off that writes to the cluster."""
    settings = kopf.OperatorSettings()
    settings.peering.standalone = True  # two of equal priority would pause each other; the Deployment has one replica
    settings.posting.enabled = False
    settings.persistence.finalizer = f"{GROUP}/never-set"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=GROUP)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=GROUP)
    settings.networking.request_timeout = 30
    settings.networking.error_backoffs = (0.2, 0.5, 1, 2, 3, *(5.0,) * 120)  # an API server may be away for minutes
    settings.watching.chunk_size = 500
    settings.watching.server_timeout = 300
    for plural in (*(kind.plural for kind in CHILD_KINDS), "pods"):
        settings.watching.label_selectors[plural] = DEPLOYMENT_LABEL
    settings.process.ultimate_exiting_timeout = 20
    return settings
