"""Kinds of objects that serve a VLMDeployment, and how the state of each is read.

This is the only list of child kinds: what is listed, watched, applied and waited for follows from it. A kind that runs
the model server says how many of its replicas are ready; a kind that only leads to it (a Service) does not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

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
    """

    api_version: str
    kind: str
    plural: str
    replicas: Callable[[Manifest], Replicas] | None = None


def _deployment_replicas(live: Manifest) -> Replicas:
    wanted = (live.get("spec") or {}).get("replicas", 1)
    return Replicas(int(wanted or 0), int((live.get("status") or {}).get("readyReplicas") or 0))


DEPLOYMENT: Final = ChildKind("apps/v1", "Deployment", "deployments", _deployment_replicas)
SERVICE: Final = ChildKind("v1", "Service", "services")

CHILD_KINDS: Final = (DEPLOYMENT, SERVICE)
"""Every kind of child, in the order of application."""

_BY_KIND: Final = {kind.kind: kind for kind in CHILD_KINDS}


def runs_the_server(child: Manifest) -> bool:
    """True for a child whose kind runs the model server."""
    kind = _BY_KIND.get(child.get("kind", ""))
    return kind is not None and kind.replicas is not None


def replicas_of(children: Iterable[Manifest]) -> Replicas | None:
    """Replicas of the live model server, None where no such child is there."""
    for child in children:
        kind = _BY_KIND.get(child.get("kind", ""))
        if kind is not None and kind.replicas is not None:
            return kind.replicas(child)
    return None
