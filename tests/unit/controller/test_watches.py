"""What a watch misses is made up for."""

from __future__ import annotations

import kopf
import pytest
from api_server import FakeApiServer, serving

from vlm_operator.controller.queue import WorkQueue
from vlm_operator.controller.watches import World, register
from vlm_operator.lifecycle.situation import GpuNode


class Index(dict[str, list[GpuNode]]):
    """What kopf's index looks like to its readers."""


def world(*uids: str) -> World:
    made = World()
    index: kopf.Index[str, GpuNode] = Index({uid: [GpuNode(f"node-{uid}", {}, {}, ready=True)] for uid in uids})  # type: ignore[assignment]
    made.see(index)
    return made


@pytest.mark.parametrize(
    ("listed", "seen", "left", "news"),
    [
        pytest.param({"a", "b"}, {"a", "b"}, ["node-a", "node-b"], False, id="all are there"),
        pytest.param({"a"}, {"a", "b"}, ["node-a"], True, id="one has gone"),
        pytest.param({"a"}, {"a"}, ["node-a", "node-b"], False, id="one came after the listing had begun"),
        pytest.param(set(), {"a", "b"}, [], True, id="none is left"),
    ],
)
def test_nodes_that_a_listing_lacks_are_dropped(listed: set[str], seen: set[str], left: list[str], news: bool) -> None:
    nodes = world("a", "b")
    assert nodes.keep(listed, seen) is news
    assert [node.name for node in nodes.nodes()] == left


def test_a_node_stays_dropped_and_is_news_once() -> None:
    nodes = world("a", "b")
    assert nodes.keep({"a"}, nodes.uids())
    assert not nodes.keep({"a"}, nodes.uids())
    assert [node.name for node in nodes.nodes()] == ["node-a"]


@pytest.mark.parametrize("plural", ["vlmdeployments", "deployments", "services", "pods"])
def test_whatever_is_seen_first_the_nodes_are_known_by_then(plural: str) -> None:
    """At the start a pod may come before its VLMDeployment: to plan without nodes would be to refuse it."""
    queue, nodes = WorkQueue(), World()
    (handler,) = [
        handler
        for handler in register(queue, nodes)._watching.get_all_handlers()
        if handler.selector is not None and handler.selector.any_name == plural
    ]
    node = GpuNode("node-a", {}, {}, ready=True)
    labels = {"vlm-operator.dev/vlmdeployment": "model"}
    handler.fn(  # type: ignore[call-arg]
        namespace="default", name="model", labels=labels, event={"type": None}, gpu_nodes=Index({"a": [node]})
    )
    assert len(queue) == 1
    assert nodes.nodes() == [node]


def test_uids_are_read_page_by_page() -> None:
    class Paged(FakeApiServer):
        def answer(self, request: object) -> object:  # type: ignore[override]
            first = "continue" not in request.query  # type: ignore[attr-defined]
            items = [{"metadata": {"uid": "a" if first else "b"}}]
            return 200, {"metadata": {"continue": "more"} if first else {}, "items": items}, {}

    with serving(Paged()) as client:
        assert client.uids("/api/v1/nodes") == {"a", "b"}
