"""The answer of ``decide`` for one VLMDeployment, carried out by ``controller.apply``.

A decision is the wanted state, not a list of steps: carrying it out twice, or only half before a crash, and deciding
again leads to the same end.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from vlm_operator.lifecycle.situation import Manifest, StartupKey


class EventType(StrEnum):
    """The two types of Kubernetes events."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that just became so; decided on transitions only, so that none is repeated.

    Attributes:
        type: Normal or Warning.
        reason: CamelCase, from the closed list of reasons.
        message: measured numbers and the next step, in one sentence or two.
        action: what was done about it, CamelCase (``Plan``, ``Apply``, ``Retune``, ``Stop``).
    """

    type: EventType
    reason: str
    message: str
    action: str


@dataclass(frozen=True, slots=True)
class ChildReference:
    """An object that should not be.

    Attributes:
        uid: of this very object; None for the live child of that kind and name.
        grace_seconds: time it is given to end, None for what the object itself says.
    """

    api_version: str
    kind: str
    name: str
    uid: str | None = None
    grace_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class LogRequest:
    """A log that is needed before this can be decided: read it and decide again.

    Attributes:
        key: the run whose log is wanted.
        pod_name: the pod to ask for.
        previous: True if the run is the one before the container's present one.
        kills: True where the kubelet's events about the pod are wanted, too.
    """

    key: StartupKey
    pod_name: str
    previous: bool
    kills: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What should be.

    Attributes:
        children: manifests that should be, as rendered (no owner references), in the order of application.
        delete: pods that should end now, and Jobs that have answered, before the children are applied.
        superseded: children that another kind has taken the place of, deleted once that one is applied.
        status: the whole ``status`` that should be; None leaves it as it is.
        events: what just became so.
        observations: ``StartupObservation`` objects that should be (cluster-scoped, no owner).
        engine_facts: ``EngineFacts`` objects that were just learnt (cluster-scoped, no owner).
        dry_run: ConfigMap and Job of the dry run that should be under way, in this order; None where none should.
        requeue_after: seconds until the situation should be looked at again even if nothing happens, None for never.
        needs: logs to read before deciding again; where this is not empty, nothing else of the decision is carried out.
    """

    children: tuple[Manifest, ...] = ()
    delete: tuple[ChildReference, ...] = ()
    superseded: tuple[ChildReference, ...] = ()
    status: Manifest | None = None
    events: tuple[Event, ...] = ()
    observations: tuple[Manifest, ...] = ()
    engine_facts: tuple[Manifest, ...] = ()
    dry_run: tuple[Manifest, Manifest] | None = None
    requeue_after: float | None = None
    needs: tuple[LogRequest, ...] = ()
