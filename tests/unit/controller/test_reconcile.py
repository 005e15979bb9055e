"""One reconcile: gather, decide, apply; again with a log, again after a refusal, never in a circle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from api_server import FakeApiServer, serving

from vlm_operator.controller.api_errors import RetryLater
from vlm_operator.controller.apply import Applier
from vlm_operator.controller.metrics import Metrics
from vlm_operator.controller.models import Models
from vlm_operator.controller.queue import Key
from vlm_operator.controller.reconcile import Reconciler, Result
from vlm_operator.controller.watches import World
from vlm_operator.errors import ModelNotFound, SourceUnavailable
from vlm_operator.lifecycle.decision import Decision, Event, EventType, LogRequest
from vlm_operator.lifecycle.situation import Situation, StartupKey
from vlm_operator.sources import load_model

KEY = Key("default", "model")
ROOT = "/apis/vlm-operator.dev/v1alpha1/namespaces/default/vlmdeployments/model"
POD = "/api/v1/namespaces/default/pods/model-1"
LOG = f"{POD}/log"
REQUEST = LogRequest(StartupKey("pod", "vllm", 0), "model-1", previous=True)
CHILD = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "model"}, "spec": {"ports": [{"port": 1}]}}
RAW: dict[str, Any] = {
    "kind": "VLMDeployment",
    "metadata": {"name": "model", "namespace": "default", "uid": "u", "resourceVersion": "1", "generation": 1},
    "spec": {"model": {"id": "example/model"}},
}


@dataclass
class Decider:
    """Answers by a function, and remembers what it was asked."""

    answer: Callable[[Situation], Decision]
    asked: list[Situation] = field(default_factory=list)

    def __call__(self, situation: Situation) -> Decision:
        self.asked.append(situation)
        return self.answer(situation)


RAW_POD: dict[str, Any] = {
    "metadata": {"name": "model-1", "uid": "pod", "creationTimestamp": "2026-11-25T11:00:00Z"},
    "spec": {"containers": [{"name": "vllm"}]},
    "status": {
        "containerStatuses": [
            {"name": name, "restartCount": 1, "state": {"running": {}}}
            for name in ("vllm", "container-0", "container-1", "container-2")
        ]
    },
}


def no_model(name: str, *, revision: str | None = None, hf_overrides: Mapping[str, Any] | None = None) -> Any:
    raise ModelNotFound(name)


def world(*objects: dict[str, Any]) -> World:
    made = World(lambda keys, delay: None)
    for item in objects:
        made.cache.put(item)
    return made


def reconciler(client: Any, decide: Decider, *objects: dict[str, Any]) -> Reconciler:
    return Reconciler(
        client,
        world(*objects),
        Models(no_model),
        Applier(client, "pod-1"),
        Metrics(),
        decide=decide,
        now=lambda: datetime(2026, 11, 25, tzinfo=UTC),
    )


def reconcile(server: FakeApiServer, decide: Decider, times: int = 1) -> list[Result]:
    with serving(server) as client:
        one = reconciler(client, decide, *([RAW] if ROOT in server.objects else []))
        return [one.reconcile(KEY) for _ in range(times)]


def test_what_is_gone_is_left_alone() -> None:
    decide = Decider(lambda situation: Decision())
    assert reconcile(FakeApiServer(), decide) == [Result("gone")]
    assert decide.asked == []


def test_it_comes_back_when_the_decision_says() -> None:
    server = FakeApiServer(objects={ROOT: RAW})
    assert reconcile(server, Decider(lambda situation: Decision(requeue_after=7.5))) == [Result("ok", 7.5)]


def test_a_log_that_is_needed_is_read_before_it_is_decided() -> None:
    server = FakeApiServer(objects={ROOT: RAW, POD: RAW_POD}, texts={LOG: ["ValueError: too small"]})
    decide = Decider(lambda situation: Decision() if situation.logs else Decision(needs=(REQUEST,)))
    assert reconcile(server, decide) == [Result("ok")]
    assert [len(situation.logs) for situation in decide.asked] == [0, 1]
    assert decide.asked[1].logs[0].text == "ValueError: too small"


def test_a_log_that_is_there_is_not_read_again() -> None:
    further = LogRequest(StartupKey("pod", "container-0", 0), "model-1", previous=True)
    server = FakeApiServer(objects={ROOT: RAW, POD: RAW_POD}, texts={LOG: ["first", "second"]})
    needs = [(REQUEST,), (REQUEST, further), ()]
    decide = Decider(lambda situation: Decision(needs=needs[len(situation.logs)]))
    assert reconcile(server, decide) == [Result("ok")]
    assert [log.text for log in decide.asked[-1].logs] == ["first", "second"]
    assert sum(request.path == LOG for request in server.requests) == 2


def test_what_is_deleted_while_it_is_looked_at_is_looked_at_again_and_no_error() -> None:
    class Deleting(FakeApiServer):
        def answer(self, request: Any) -> Any:
            if request.method == "PATCH":
                return 404, {"reason": "NotFound", "message": "namespace default not found"}, {}
            return super().answer(request)

    server = Deleting(objects={ROOT: RAW})
    decide = Decider(lambda situation: Decision(status={"observedGeneration": 1}))
    assert reconcile(server, decide) == [Result("gone", failed=True)]


def test_a_decision_that_never_has_enough_is_a_defect_and_not_a_loop() -> None:
    server = FakeApiServer(objects={ROOT: RAW, POD: RAW_POD}, texts={LOG: ["x"] * 9})
    decide = Decider(
        lambda situation: Decision(
            needs=(LogRequest(StartupKey("pod", f"container-{len(situation.logs)}", 0), "model-1", previous=True),)
        )
    )
    with pytest.raises(AssertionError, match="no decision after 3 rounds"):
        reconcile(server, decide)


def test_a_conflict_is_looked_at_again_soon() -> None:
    class Contested(FakeApiServer):
        def answer(self, request: Any) -> Any:
            if request.method == "PATCH":
                self.failures = [(409, {"reason": "Conflict"}, {})]
            return super().answer(request)

    server = Contested(objects={ROOT: RAW})
    decide = Decider(lambda situation: Decision(status={"observedGeneration": 1}))
    assert reconcile(server, decide) == [Result("outdated", failed=True)]


def test_after_a_conflict_the_newer_version_is_known_before_the_watch_brings_it() -> None:
    class Contested(FakeApiServer):
        def answer(self, request: Any) -> Any:
            if request.method == "PATCH" and request.body["metadata"]["resourceVersion"] == "1":
                self.failures = [(409, {"reason": "Conflict"}, {})]
                self.objects[ROOT] = {**RAW, "metadata": {**RAW["metadata"], "resourceVersion": "2", "generation": 2}}
            return super().answer(request)

    decide = Decider(lambda situation: Decision(status={"observedGeneration": situation.target.generation}))
    results = reconcile(Contested(objects={ROOT: RAW}), decide, times=2)
    assert [result.name for result in results] == ["outdated", "ok"]
    assert [situation.target.generation for situation in decide.asked] == [1, 2]


def test_in_steady_state_the_api_server_is_asked_nothing() -> None:
    server = FakeApiServer(objects={ROOT: RAW})
    reconcile(server, Decider(lambda situation: Decision()), times=3)
    assert server.requests == []


def test_an_api_server_that_is_overrun_is_the_queues_concern() -> None:
    server = FakeApiServer(objects={ROOT: RAW}, failures=[(429, {"details": {"retryAfterSeconds": 2}}, {})])
    with pytest.raises(RetryLater) as later:
        reconcile(server, Decider(lambda situation: Decision(status={"observedGeneration": 1})))
    assert later.value.retry_after == 2


def test_a_refused_child_is_decided_about_and_then_tried_ever_more_rarely() -> None:
    class Refusing(FakeApiServer):
        def answer(self, request: Any) -> Any:
            if request.method == "PATCH" and "services" in request.path:
                self.failures = [(422, {"reason": "Invalid", "message": "port: out of range"}, {})]
            return super().answer(request)

    server = Refusing(objects={ROOT: RAW})
    decide = Decider(lambda situation: Decision(children=(CHILD,)))
    results = reconcile(server, decide, times=3)
    assert results == [Result("rejected", 0.0), Result("rejected", failed=True), Result("rejected", failed=True)]
    said = [situation.rejection.message if situation.rejection else None for situation in decide.asked]
    assert said[0] is None
    assert "port: out of range" in str(said[1])


def test_once_the_child_is_accepted_it_is_decided_anew() -> None:
    path = "/api/v1/namespaces/default/services/model"
    server = FakeApiServer(objects={ROOT: RAW})
    decide = Decider(lambda situation: Decision(children=(CHILD,)))
    with serving(server) as client:
        one = reconciler(client, decide, RAW)
        server.objects[path] = {**CHILD, "metadata": {"name": "model", "uid": "s", "ownerReferences": []}}
        assert one.reconcile(KEY).name == "rejected"
        del server.objects[path]
        assert one.reconcile(KEY) == Result("ok", 0.0)
        assert one.reconcile(KEY) == Result("ok")
    assert [bool(situation.rejection) for situation in decide.asked] == [False, True, False]


def test_a_retune_is_counted_under_the_failure_it_answers() -> None:
    status = {"attempts": [{"outcome": "Failed", "reason": "KVCacheTooSmall"}, {"outcome": "Starting"}]}
    event = Event(EventType.NORMAL, "Retuned", "less context", "Retune")
    server = FakeApiServer(objects={ROOT: RAW})
    with serving(server) as client:
        metrics = Metrics()
        decide = Decider(lambda situation: Decision(status=status, events=(event,)))
        one = Reconciler(client, world(RAW), Models(no_model), Applier(client, "p"), metrics, decide=decide)
        one.reconcile(KEY)
    assert 'vlm_operator_retunes_total{reason="KVCacheTooSmall"} 1.0' in metrics.text().decode()


@dataclass
class Source:
    """A model source that counts how often it is asked."""

    error: Exception
    asked: int = 0

    def __call__(self, name: str, *, revision: str | None = None, hf_overrides: Mapping[str, Any] | None = None) -> Any:
        self.asked += 1
        raise self.error


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        pytest.param(SourceUnavailable("the Hub is away"), 20, id="an outage is asked about again soon"),
        pytest.param(ModelNotFound("no such model"), 300, id="a refusal holds for minutes"),
    ],
)
def test_a_model_source_is_not_asked_all_the_time(error: Exception, seconds: float) -> None:
    clock = [0.0]
    source = Source(error)
    models = Models(source, clock=lambda: clock[0])
    spec = {"model": {"id": "example/model"}}
    for moment, times in ((0.0, 1), (seconds - 1, 1), (seconds + 1, 2)):
        clock[0] = moment
        assert models.ask(spec).error is error
        assert source.asked == times


def test_facts_derived_from_a_name_are_used_only_once_the_config_has_been_out_of_reach_for_a_while() -> None:
    clock = [0.0]
    facts = load_model("RedHatAI/Qwen2.5-VL-7B-Instruct-FP8-dynamic", offline=True)
    models = Models(lambda name, *, revision=None, hf_overrides=None: facts, clock=lambda: clock[0])
    spec = {"model": {"id": facts.model}}
    assert facts.derived is not None
    for moment, usable in ((0.0, False), (60.0, False), (121.0, True)):
        clock[0] = moment
        answer = models.ask(spec)
        assert (answer.facts is facts, answer.error is None) == (usable, usable)


def test_a_model_in_a_volume_is_unknown_and_never_read_from_the_operators_own_disk() -> None:
    source = Source(ModelNotFound("never asked"))
    answer = Models(source).ask({"model": {"path": "/etc"}})
    assert answer.facts is None
    assert "model.path: /etc" in str(answer.error)
    assert source.asked == 0
