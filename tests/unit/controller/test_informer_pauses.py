"""How an informer waits, lists anew and goes on: each step of one run, without threads or time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from vlm_operator.controller import informer
from vlm_operator.controller.api_errors import ApiError, NotFound, Outdated, Rejected, RetryLater
from vlm_operator.controller.informer import Informer, Watched

PODS = Watched("v1", "Pod", "ns", labels="a=b")


class Sink:
    """Records what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[Any, ...]] = []

    def put(self, item: dict[str, Any]) -> None:
        self.told.append(("put", item["metadata"]["uid"], item["kind"]))

    def drop(self, item: dict[str, Any]) -> None:
        self.told.append(("drop", item["metadata"]["uid"], item["apiVersion"]))

    def retain(self, namespace: str | None, uids: set[str], version: int) -> None:
        self.told.append(("retain", namespace, sorted(uids), version))


def listed(version: int, *uids: str, more: str = "") -> dict[str, Any]:
    metadata = {"resourceVersion": str(version), **({"continue": more} if more else {})}
    return {"metadata": metadata, "items": [{"metadata": {"uid": uid}} for uid in uids]}


def event(sort: str, uid: str, version: int) -> dict[str, Any]:
    return {"type": sort, "object": {"metadata": {"uid": uid, "resourceVersion": str(version)}}}


class Server:
    """Answers listings and watches in turn; ends the informer when it has no further answer."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.stop: Callable[[], None] = lambda: None

    def _next(self, kind: str, query: Any) -> Any:
        self.asked.append((kind, dict(query)))
        if not self.answers:
            self.stop()
            return listed(1) if kind == "list" else []
        answer = self.answers.pop(0)
        if len(self.answers) == 0:
            self.stop()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def get(self, path: str, query: Any) -> Any:
        assert path == PODS.path
        return self._next("list", query)

    def watch(self, path: str, query: Any) -> Iterator[Any]:
        for each in self._next("watch", query):
            if isinstance(each, Exception):
                raise each
            yield each


class Run:
    """One run of an informer over these answers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Any, watched: Watched = PODS) -> None:
        waits: list[float] = []

        class Event:
            """Waits in no time."""

            def __init__(self) -> None:
                self.value = False

            def is_set(self) -> bool:
                return self.value

            def set(self) -> None:
                self.value = True

            def wait(self, seconds: float) -> None:
                waits.append(round(seconds, 3))

        class Thread:
            """Runs its target where it is started."""

            def __init__(self, target: Callable[[], None], name: str, daemon: bool) -> None:
                assert daemon
                self.start = target

        monkeypatch.setattr(informer, "threading", SimpleNamespace(Event=Event, Thread=Thread))
        monkeypatch.setattr(informer.random, "uniform", lambda low, high: high if low == 0.5 else None)
        self.server, self.sink, self.synced, self.waits = Server(*answers), Sink(), 0, waits
        self.informer = Informer(self.server, watched, self.sink, self._count)  # type: ignore[arg-type]
        self.server.stop = self.informer.stop
        self.informer.start()

    def _count(self) -> None:
        self.synced += 1

    def versions(self) -> list[str | None]:
        """The version from which each watch went on."""
        return [query.get("resourceVersion") for kind, query in self.server.asked if kind == "watch"]

    def listings(self) -> int:
        return sum(kind == "list" for kind, _ in self.server.asked)


def test_a_listing_fills_the_cache_page_by_page_and_then_it_is_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    events = [event("MODIFIED", "a", 8), event("DELETED", "b", 9), event("BOOKMARK", "", 12)]
    run = Run(monkeypatch, listed(5, "a", more="rest"), listed(5, "b"), events, [event("ADDED", "c", 13)])
    assert run.sink.told == [
        ("put", "a", "Pod"),
        ("put", "b", "Pod"),
        ("retain", "ns", ["a", "b"], 5),
        ("put", "a", "Pod"),
        ("drop", "b", "v1"),
        ("put", "c", "Pod"),
    ]
    assert run.server.asked[:3] == [
        ("list", {"labelSelector": "a=b", "limit": "200"}),
        ("list", {"labelSelector": "a=b", "limit": "200", "continue": "rest"}),
        ("watch", {"labelSelector": "a=b", "resourceVersion": "5", "allowWatchBookmarks": "true",
                   "timeoutSeconds": "300"}),
    ]  # fmt: skip
    assert run.versions() == ["5", "12"]
    assert (run.synced, run.informer.problem) == (1, None)


def test_waits_after_errors_double_up_to_five_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, *[RetryLater("away")] * 7, listed(1))
    assert run.waits[:7] == [0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]


def test_an_event_makes_the_next_wait_short_again(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = RetryLater("broke")
    run = Run(
        monkeypatch, broken, broken, listed(5), [event("ADDED", "a", 6), broken], [event("ADDED", "b", 7), broken], []
    )
    assert run.waits[:4] == [0.2, 0.4, 0.2, 0.2]
    assert run.versions() == ["5", "6", "7"], "what has been seen is not listed again"


def test_a_watch_that_ends_at_once_without_a_word_is_not_asked_for_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, listed(5), [], [event("ADDED", "a", 6)], [])
    assert run.waits[0] == 0.5
    assert run.waits.count(0.5) == 2, "a watch with a word in it is asked for again at once"
    assert run.versions() == ["5", "5", "6"]


def test_a_long_silent_watch_goes_on_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 300.0, 300.0, 600.0, 600.0, 900.0])
    monkeypatch.setattr(informer, "time", SimpleNamespace(monotonic=lambda: next(now)))
    run = Run(monkeypatch, listed(5), [], [])
    assert run.waits == []


@pytest.mark.parametrize(
    ("ending", "again"),
    [
        pytest.param(Outdated("too old", code=410), True, id="410"),
        pytest.param({"type": "ERROR", "object": {"code": 410, "reason": "Expired"}}, True, id="410 in the watch"),
        pytest.param({"type": "ERROR", "object": {"code": 500, "reason": "Internal"}}, False, id="500 in the watch"),
        pytest.param({"type": "ERROR", "object": {}}, False, id="an error without a code"),
        pytest.param(Rejected("forbidden", code=403), True, id="forbidden"),
        pytest.param(RetryLater("broke"), False, id="broken"),
    ],
)
def test_what_is_listed_anew(monkeypatch: pytest.MonkeyPatch, ending: Any, again: bool) -> None:
    run = Run(monkeypatch, listed(5), [ending], listed(9) if again else [], [])
    assert run.listings() == (2 if again else 1)
    assert run.synced == 1
    assert bool(run.waits) is not (
        isinstance(ending, Outdated) or (again and isinstance(ending, dict))
    ) or run.waits == [0.5]


def test_a_listing_whose_continuation_is_gone_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, listed(5, "a", more="x"), Outdated("gone", code=410), listed(7, "a"), [])
    assert [told for told in run.sink.told if told[0] == "retain"] == [("retain", "ns", ["a"], 7)]


def test_of_a_kind_that_is_gone_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, listed(5, "a"), [NotFound("no such kind")], NotFound("no such kind"), listed(9), [])
    assert run.sink.told.count(("retain", "ns", [], 1 << 63)) == 2
    assert run.waits[:2] == [0.2, 0.4]


def test_a_kind_that_never_was_there_keeps_the_operator_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, NotFound("no such kind"), NotFound("no such kind"))
    assert run.sink.told == []
    assert (run.synced, run.informer.problem) == (0, "no such kind")


def test_a_listing_of_an_earlier_time_forgets_what_never_was(monkeypatch: pytest.MonkeyPatch) -> None:
    run = Run(monkeypatch, listed(500, "a"), [Outdated("restored", code=410)], listed(90, "b"), listed(91, "b"), [])
    retained = [told for told in run.sink.told if told[0] == "retain"]
    assert retained == [("retain", "ns", ["a"], 500), ("retain", "ns", [], 1 << 63), ("retain", "ns", ["b"], 91)]


@pytest.mark.parametrize(
    "answer", [{}, {"metadata": []}, {"metadata": {}}, {"metadata": {"resourceVersion": "x"}}], ids=str
)
def test_what_is_no_list_is_asked_for_again(monkeypatch: pytest.MonkeyPatch, answer: Any) -> None:
    run = Run(monkeypatch, answer, listed(5, "a"), [])
    assert run.sink.told == [("put", "a", "Pod"), ("retain", "ns", ["a"], 5)]
    assert run.waits[0] == 0.2


@pytest.mark.parametrize(("required", "synced"), [(True, 0), (False, 1)])
def test_a_refused_listing_holds_the_operator_up_only_if_it_is_required(
    monkeypatch: pytest.MonkeyPatch, required: bool, synced: int
) -> None:
    watched = Watched("v1", "Pod", "ns", labels="a=b", required=required)
    refused: ApiError = Rejected("pods is forbidden", code=403)
    run = Run(monkeypatch, *[refused] * 12, watched=watched)
    assert (run.synced, run.informer.problem) == (synced, "pods is forbidden" if required else None)
    longest = 5.0 if required else 300.0
    assert run.waits == [min(0.2 * 2**tries, longest) for tries in range(12)]


def test_a_defect_is_logged_and_the_kind_listed_anew(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        run = Run(monkeypatch, listed(5), [{"type": "ADDED", "object": {"metadata": {}}}], listed(6), [])
    assert run.listings() == 2
    assert "a defect of the operator" in caplog.text
    assert run.informer.problem is None


def test_only_errors_that_come_again_are_warnings(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        Run(monkeypatch, RetryLater("away"), RetryLater("away"), listed(5), [])
    assert [record.levelname for record in caplog.records if "again in" in record.message] == ["INFO", "WARNING"]


def test_selectors_are_asked_for_where_they_are_set() -> None:
    assert Watched("v1", "Pod").query == {}
    assert Watched("v1", "Pod", fields="spec.nodeName=n").query == {"fieldSelector": "spec.nodeName=n"}
