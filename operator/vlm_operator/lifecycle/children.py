"""Kinds of objects that serve a VLMDeployment, and how the state of each is read.

This is the only list of child kinds: what is listed, watched, applied and waited for follows from it. A kind that runs
the model server says how many of its replicas are ready; a kind that only leads to it (a Service) does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from vlm_operator.lifecycle.decision import ChildReference
from vlm_operator.lifecycle.situation import Manifest


@dataclass(frozen=True, slots=True)
class Replicas:
    """Replicas of the model server: how many the live object asks for, and how many answer requests."""

    wanted: int
    ready: int


@dataclass(frozen=True, slots=True)
class ChildKind:
    """One kind of child. Every child is owned by its VLMDeployment (``api.owner.owner_reference``).

    Attributes:
        plural: as it stands in a path of the API server.
        replicas: reads the state of a live object; None for a kind that runs no server.
        optional: True for a kind that a cluster may not have: what needs it waits until it is there.
        by_content: True for a kind whose objects cannot be changed: their names follow from their content, and one that
            is wanted no longer is deleted.
    """

    api_version: str
    kind: str
    plural: str
    replicas: Callable[[Manifest], Replicas] | None = None
    optional: bool = False
    by_content: bool = False


def _replicas(live: Manifest) -> Replicas:
    """Of a Deployment, or of a LeaderWorkerSet: its status counts groups, and a group is ready with all its pods."""
    wanted = (live.get("spec") or {}).get("replicas", 1)
    return Replicas(int(wanted or 0), int((live.get("status") or {}).get("readyReplicas") or 0))


DEPLOYMENT: Final = ChildKind("apps/v1", "Deployment", "deployments", _replicas)
LEADER_WORKER_SET: Final = ChildKind(
    "leaderworkerset.x-k8s.io/v1", "LeaderWorkerSet", "leaderworkersets", _replicas, optional=True
)
SERVICE: Final = ChildKind("v1", "Service", "services")
CLAIM: Final = ChildKind("v1", "PersistentVolumeClaim", "persistentvolumeclaims", optional=True)
"""The model cache that the operator creates (``spec.model.cache.size``); it stays while the VLMDeployment does. An
operator whose rights are from before it waits for nobody else's sake."""

CLAIM_TEMPLATE: Final = ChildKind(
    "resource.k8s.io/v1", "ResourceClaimTemplate", "resourceclaimtemplates", optional=True, by_content=True
)

CHILD_KINDS: Final = (CLAIM, CLAIM_TEMPLATE, DEPLOYMENT, LEADER_WORKER_SET, SERVICE)
"""Every kind of child, in the order of application."""

_BY_KIND: Final = {kind.kind: kind for kind in CHILD_KINDS}


def runs_the_server(child: Manifest) -> bool:
    """True for a child whose kind runs the model server."""
    kind = _BY_KIND.get(child.get("kind", ""))
    return kind is not None and kind.replicas is not None


def replicas_of(children: Iterable[Manifest], kind: ChildKind | None = None) -> Replicas | None:
    """Replicas of the live model server, None where no such child is there.

    Args:
        kind: which child runs it, where another may still be there; None for whichever is.
    """
    for child in children:
        found = _BY_KIND.get(child.get("kind", ""))
        if found is not None and found.replicas is not None and kind in (None, found):
            return found.replicas(child)
    return None


def server_kind(nodes: int) -> ChildKind:
    """The kind that runs a replica on so many nodes."""
    return DEPLOYMENT if nodes == 1 else LEADER_WORKER_SET


def superseded(live: Iterable[Manifest], wanted: Iterable[Manifest]) -> tuple[ChildReference, ...]:
    """Live children in whose place another is: of another kind that runs the server, or of another content."""
    wanted = tuple(wanted)
    kept = {(child["kind"], child["metadata"]["name"]) for child in wanted}
    if not any(runs_the_server(child) for child in wanted):
        return ()
    return tuple(
        ChildReference(child["apiVersion"], child["kind"], child["metadata"]["name"], uid=child["metadata"]["uid"])
        for child in live
        if _has_substitutes(child) and (child["kind"], child["metadata"]["name"]) not in kept
    )


def _has_substitutes(child: Manifest) -> bool:
    kind = _BY_KIND.get(child.get("kind", ""))
    return kind is not None and (kind.replicas is not None or kind.by_content)
