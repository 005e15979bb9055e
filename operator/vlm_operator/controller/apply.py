"""Carry a ``Decision`` out, writing only what differs from what is there.

The order is such that a kill between any two writes loses nothing and doubles nothing: what was learnt (observations)
and told (events, whose names are derived from what they say) goes before the status that records it, and the status
before the children that follow from it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from vlm_operator.api.names import API_VERSION, SHARE_LABEL
from vlm_operator.api.owner import owner_reference
from vlm_operator.controller.api_errors import ApiError, Outdated, Rejected, RetryLater
from vlm_operator.controller.cache import SHARED_CLAIM
from vlm_operator.controller.client import Client, path_of
from vlm_operator.controller.drift import is_applied
from vlm_operator.controller.gather import is_controlled_by
from vlm_operator.lifecycle.decision import ChildReference, Decision, Event
from vlm_operator.lifecycle.dry_run.knowledge import superfluous_facts
from vlm_operator.lifecycle.events import applied_event, observed_event
from vlm_operator.lifecycle.observations import superfluous
from vlm_operator.lifecycle.situation import Manifest, Rejection, Situation, Target
from vlm_operator.lifecycle.wording import truncated

LOGGER: Final = logging.getLogger(__name__)

LONGEST_NOTE: Final = 1024
"""Bytes that the API server accepts as an event's note."""


TRIES_BEFORE_SAID: Final = 3
"""Failed tries after which a child that cannot be applied shows in the status, whatever the reason."""

FIRST_WAIT: Final = timedelta(seconds=10)
LONGEST_WAIT: Final = timedelta(minutes=10)
"""Until a refused manifest is sent again: quotas, policies and schemas change. Twice as long each time."""

MOST_CONFIGURED: Final = 1000
"""Jobs of which it is remembered that their ConfigMap was created."""

LONGEST_WORDS: Final = 1024
"""Bytes of the API server's words that are kept."""


@dataclass(frozen=True, slots=True)
class _Refused:
    """A refused manifest: its digest, how long it waits now, and until when."""

    digest: str
    wait: timedelta
    until: datetime


class _NotOurs(Rejected):
    """The child's name is taken. Finding out again costs a read."""


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
        self._failures: dict[tuple[str, str], int] = {}
        self._refused: dict[tuple[str, str], _Refused] = {}
        self._configured: set[str] = set()

    def apply(self, situation: Situation, decision: Decision) -> Rejection | None:
        """Carry it out; what the API server said if it does not take a child, else None.

        A refused manifest is not sent again before its time. A child that cannot be applied for another reason is
        reported after ``TRIES_BEFORE_SAID`` tries.

        Raises:
            Outdated: somebody wrote in between: gather and decide again.
            ApiError: another request failed; what was written before it stays and is right.
        """
        self._observe(decision.observations, situation)
        self._store_facts(decision.engine_facts, situation)
        for position, event in enumerate(decision.events):
            self._tell(event, situation, position)
        if decision.status is not None:
            self._patch_status(situation.target, decision.status)
        if situation.target.deleting:
            return None
        # Before their Deployment is changed: whoever deletes a pod first decides how long it may take to end. While a
        # child is refused, the Deployment stays as it is, and its ReplicaSet would replace them again and again.
        if situation.rejection is None:
            for reference in decision.delete:
                self._delete(reference, situation)
        for child in decision.children:
            if (rejection := self._rejection(child, situation)) is not None:
                return rejection
        for reference in decision.superseded:
            self._delete(reference, situation)
            about = {"vlmdeployment": f"{situation.target.namespace}/{situation.target.name}"}
            LOGGER.info("deleted %s %s: another kind runs the server now", reference.kind, reference.name, extra=about)
        if decision.dry_run is not None:
            return self._start(*decision.dry_run, situation)
        return None

    def _patch_status(self, target: Target, status: Manifest) -> None:
        if _plain(status) == target.status:
            return
        path = f"{path_of(API_VERSION, 'VLMDeployment', target.namespace, target.name)}/status"
        metadata = {"name": target.name, "namespace": target.namespace, "uid": target.uid}
        metadata["resourceVersion"] = target.resource_version
        manifest = {"apiVersion": API_VERSION, "kind": "VLMDeployment", "metadata": metadata, "status": status}
        self._client.apply(path, manifest)

    def _rejection(self, child: Manifest, situation: Situation) -> Rejection | None:
        """Apply a child; what stood in the way, None where nothing did."""
        target = situation.target
        manifest = {**child, "metadata": {**child["metadata"], "namespace": target.namespace}}
        if not _is_shared(child):  # what several own names them all
            manifest["metadata"]["ownerReferences"] = [owner_reference(target.name, target.uid)]
        return self._tried(manifest, situation, lambda: self._apply_child(manifest, situation))

    def _tried(self, manifest: Manifest, situation: Situation, write: Callable[[], None]) -> Rejection | None:
        """Write an object unless it was refused and is not to be tried again yet; what stood in the way."""
        target, kind, name = situation.target, manifest["kind"], manifest["metadata"]["name"]
        place = (target.uid, kind)
        if (known := self._still_refused(place, manifest, situation)) is not None:
            return known
        try:
            write()
        except _NotOurs as error:
            return Rejection(kind, name, error.message, target.generation)
        except Rejected as error:
            before, digest = self._refused.get(place), _digest(manifest)
            wait = min(2 * before.wait, LONGEST_WAIT) if before and before.digest == digest else FIRST_WAIT
            self._refused[place] = _Refused(digest, wait, situation.now + wait)
            return Rejection(kind, name, truncated(error.message, LONGEST_WORDS), target.generation, digest=digest)
        except RetryLater as error:
            self._failures[place] = self._failures.get(place, 0) + 1
            if self._failures[place] < TRIES_BEFORE_SAID:
                raise
            words = truncated(error.message, LONGEST_WORDS)
            return Rejection(kind, name, words, target.generation, transient=True)
        self._failures.pop(place, None)
        self._refused.pop(place, None)
        return None

    def _still_refused(self, place: tuple[str, str], manifest: Manifest, situation: Situation) -> Rejection | None:
        """The refusal of this very manifest while it is not yet to be tried again; also one of before a restart."""
        rejection = situation.rejection
        if rejection is None or rejection.transient or rejection.kind != place[1]:
            return None
        digest = _digest(manifest)
        if rejection.digest != digest:
            return None
        refused = self._refused.get(place)
        if refused is None or refused.digest != digest:
            refused = _Refused(digest, LONGEST_WAIT, situation.now + LONGEST_WAIT)
            self._refused[place] = refused
        return rejection if situation.now < refused.until else None

    def _apply_child(self, manifest: Manifest, situation: Situation) -> None:
        target = situation.target
        name, kind, api_version = manifest["metadata"]["name"], manifest["kind"], manifest["apiVersion"]
        path = path_of(api_version, kind, target.namespace, name)
        live = _live(situation.children, kind, name)
        answer = self._created(path, manifest) if live is None else None
        if answer is None:
            live = live or self._unseen(path, manifest, target)
            if live is not None and (is_applied(manifest, live) or self._is_settled(manifest, live)):
                return
            answer = self._client.apply(path, manifest)
        if (event := applied_event(manifest, live, target)) is not None:
            self._tell(event, situation, identity=f"{answer['metadata']['uid']}/{_revision(answer)}")
        # A field the server writes in a way of its own would be applied again and again: once is enough.
        self._settled[answer["metadata"]["uid"]] = (_digest(manifest), _revision(answer))
        LOGGER.info("applied %s %s", kind, name, extra={"vlmdeployment": f"{target.namespace}/{target.name}"})

    def _created(self, path: str, manifest: Manifest) -> Manifest | None:
        """The child, newly made; None where its name is taken, be it by one that no watch has brought yet."""
        try:
            return self._client.apply_new(path, manifest)
        except Outdated:
            return None

    def _unseen(self, path: str, manifest: Manifest, target: Target) -> Manifest | None:
        """The object that has a child's name; None where it is gone again.

        Raises:
            _NotOurs: it is somebody else's.
        """
        found = self._client.find(path)
        is_ours = found is None or is_controlled_by(found, target.uid) or _is_of_group(found, manifest)
        if not is_ours:
            kind, name = manifest["kind"], manifest["metadata"]["name"]
            raise _NotOurs(
                f"{kind} {name} exists and is somebody else's: rename the VLMDeployment, or delete that {kind}"
            )
        return found

    def _is_settled(self, manifest: Manifest, live: Manifest) -> bool:
        return self._settled.get(live["metadata"]["uid"]) == (_digest(manifest), _revision(live))

    def _delete(self, reference: ChildReference, situation: Situation) -> None:
        uid = reference.uid
        if uid is None and (live := _live(situation.children, reference.kind, reference.name)) is not None:
            uid = live["metadata"]["uid"]
        if uid is not None:
            path = path_of(reference.api_version, reference.kind, situation.target.namespace, reference.name)
            self._client.delete(path, uid=uid, grace_seconds=reference.grace_seconds)

    def _start(self, config_map: Manifest, job: Manifest, situation: Situation) -> Rejection | None:
        """Create a dry run's Job and, owned by it, the ConfigMap that its pod waits for; what stood in the way."""
        target, name = situation.target, job["metadata"]["name"]
        live = [each for each in situation.dry_run_jobs if each["metadata"]["name"] == name]
        owner = owner_reference(target.name, target.uid)
        made = {**job, "metadata": {**job["metadata"], "namespace": target.namespace, "ownerReferences": [owner]}}

        def create_job() -> None:
            live.append(self._client.create(path_of("batch/v1", "Job", target.namespace), made))
            LOGGER.info("created Job %s", name, extra={"vlmdeployment": f"{target.namespace}/{target.name}"})

        if not live and (rejection := self._tried(made, situation, create_job)) is not None:
            return rejection
        uid = live[0]["metadata"]["uid"]
        if uid in self._configured:
            return None
        by_job = {"apiVersion": "batch/v1", "kind": "Job", "name": name, "uid": uid, "controller": True}
        owned = {**config_map["metadata"], "namespace": target.namespace, "ownerReferences": [by_job]}

        def create_config_map() -> None:
            with contextlib.suppress(Outdated):  # it exists
                self._client.create(path_of("v1", "ConfigMap", target.namespace), {**config_map, "metadata": owned})

        rejection = self._tried({**config_map, "metadata": owned}, situation, create_config_map)
        if rejection is None:
            if len(self._configured) >= MOST_CONFIGURED:
                self._configured.clear()
            self._configured.add(uid)
        return rejection

    def _store_facts(self, facts: Iterable[Manifest], situation: Situation) -> None:
        known = {item["metadata"]["name"]: item for item in situation.engine_facts}
        for item in facts:
            name = item["metadata"]["name"]
            if name not in known or not is_applied(item, known[name]):
                self._client.apply(path_of(API_VERSION, "EngineFacts", None, name), item)
                for other in superfluous_facts(self._client.list(path_of(API_VERSION, "EngineFacts", None))):
                    self._client.delete(path_of(API_VERSION, "EngineFacts", None, other))

    def _observe(self, observations: Iterable[Manifest], situation: Situation) -> None:
        known = situation.observations
        live = {item["metadata"]["name"]: item for item in known}
        grown = False
        for observation in observations:
            name = observation["metadata"]["name"]
            if name not in live or not is_applied(observation, live[name]):
                self._client.apply(path_of(API_VERSION, "StartupObservation", None, name), observation)
                if (event := observed_event(observation, known)) is not None:
                    self._tell(event, situation, identity=str(observation["spec"].get("lastRun")))
                grown = grown or name not in live
        if grown:
            for name in superfluous(self._client.list(path_of(API_VERSION, "StartupObservation", None))):
                self._client.delete(path_of(API_VERSION, "StartupObservation", None, name))

    def _tell(self, event: Event, situation: Situation, position: int = 0, *, identity: str = "") -> None:
        target = situation.target
        moment = situation.now + timedelta(microseconds=position)  # so that they sort in the order they were decided in
        # The same transition from the same status has the same name: told again after a kill, it is told once.
        about = identity or target.status.get("conditions")
        seed = json.dumps([target.uid, event.reason, event.message, about], sort_keys=True)
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
            "note": truncated(event.message, LONGEST_NOTE),
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


def _is_shared(manifest: Manifest) -> bool:
    return SHARE_LABEL in (manifest["metadata"].get("labels") or {}) and manifest["kind"] == SHARED_CLAIM


def _is_of_group(found: Manifest, manifest: Manifest) -> bool:
    """True where both are the claim of one group."""
    labels = found["metadata"].get("labels") or {}
    return _is_shared(manifest) and labels.get(SHARE_LABEL) == manifest["metadata"]["labels"][SHARE_LABEL]


def _live(children: Iterable[Manifest], kind: str, name: str) -> Manifest | None:
    return next((item for item in children if item["kind"] == kind and item["metadata"]["name"] == name), None)


def _plain(value: Any) -> Any:
    """As the API server stores it: tuples are lists, and what is None is not there."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _digest(manifest: Manifest) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()


def _revision(live: Manifest) -> str:
    """Changes whenever the specification of the object does."""
    metadata = live["metadata"]
    return str(metadata.get("generation") or metadata["resourceVersion"])
