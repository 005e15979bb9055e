"""A decision is carried out in an order that survives a kill, and nothing is written that is already so."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from api_server import FakeApiServer, serving

from vlm_operator.api.owner import owner_reference
from vlm_operator.controller.api_errors import Outdated, RetryLater
from vlm_operator.controller.apply import Applier
from vlm_operator.controller.client import NO_VERSION
from vlm_operator.lifecycle import observations
from vlm_operator.lifecycle.decision import ChildReference, Decision, Event, EventType
from vlm_operator.lifecycle.situation import Rejection, Situation, Target

TARGET = Target("default", "model", "uid-1", 2, "41", spec={}, status={"observedGeneration": 1})
NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SITUATION = Situation(TARGET, NOW)
CHILD = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "model"}, "spec": {"replicas": 1}}
OBSERVATION = {
    "apiVersion": "vlm-operator.dev/v1alpha1",
    "kind": "StartupObservation",
    "metadata": {"name": "seen"},
    "spec": {},
}
EVENT = Event(EventType.NORMAL, "Planned", "it fits", "Plan")
DEPLOYMENT = "/apis/apps/v1/namespaces/default/deployments/model"
OBSERVATIONS = "/apis/vlm-operator.dev/v1alpha1/startupobservations"
STATUS = "/apis/vlm-operator.dev/v1alpha1/namespaces/default/vlmdeployments/model/status"


def observation(name: str, used: str) -> dict[str, Any]:
    return {**OBSERVATION, "metadata": {"name": name}, "spec": {"lastUsedAt": used}}


def apply(server: FakeApiServer, decision: Decision, situation: Situation = SITUATION) -> Rejection | None:
    with serving(server) as client:
        return Applier(client, "pod-1").apply(situation, decision)


def live(**metadata: Any) -> dict[str, Any]:
    return {**CHILD, "metadata": {"name": "model", "namespace": "default", "uid": "u", "generation": 1, **metadata}}


def test_what_was_learnt_is_kept_before_what_follows_from_it() -> None:
    server = FakeApiServer()
    decision = Decision(
        children=(CHILD,), status={"observedGeneration": 2}, events=(EVENT,), observations=(OBSERVATION,)
    )
    apply(server, decision)
    assert [request.path.rsplit("/", 2)[-2] for request in server.writes] == [
        "startupobservations",
        "default",  # …/namespaces/default/events
        "model",  # …/vlmdeployments/model/status
        "deployments",
    ]


def test_of_too_many_observations_those_unused_longest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observations, "LIMIT", 3)
    known = {f"{OBSERVATIONS}/of-day-{day}": observation(f"of-day-{day}", f"2026-11-0{day}") for day in (3, 1, 2)}
    server = FakeApiServer(objects=known)
    apply(server, Decision(observations=(observation("new", "2026-11-25"),)))
    assert [request.path.rsplit("/", 1)[-1] for request in server.writes] == ["new", "of-day-1"]


def test_a_child_is_applied_by_the_server_with_its_owner() -> None:
    server = FakeApiServer()
    apply(server, Decision(children=(CHILD,)))
    (write,) = server.writes
    assert (write.method, write.path, write.content_type) == ("PATCH", DEPLOYMENT, "application/apply-patch+yaml")
    assert write.query == {"fieldManager": "vlm-operator", "force": "true"}
    assert write.body["metadata"]["ownerReferences"] == [owner_reference(TARGET.name, TARGET.uid)]


def test_steady_state_writes_nothing() -> None:
    owned = live(ownerReferences=[owner_reference(TARGET.name, TARGET.uid)])
    situation = Situation(TARGET, NOW, children=(owned,))
    server = FakeApiServer(objects={DEPLOYMENT: owned})
    apply(server, Decision(children=(CHILD,), status={"observedGeneration": 1, "nothing": None}), situation)
    assert server.writes == []


def test_a_status_is_written_only_onto_what_was_read() -> None:
    server = FakeApiServer()
    apply(server, Decision(status={"observedGeneration": 2}))
    (write,) = server.writes
    assert write.path == STATUS
    assert write.body["metadata"] == {
        "name": "model",
        "namespace": "default",
        "uid": "uid-1",
        "resourceVersion": "41",
    }


def test_a_conflict_stops_before_any_child_is_touched() -> None:
    server = FakeApiServer(failures=[(409, {"reason": "Conflict"}, {})])
    with pytest.raises(Outdated):
        apply(server, Decision(children=(CHILD,), status={"observedGeneration": 2}))
    assert [request.path for request in server.writes] == [STATUS]


def test_a_refused_child_is_an_answer_and_no_error() -> None:
    server = FakeApiServer(objects={DEPLOYMENT: live(ownerReferences=[owner_reference(TARGET.name, TARGET.uid)])})
    situation = Situation(TARGET, NOW, children=(live(),))
    server.failures = [(422, {"reason": "Invalid", "message": "spec.replicas: Invalid value"}, {})]
    changed = {**CHILD, "spec": {"replicas": -1}}
    rejection = apply(server, Decision(children=(changed,)), situation)
    assert rejection is not None
    assert (rejection.kind, rejection.name, rejection.generation) == ("Deployment", "model", 2)
    assert "spec.replicas: Invalid value" in rejection.message


UNKNOWN_FIELD = "failed to create typed patch object: .spec.template.spec.toleration: field not declared in schema"


def refusing(times: int, code: int = 500, message: str = UNKNOWN_FIELD) -> FakeApiServer:
    class Refusing(FakeApiServer):
        def answer(self, request: Any) -> Any:
            if request.method == "PATCH" and len(self.writes) < times:
                self.failures = [(code, {"message": message}, {})]
            return super().answer(request)

    return Refusing()


def test_a_refused_manifest_is_not_sent_again_before_its_time_and_then_ever_more_rarely() -> None:
    server = refusing(99)
    with serving(server) as client:
        applier = Applier(client, "pod-1")
        rejection, sent = None, []
        for seconds in range(0, 1300, 5):
            now = NOW + timedelta(seconds=seconds)
            rejection = applier.apply(Situation(TARGET, now, rejection=rejection), Decision(children=(CHILD,)))
            assert rejection is not None
            sent.append(len(server.writes))
    assert (sent[12], sent[-1]) == (3, 8)  # after one minute, and after 22


def test_what_was_refused_before_a_restart_costs_no_request_for_ten_minutes() -> None:
    server = refusing(99)
    rejection = apply(server, Decision(children=(CHILD,)))
    assert rejection is not None
    target = replace(TARGET, status={"observedGeneration": 2, "refusal": rejection.to_status()})
    restored = Rejection.of_status(target)
    assert restored == rejection
    server.requests.clear()
    with serving(server) as client:
        applier = Applier(client, "pod-2")
        for seconds in (0, 300, 599):
            now = NOW + timedelta(seconds=seconds)
            assert applier.apply(Situation(target, now, rejection=restored), Decision(children=(CHILD,))) == restored
        assert server.requests == []
        applier.apply(Situation(target, NOW + timedelta(seconds=600), rejection=restored), Decision(children=(CHILD,)))
    assert len(server.writes) == 1


def test_another_manifest_is_sent_at_once() -> None:
    server = refusing(1)
    rejection = apply(server, Decision(children=(CHILD,)))
    changed = {**CHILD, "spec": {"replicas": 2}}
    assert apply(server, Decision(children=(changed,)), Situation(TARGET, NOW, rejection=rejection)) is None


def test_a_child_that_cannot_be_applied_is_reported_after_three_tries_whatever_the_code() -> None:
    server = refusing(99, 503, "etcd is away")
    with serving(server) as client:
        applier = Applier(client, "pod-1")
        for _ in range(2):
            with pytest.raises(RetryLater):
                applier.apply(SITUATION, Decision(children=(CHILD,)))
        rejection = applier.apply(SITUATION, Decision(children=(CHILD,)))
    assert rejection is not None
    assert (rejection.transient, "etcd is away" in rejection.message) == (True, True)


def test_what_belongs_to_somebody_else_is_left_alone() -> None:
    server = FakeApiServer(objects={DEPLOYMENT: live(ownerReferences=[])})
    rejection = apply(server, Decision(children=(CHILD,)))
    assert rejection is not None
    assert "somebody else's" in rejection.message
    assert server.objects == {DEPLOYMENT: live(ownerReferences=[])}
    assert [request.body["metadata"]["resourceVersion"] for request in server.writes] == [NO_VERSION]


def test_a_new_child_takes_one_request() -> None:
    server = FakeApiServer()
    apply(server, Decision(children=(CHILD,)))
    assert [(request.method, request.path) for request in server.requests] == [("PATCH", DEPLOYMENT)]


def test_a_child_that_no_watch_has_brought_yet_is_brought_up_to_date() -> None:
    ours = live(ownerReferences=[owner_reference("model", "uid-1")]) | {"spec": {"replicas": 7}}
    server = FakeApiServer(objects={DEPLOYMENT: ours})
    apply(server, Decision(children=(CHILD,)))
    assert [request.method for request in server.requests] == ["PATCH", "GET", "PATCH"]
    assert "resourceVersion" not in server.requests[-1].body["metadata"]
    assert server.objects[DEPLOYMENT]["spec"] == {"replicas": 1}


def test_the_same_event_after_a_kill_has_the_same_name() -> None:
    """The second create answers 409, and nobody is told twice."""
    first, second = FakeApiServer(), FakeApiServer(failures=[(409, {"reason": "AlreadyExists"}, {})])
    apply(first, Decision(events=(EVENT,)))
    apply(second, Decision(events=(EVENT,)))
    assert first.writes[0].body["metadata"]["name"] == second.writes[0].body["metadata"]["name"]


def test_the_same_words_about_a_later_status_are_another_event() -> None:
    later = Target("default", "model", "uid-1", 2, "42", spec={}, status={"conditions": [{"type": "Ready"}]})
    names = set()
    for target in (TARGET, later):
        server = FakeApiServer()
        apply(server, Decision(events=(EVENT,)), Situation(target, NOW))
        names.add(server.writes[0].body["metadata"]["name"])
    assert len(names) == 2


def test_an_event_that_cannot_be_told_stops_nothing() -> None:
    server = FakeApiServer(failures=[(403, {"message": "namespace is being terminated"}, {})])
    apply(server, Decision(events=(EVENT,), status={"observedGeneration": 2}))
    assert [request.path for request in server.writes][-1] == STATUS


def test_events_of_one_decision_sort_in_its_order() -> None:
    server = FakeApiServer()
    apply(server, Decision(events=(EVENT, Event(EventType.NORMAL, "Ready", "serves", "Verify"))))
    times = [write.body["eventTime"] for write in server.writes]
    assert times == sorted(set(times))


def test_a_pod_is_ended_by_its_uid_with_the_grace_that_was_decided() -> None:
    path = "/api/v1/namespaces/default/pods/model-1"
    server = FakeApiServer(objects={path: live()})
    apply(server, Decision(delete=(ChildReference("v1", "Pod", "model-1", uid="pod-uid", grace_seconds=1),)))
    (write,) = server.writes
    assert (write.method, write.path) == ("DELETE", path)
    assert write.body == {
        "propagationPolicy": "Background",
        "preconditions": {"uid": "pod-uid"},
        "gracePeriodSeconds": 1,
    }


DOOMED = Decision(children=(CHILD,), delete=(ChildReference("v1", "Pod", "model-1", uid="pod-uid", grace_seconds=1),))


def test_a_pod_is_ended_before_the_deployment_is_changed_so_that_no_controller_is_first() -> None:
    server = FakeApiServer()
    apply(server, DOOMED)
    assert [write.path for write in server.writes] == ["/api/v1/namespaces/default/pods/model-1", DEPLOYMENT]


def test_no_pod_is_ended_while_the_deployment_is_refused_and_would_bring_it_back() -> None:
    server = FakeApiServer()
    refused = Rejection("Deployment", "model", "no such field", 1, transient=True)
    apply(server, DOOMED, Situation(TARGET, NOW, rejection=refused))
    assert [write.path for write in server.writes] == [DEPLOYMENT]


def test_only_the_child_that_was_read_is_deleted() -> None:
    server = FakeApiServer(objects={DEPLOYMENT: live()})
    situation = Situation(TARGET, NOW, children=(live(),))
    apply(server, Decision(delete=(ChildReference("apps/v1", "Deployment", "model"),)), situation)
    (write,) = server.writes
    assert (write.method, write.body["preconditions"]) == ("DELETE", {"uid": "u"})
