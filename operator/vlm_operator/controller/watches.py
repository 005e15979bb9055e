"""What says "look again"? kopf's watches: events and indexes only, so that nothing is ever written to users' objects.

No timers, daemons, change or deletion handlers: those put finalizers and annotations on objects, and an operator that
is down must not keep ``kubectl delete`` hanging.
"""

from __future__ import annotations

from typing import Any, Final

import kopf

from vlm_operator.api.names import DEPLOYMENT_LABEL, GROUP, VERSION
from vlm_operator.controller.gather import read_node
from vlm_operator.controller.queue import Key, WorkQueue
from vlm_operator.lifecycle.situation import GpuNode, Manifest

SETTLE_SECONDS: Final = 0.05
"""A change of a child seldom comes alone: wait this long for its companions."""


class World:
    """What the indexes hold, as of now. To be read from the event loop's thread."""

    def __init__(self) -> None:
        self._nodes: kopf.Index[str, GpuNode] | None = None
        self._observations: kopf.Index[str, Manifest] | None = None
        self.known: set[Key] = set()
        """VLMDeployments that exist."""

    def see(self, nodes: kopf.Index[str, GpuNode], observations: kopf.Index[str, Manifest]) -> None:
        """Remember the indexes; they stay current by themselves."""
        self._nodes, self._observations = nodes, observations

    def nodes(self) -> list[GpuNode]:
        """All nodes with GPUs."""
        return [node for store in (self._nodes or {}).values() for node in store]

    def observations(self) -> list[Manifest]:
        """All observations."""
        return [item for store in (self._observations or {}).values() for item in store]


def register(queue: WorkQueue, world: World) -> kopf.OperatorRegistry:
    """Handlers that only ever add keys to the queue."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(registry=registry)(kopf.login_via_client)
    planned_for: dict[str, GpuNode | None] = {}

    @kopf.index("nodes", id="gpu_nodes", registry=registry)
    def gpu_nodes(body: kopf.Body, **_: Any) -> dict[str, GpuNode] | None:
        node = read_node(body)
        return None if node is None else {node.name: node}

    @kopf.index(GROUP, VERSION, "startupobservations", id="observed", registry=registry)
    def observed(body: kopf.Body, name: str | None, **_: Any) -> dict[str, Manifest]:
        return {str(name): _plain(body)}

    @kopf.on.event(GROUP, VERSION, "vlmdeployments", registry=registry)
    def vlmdeployment_changed(event: kopf.RawEvent, namespace: str | None, name: str | None, **indexes: Any) -> None:
        world.see(indexes["gpu_nodes"], indexes["observed"])
        key = Key(str(namespace), str(name))
        if event["type"] == "DELETED":
            world.known.discard(key)
        else:
            world.known.add(key)
        queue.add(key)

    def child_changed(namespace: str | None, labels: kopf.Labels, **_: Any) -> None:
        queue.add(Key(str(namespace), labels[DEPLOYMENT_LABEL]), SETTLE_SECONDS)

    for group, version, plural in (("apps", "v1", "deployments"), ("", "v1", "services"), ("", "v1", "pods")):
        kopf.on.event(group, version, plural, registry=registry, labels={DEPLOYMENT_LABEL: kopf.PRESENT})(child_changed)

    @kopf.on.event("", "v1", "nodes", registry=registry)
    def node_changed(event: kopf.RawEvent, body: kopf.Body, name: str | None, **_: Any) -> None:
        node = None if event["type"] == "DELETED" else read_node(body)
        before = planned_for.get(str(name))
        planned_for[str(name)] = node
        # The heartbeat of a node changes nothing that is planned for. At the start every VLMDeployment comes anyway.
        if node != before and event["type"] is not None:
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
    for plural in ("deployments", "services", "pods"):
        settings.watching.label_selectors[plural] = DEPLOYMENT_LABEL
    settings.queueing.worker_limit = 50
    settings.process.ultimate_exiting_timeout = 20
    return settings


def _plain(body: kopf.Body) -> dict[str, Any]:
    return {key: body[key] for key in ("apiVersion", "kind", "metadata", "spec") if key in body}
