"""Make it so: carries a ``Decision`` out, writing only what differs from what is there.

The order is such that a kill between any two writes loses nothing and doubles nothing: what was learnt (observations)
and told (events, whose names are derived from what they say) goes before the status that records it, and the status
before the children that follow from it.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final

from vlm_operator.api.names import API_VERSION
from vlm_operator.api.owner import owner_reference
from vlm_operator.controller.api_errors import ApiError, Outdated, Rejected
from vlm_operator.controller.client import Client, path_of
from vlm_operator.controller.drift import is_applied
from vlm_operator.controller.gather import is_controlled_by
from vlm_operator.lifecycle.decision import ChildReference, Decision, Event
from vlm_operator.lifecycle.observations import superfluous
from vlm_operator.lifecycle.situation import Manifest, Rejection, Situation, Target

LOGGER: Final = logging.getLogger(__name__)

LONGEST_NOTE: Final = 1024
"""Bytes that the API server accepts as an event's note."""


class Applier:
    """Carries out decisions on one API server.

    Args:
        client: the API server.
        instance: who reports events: the pod's name.
    """

    def __init__(self, client: Client, instance: str) -> None:
        self._client = client
        self._instance = instance
        self._settled: dict[str, tuple[str, str]] = {}

    def apply(self, situation: Situation, decision: Decision) -> Rejection | None:
        """Carry it out; what the API server said if it refuses a child, else None.

        Raises:
            Outdated: somebody wrote in between: gather and decide again.
            ApiError: another request failed; what was written before it stays and is right.
        """
        self._observe(decision.observations, situation.observations)
        for position, event in enumerate(decision.events):
            self._tell(event, situation, position)
        if decision.status is not None:
            self._patch_status(situation.target, decision.status)
        if situation.target.deleting:
            return None
        try:
            for child in decision.children:
                self._apply_child(child, situation)
        except Rejected as error:
            return Rejection(child["kind"], child["metadata"]["name"], error.message, situation.target.generation)
        for reference in decision.delete:
            self._delete(reference, situation)
        return None

    def _patch_status(self, target: Target, status: Manifest) -> None:
        if _plain(status) == _plain(target.status):
            return
        path = f"{path_of(API_VERSION, 'VLMDeployment', target.namespace, target.name)}/status"
        metadata = {"name": target.name, "namespace": target.namespace, "uid": target.uid}
        metadata["resourceVersion"] = target.resource_version
        manifest = {"apiVersion": API_VERSION, "kind": "VLMDeployment", "metadata": metadata, "status": status}
        self._client.apply(path, manifest)

    def _apply_child(self, child: Manifest, situation: Situation) -> None:
        target = situation.target
        name, kind, api_version = child["metadata"]["name"], child["kind"], child["apiVersion"]
        manifest = {**child, "metadata": {**child["metadata"], "namespace": target.namespace}}
        manifest["metadata"]["ownerReferences"] = [owner_reference(target.name, target.uid)]
        path = path_of(api_version, kind, target.namespace, name)
        live = _live(situation.children, kind, name)
        if live is None and (stranger := self._client.find(path)) is not None:
            if not is_controlled_by(stranger, target.uid):
                raise Rejected(
                    f"{kind} {name} exists and is somebody else's: rename the VLMDeployment, or delete that {kind}"
                )
            live = stranger
        if live is not None and (is_applied(manifest, live) or self._is_settled(manifest, live)):
            return
        answer = self._client.apply(path, manifest)
        # A field the server writes in a way of its own would be applied again and again: once is enough.
        self._settled[answer["metadata"]["uid"]] = (_digest(manifest), _revision(answer))
        LOGGER.info("applied %s %s", kind, name, extra={"vlmdeployment": f"{target.namespace}/{target.name}"})

    def _is_settled(self, manifest: Manifest, live: Manifest) -> bool:
        return self._settled.get(live["metadata"]["uid"]) == (_digest(manifest), _revision(live))

    def _delete(self, reference: ChildReference, situation: Situation) -> None:
        uid = reference.uid
        if uid is None and (live := _live(situation.children, reference.kind, reference.name)) is not None:
            uid = live["metadata"]["uid"]
        if uid is not None:
            path = path_of(reference.api_version, reference.kind, situation.target.namespace, reference.name)
            self._client.delete(path, uid=uid, grace_seconds=reference.grace_seconds)

    def _observe(self, observations: Iterable[Manifest], known: Iterable[Manifest]) -> None:
        live = {item["metadata"]["name"]: item for item in known}
        grown = False
        for observation in observations:
            name = observation["metadata"]["name"]
            if name not in live or not is_applied(observation, live[name]):
                self._client.apply(path_of(API_VERSION, "StartupObservation", None, name), observation)
                grown = grown or name not in live
        if grown:
            for name in superfluous(self._client.list(path_of(API_VERSION, "StartupObservation", None))):
                self._client.delete(path_of(API_VERSION, "StartupObservation", None, name))

    def _tell(self, event: Event, situation: Situation, position: int) -> None:
        target = situation.target
        moment = situation.now + timedelta(microseconds=position)  # so that they sort in the order they were decided in
        # The same transition from the same status has the same name: told again after a kill, it is told once.
        seed = json.dumps([target.uid, event.reason, event.message, target.status.get("conditions")], sort_keys=True)
        digest = hashlib.sha256(seed.encode()).hexdigest()[:16]
        regarding = {"apiVersion": API_VERSION, "kind": "VLMDeployment", "namespace": target.namespace}
        regarding |= {"name": target.name, "uid": target.uid, "resourceVersion": target.resource_version}
        manifest = {
            "apiVersion": "events.k8s.io/v1",
            "kind": "Event",
            "metadata": {"name": f"{target.name}.{digest}", "namespace": target.namespace},
            "eventTime": moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "type": str(event.type),
            "reason": event.reason,
            "action": event.action,
            "note": event.message.encode()[:LONGEST_NOTE].decode(errors="ignore"),
            "regarding": regarding,
            "reportingController": "vlm-operator",
            "reportingInstance": self._instance,
        }
        try:
            self._client.create(path_of("events.k8s.io/v1", "Event", target.namespace), manifest)
        except Outdated:
            return  # it exists
        except ApiError as error:  # an event that cannot be told must not stop what it tells of
            LOGGER.warning("event %s not created: %s", event.reason, error.message)


def _live(children: Iterable[Manifest], kind: str, name: str) -> Manifest | None:
    return next((item for item in children if item["kind"] == kind and item["metadata"]["name"] == name), None)


def _plain(value: Mapping[str, Any]) -> Any:
    """As JSON carries it: tuples are lists, and what is None is not there."""
    return _without_none(json.loads(json.dumps(value)))


def _without_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_none(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_none(item) for item in value]
    return value


def _digest(manifest: Manifest) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _revision(live: Manifest) -> str:
    """Changes whenever the specification of the object does."""
    metadata = live["metadata"]
    return str(metadata.get("generation") or metadata["resourceVersion"])
