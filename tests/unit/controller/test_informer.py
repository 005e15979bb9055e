"""A cache holds what the API server holds, whatever happens to the watch in between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from live_api_server import LiveApiServer, serving_live, until

from vlm_operator.controller import informer
from vlm_operator.controller.gpu_use import GpuUse
from vlm_operator.controller.informer import Informer, Sink, Watched
from vlm_operator.controller.queue import Key
from vlm_operator.controller.watches import Watches, World, watched_kinds

ROOT = "/apis/vlm-operator.dev/v1alpha1/namespaces/default/vlmdeployments"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
PODS = "/api/v1/namespaces/default/pods"
LABELS = {"vlm-operator.dev/vlmdeployment": "model"}
KEY = Key("default", "model")


def root(name: str = "model") -> dict[str, Any]:
    return {"kind": "VLMDeployment", "metadata": {"name": name, "namespace": "default"}, "spec": {}}


def labelled(kind: str, name: str = "model") -> dict[str, Any]:
    return {"kind": kind, "metadata": {"name": name, "namespace": "default", "labels": LABELS}, "spec": {}}


@contextmanager
def watching(
    server: LiveApiServer, told: list[Key] | None = None, namespaces: tuple[str, ...] = ()
) -> Iterator[tuple[World, Watches]]:
    """A world that the watches keep equal to the server; synced."""
    told = told if told is not None else []
    world = World(lambda keys, delay: told.extend(keys))
    synced: list[bool] = []
    with serving_live(server) as client:
        watches = Watches(client, world, namespaces, lambda: synced.append(True))
        watches.start()
        until(lambda: synced)
        yield world, watches
        watches.stop()


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(informer, "FIRST_DELAY_SECONDS", 0.01)
    monkeypatch.setattr(informer, "LONGEST_DELAY_SECONDS", 0.05)
    monkeypatch.setattr(informer, "SHORTEST_WATCH_SECONDS", 0.02)


def test_what_is_there_at_the_start_and_what_comes_later_is_known_and_told() -> None:
    server, told = LiveApiServer(), []
    server.put(f"{ROOT}/model", root())
    with watching(server, told) as (world, _):
        assert world.cache.keys() == [KEY]
        assert told == [KEY]
        server.put(f"{DEPLOYMENTS}/model", labelled("Deployment"))
        until(lambda: world.cache.belonging(KEY, ["Deployment"]))
        until(lambda: len(told) == 2)
        server.remove(f"{ROOT}/model")
        until(lambda: not world.cache.keys())
        until(lambda: len(told) == 3)


@pytest.mark.parametrize("compacted", [False, True], ids=["goes on where it was", "410: lists anew"])
def test_what_went_while_the_watch_was_broken_is_gone(compacted: bool) -> None:
    server, told = LiveApiServer(), []
    for name in ("model", "other"):
        server.put(f"{ROOT}/{name}", root(name))
    server.put(f"{DEPLOYMENTS}/model", labelled("Deployment"))
    with watching(server, told) as (world, _):
        server.refused["/"] = (503, "ServiceUnavailable")
        server.break_watches()
        server.remove(f"{DEPLOYMENTS}/model")
        server.remove(f"{ROOT}/other")
        server.put(f"{ROOT}/new", root("new"))
        server.break_watches(compacted=compacted)
        told.clear()
        server.refused.clear()
        until(lambda: set(world.cache.keys()) == {KEY, Key("default", "new")})
        until(lambda: not world.cache.belonging(KEY, ["Deployment"]))
        until(lambda: {KEY, Key("default", "new"), Key("default", "other")} <= set(told))


def test_the_last_object_of_a_kind_that_went_meanwhile_is_gone_too() -> None:
    """An empty listing says so as well."""
    server, told = LiveApiServer(), []
    server.put(f"{ROOT}/model", root())
    with watching(server, told) as (world, _):
        server.break_watches()
        server.remove(f"{ROOT}/model")
        server.break_watches(compacted=True)
        until(lambda: not world.cache.keys())


def test_a_kind_that_was_removed_and_came_back_is_watched_again() -> None:
    server, told = LiveApiServer(), []
    server.put(f"{ROOT}/model", root())
    collection = "/apis/vlm-operator.dev/v1alpha1/vlmdeployments"
    with watching(server, told) as (world, _):
        server.refused[collection] = (404, "NotFound")
        server.break_watches(compacted=True)
        until(lambda: not world.cache.keys())
        server.refused.clear()
        until(lambda: world.cache.keys() == [KEY])


def test_answers_that_are_no_json_and_watches_that_end_at_once_are_survived() -> None:
    server = LiveApiServer()
    with watching(server) as (world, _):
        server.garbage = 12
        for _ in range(5):
            server.break_watches(compacted=True)
        server.put(f"{ROOT}/model", root())
        until(lambda: world.cache.keys() == [KEY])


def test_the_same_object_seen_again_is_no_news() -> None:
    server, told = LiveApiServer(), []
    server.put(f"{ROOT}/model", root())
    with watching(server, told) as (world, _):
        told.clear()
        server.break_watches(compacted=True)
        server.put(f"{ROOT}/new", root("new"))
        until(lambda: len(world.cache.keys()) == 2)
        assert told == [Key("default", "new")]


def test_pods_of_other_namespaces_are_optional() -> None:
    server = LiveApiServer()
    server.refused["/api/v1/pods"] = (403, "Forbidden")
    with watching(server, namespaces=("default",)) as (world, watches):
        assert watches.waiting_for() is None
        assert world.gpu_use.by_node(but=KEY) == {}


def test_without_the_right_to_all_pods_those_of_the_watched_namespaces_count() -> None:
    server = LiveApiServer()
    server.refused["/api/v1/pods"] = (403, "Forbidden")
    spec = {"nodeName": "n1", "containers": [{"resources": {"limits": {"nvidia.com/gpu": "2"}}}]}
    for namespace in ("a", "b"):
        metadata = {"name": "train", "namespace": namespace, "uid": f"uid-{namespace}", "resourceVersion": "1"}
        server.put(f"/api/v1/namespaces/{namespace}/pods/train", {"metadata": metadata, "spec": spec, "status": {}})
    with watching(server, namespaces=("a", "b")) as (world, _):
        assert world.gpu_use.by_node(but=KEY) == {"n1": {"nvidia.com/gpu": 4}}


@pytest.mark.parametrize(
    "path",
    ["/api/v1/nodes", "/apis/vlm-operator.dev/v1alpha1/namespaces/default/vlmdeployments"],
)
def test_without_a_listing_it_is_not_ready_and_says_why(path: str) -> None:
    server = LiveApiServer()
    server.refused[path] = (403, "Forbidden")
    world = World(lambda keys, delay: None)
    synced: list[bool] = []
    with serving_live(server) as client:
        watches = Watches(client, world, ("default",), lambda: synced.append(True))
        watches.start()
        until(lambda: "Forbidden" in str(watches.waiting_for()))
        assert not synced
        server.refused.clear()
        until(lambda: synced)
        assert watches.waiting_for() is None
        watches.stop()


def test_named_namespaces_are_watched_one_by_one_and_nothing_namespaced_cluster_wide() -> None:
    paths = {
        (watched.path, watched.required) for watched, _ in watched_kinds(World(lambda keys, delay: None), ["a", "b"])
    }
    required = {path for path, needed in paths if needed}
    assert {path for path in required if "/namespaces/" not in path} == {
        "/api/v1/nodes",
        "/apis/vlm-operator.dev/v1alpha1/startupobservations",
        "/apis/vlm-operator.dev/v1alpha1/enginefacts",
    }
    assert {path.split("/namespaces/")[1].split("/")[0] for path in required if "/namespaces/" in path} == {"a", "b"}
    optional = {
        f"/apis/{group}/namespaces/{name}/{plural}"
        for name in ("a", "b")
        for group, plural in (
            ("leaderworkerset.x-k8s.io/v1", "leaderworkersets"),
            ("resource.k8s.io/v1", "resourceclaimtemplates"),
            ("resource.k8s.io/v1", "resourceclaims"),
        )
    }
    dra = {f"/apis/resource.k8s.io/v1/{plural}" for plural in ("resourceslices", "resourceclaims", "deviceclasses")}
    plurals = ("persistentvolumeclaims", "configmaps")
    core = {f"/api/v1/namespaces/{name}/{plural}" for name in ("a", "b") for plural in plurals}
    pods = {"/api/v1/pods", "/api/v1/namespaces/a/pods", "/api/v1/namespaces/b/pods"}
    assert {path for path, needed in paths if not needed} == {
        *pods,
        *core,
        *optional,
        *dra,
        "/apis/vlm-operator.dev/v1alpha1/gpufitreports",
        "/apis/vlm-operator.dev/v1alpha1/gpunodes",
    }


SETS = "/apis/leaderworkerset.x-k8s.io/v1/leaderworkersets"


def test_a_kind_that_a_cluster_may_lack_is_waited_for_without_holding_anything_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(informer, "ABSENT_DELAY_SECONDS", 0.02)
    caplog.set_level("INFO", logger="vlm_operator.controller.informer")
    server, told = LiveApiServer(), []
    server.put(f"{ROOT}/model", root())
    server.refused[SETS] = (404, "NotFound")
    with watching(server, told) as (world, _):
        assert "404" in world.missing_kinds()["LeaderWorkerSet"]
        until(lambda: [path for method, path, _ in server.requests if method == "GET"].count(SETS) > 3)
        assert len([line for line in caplog.messages if "leaderworkersets" in line]) == 1  # not said again and again
        looked = len(told)
        server.refused.clear()
        until(lambda: not world.missing_kinds())
        until(lambda: len(told) > looked)
        server.put(f"{SETS.rpartition('/')[0]}/namespaces/default/leaderworkersets/model", labelled("LeaderWorkerSet"))
        until(lambda: world.cache.belonging(KEY, ["LeaderWorkerSet"]))


def test_a_defect_in_a_sink_is_logged_and_the_kind_listed_anew(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(GpuUse):
        failures = 2

        def put(self, item: Any) -> None:
            if self.failures:
                self.failures -= 1
                raise KeyError("a defect")
            super().put(item)

    server, sink = LiveApiServer(), Failing()
    server.put(
        f"{PODS}/one",
        {
            "metadata": {"name": "one", "namespace": "default"},
            "spec": {"nodeName": "n", "containers": [{"resources": {"limits": {"nvidia.com/gpu": "1"}}}]},
        },
    )
    with serving_live(server) as client:
        kept: Sink = sink
        one = Informer(client, Watched("v1", "Pod"), kept, lambda: None)
        one.start()
        until(lambda: sink.by_node(but=KEY) == {"n": {"nvidia.com/gpu": 1}})
        one.stop()
    assert "a defect of the operator" in caplog.text
