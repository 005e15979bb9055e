"""What goes over the connection to the API server: paths, headers, times, and what becomes of each answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import kubernetes.client
import kubernetes.config
import pytest
import urllib3

from vlm_operator.controller import client as module
from vlm_operator.controller.api_errors import NotFound, Rejected, RetryLater
from vlm_operator.controller.client import Client, path_of
from vlm_operator.errors import ClusterUnreachable


@dataclass
class Answer:
    """What the API server answers."""

    data: bytes = b"{}"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    chunks: tuple[bytes, ...] = ()
    breaks: Exception | None = None
    closed: bool = False

    def stream(self, size: int) -> Iterator[bytes]:
        assert size == 65536
        yield from self.chunks
        if self.breaks is not None:
            raise self.breaks

    def close(self) -> None:
        self.closed = True


class Connection:
    """Records what is sent and answers from a list; the last answer again and again."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers) or [Answer()]
        self.sent: list[tuple[str, str, dict[str, Any]]] = []
        self.tokens = 0

    def connection_from_url(self, url: str) -> Connection:
        assert url.startswith("https://api")
        return self

    def urlopen(self, method: str, url: str, **options: Any) -> Answer:
        self.sent.append((method, url, options))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def authorize(self, headers: dict[str, str], *_: object) -> None:
        self.tokens += 1
        headers["authorization"] = f"Bearer {self.tokens}"


def connected(*answers: Answer | Exception, host: str = "https://api") -> tuple[Client, Connection]:
    connection = Connection(*answers)
    api = SimpleNamespace(
        configuration=SimpleNamespace(host=host),
        default_headers={"User-Agent": "vlm-operator"},
        rest_client=SimpleNamespace(pool_manager=connection),
        update_params_for_auth=connection.authorize,
    )
    return Client(api), connection  # type: ignore[arg-type]


def body_of(connection: Connection) -> Any:
    return json.loads(connection.sent[-1][2]["body"])


@pytest.mark.parametrize(
    ("api_version", "kind", "namespace", "name", "expected"),
    [
        pytest.param("v1", "Node", None, None, "/api/v1/nodes", id="a core kind of the cluster"),
        pytest.param("v1", "Pod", "ns", "p", "/api/v1/namespaces/ns/pods/p", id="a core object"),
        pytest.param("apps/v1", "Deployment", None, None, "/apis/apps/v1/deployments", id="in all namespaces"),
    ],
)  # fmt: skip
def test_paths(api_version: str, kind: str, namespace: str | None, name: str | None, expected: str) -> None:
    assert path_of(api_version, kind, namespace, name) == expected


@pytest.mark.parametrize(
    ("host", "sent"),
    [
        pytest.param("https://api", "/api/v1/pods", id="a host"),
        pytest.param("https://api:6443/", "/api/v1/pods", id="a trailing slash"),
        pytest.param("https://api/k8s/clusters/c-1", "/k8s/clusters/c-1/api/v1/pods", id="a cluster below a path"),
    ],
)
def test_paths_are_below_that_of_the_api_server(host: str, sent: str) -> None:
    client, connection = connected(host=host)
    client.get("/api/v1/pods")
    assert connection.sent[0][1] == sent


def test_a_proxy_for_plain_http_is_sent_whole_addresses() -> None:
    api = kubernetes.client.ApiClient(kubernetes.client.Configuration(host="http://api:8080"))
    api.rest_client.pool_manager = urllib3.ProxyManager("http://proxy:3128")
    assert module._connections(api) == (api.rest_client.pool_manager, "http://api:8080")


def test_a_request_has_its_headers_and_so_many_seconds() -> None:
    client, connection = connected(Answer(b'{"kind":"Node"}'))
    assert client.get("/api/v1/nodes", {"labelSelector": "a=b", "limit": "2"}) == {"kind": "Node"}
    method, url, options = connection.sent[0]
    assert (method, url) == ("GET", "/api/v1/nodes?labelSelector=a%3Db&limit=2")
    assert options["headers"] == {
        "Accept": "application/json", "User-Agent": "vlm-operator", "authorization": "Bearer 1",
    }  # fmt: skip
    assert (options["body"], options["preload_content"]) == (None, True)
    assert options["timeout"].total == 30
    client.request_seconds = 4
    client.get("/api/v1/nodes")
    assert connection.sent[1][1] == "/api/v1/nodes"
    assert connection.sent[1][2]["timeout"].total == 4


def test_authorization_is_asked_for_once_in_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    client, connection = connected()
    for at, asked in ((100.0, 1), (110.0, 1), (110.1, 2), (111.0, 2)):
        now[0] = at
        client.get("/api/v1/nodes")
        assert connection.tokens == asked
        assert connection.sent[-1][2]["headers"]["authorization"] == f"Bearer {asked}"


def test_a_token_that_is_refused_is_not_used_again() -> None:
    client, connection = connected(Answer(b'{"message":"no"}', 401), Answer(b"{}"))
    with pytest.raises((RetryLater, Rejected)):
        client.get("/api/v1/nodes")
    client.get("/api/v1/nodes")
    assert connection.sent[1][2]["headers"]["authorization"] == "Bearer 2"
    other, kept = connected(Answer(b"{}", 403), Answer(b"{}"))
    with pytest.raises(Rejected):
        other.get("/api/v1/nodes")
    other.get("/api/v1/nodes")
    assert kept.tokens == 1


@pytest.mark.parametrize(
    ("call", "method", "query", "content_type"),
    [
        ("apply", "PATCH", "fieldManager=vlm-operator&force=true", "application/apply-patch+yaml"),
        ("create", "POST", "fieldManager=vlm-operator", "application/json"),
        ("update", "PUT", "fieldManager=vlm-operator", "application/json"),
    ],
)
def test_writes_name_the_operator_and_tell_what_was_written(
    call: str, method: str, query: str, content_type: str
) -> None:
    client, connection = connected(Answer(b'{"kind":"Service","metadata":{"uid":"u"}}'))
    wrote: list[Any] = []
    client.wrote = wrote.append
    written = getattr(client, call)("/api/v1/services/x", {"spec": {"a": 1}})
    assert wrote == [written] == [{"kind": "Service", "metadata": {"uid": "u"}}]
    sent, url, options = connection.sent[0]
    assert (sent, url) == (method, f"/api/v1/services/x?{query}")
    assert options["headers"]["Content-Type"] == content_type
    assert options["body"] == b'{"spec":{"a":1}}'


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({}, {"propagationPolicy": "Background"}, id="whichever it is"),
        pytest.param({"uid": "u"}, {"propagationPolicy": "Background", "preconditions": {"uid": "u"}}, id="this one"),
        pytest.param({"grace_seconds": 0}, {"propagationPolicy": "Background", "gracePeriodSeconds": 0}, id="at once"),
    ],
)  # fmt: skip
def test_a_deletion_names_what_it_means(options: dict[str, Any], expected: dict[str, Any]) -> None:
    client, connection = connected()
    client.delete("/api/v1/pods/x", **options)
    assert connection.sent[0][0] == "DELETE"
    assert body_of(connection) == expected


def test_what_is_gone_is_deleted_and_found_to_be_none() -> None:
    client, _ = connected(Answer(b'{"reason":"NotFound"}', 404))
    client.delete("/api/v1/pods/x")
    assert client.find("/api/v1/pods/x") is None
    with pytest.raises(NotFound):
        client.get("/api/v1/pods/x")
    refusing, _ = connected(Answer(b'{"reason":"Forbidden"}', 403))
    with pytest.raises(Rejected):
        refusing.delete("/api/v1/pods/x")
    with pytest.raises(Rejected):
        refusing.find("/api/v1/pods/x")


def test_items_of_a_listing_get_their_kind() -> None:
    client, connection = connected(Answer(b'{"apiVersion":"v1","kind":"PodList","items":[{"metadata":{"name":"p"}}]}'))
    assert client.list("/api/v1/pods", labels="a=b") == [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}}]
    assert connection.sent[0][1].endswith("?labelSelector=a%3Db")
    client.list("/api/v1/pods")
    assert connection.sent[1][1] == "/api/v1/pods"
    assert connected(Answer(b"{}"))[0].list("/api/v1/pods") == []


def test_a_log_is_text_whatever_its_bytes() -> None:
    client, connection = connected(Answer(b"vLLM \xff"))
    assert client.text("/api/v1/pods/x/log", {"container": "vllm"}) == "vLLM \ufffd"
    assert connection.sent[0][1].endswith("/log?container=vllm")


@pytest.mark.parametrize("answer", [b"<html>", b"[1]", b'"text"'], ids=["no JSON", "a list", "a string"])
def test_an_answer_that_is_no_object_is_asked_for_again(answer: bytes) -> None:
    with pytest.raises(RetryLater, match="the answer is"):
        connected(Answer(answer))[0].get("/x")


@pytest.mark.parametrize(
    "error", [urllib3.exceptions.ProtocolError("reset"), TimeoutError("slow")], ids=["protocol", "socket"]
)
def test_no_answer_is_asked_for_again(error: Exception) -> None:
    with pytest.raises(RetryLater, match="GET /x: no answer"):
        connected(error)[0].get("/x")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        pytest.param(b'{"message":"quota exceeded"}', "quota exceeded", id="the server's words"),
        pytest.param(b"Bad gateway of somebody", "Bad gateway of somebody", id="a proxy's"),
        pytest.param(b"[]", "403", id="none"),
    ],
)
def test_a_refusal_carries_the_servers_words(content: bytes, words: str) -> None:
    with pytest.raises(Rejected) as refused:
        connected(Answer(content, 403))[0].get("/x")
    assert words in refused.value.message


@pytest.mark.parametrize("method", ["create", "update", "apply", "delete"])
def test_nothing_is_written_while_another_leads(method: str) -> None:
    client, connection = connected()
    client.may_write = lambda: False
    with pytest.raises(RetryLater, match="another operator"):
        getattr(client, method)("/x", *([] if method == "delete" else [{}]))
    assert connection.sent == []
    assert client.get("/x") == {}


EVENTS = [{"type": "ADDED", "object": {"n": number}} for number in range(3)]
LINES = b"\n".join(json.dumps(event).encode() for event in EVENTS) + b"\n"


@pytest.mark.parametrize("cut", [1, 7, len(LINES) // 2, len(LINES)], ids=str)
def test_events_of_a_watch_are_read_wherever_their_lines_are_cut(cut: int) -> None:
    answer = Answer(chunks=tuple(LINES[start : start + cut] for start in range(0, len(LINES), cut)))
    client, connection = connected(answer)
    assert list(client.watch("/api/v1/pods", {"resourceVersion": "5"})) == EVENTS
    _, url, options = connection.sent[0]
    assert url.endswith("/pods?resourceVersion=5&watch=true")
    assert (options["timeout"].connect_timeout, options["timeout"].read_timeout) == (10, 90)
    assert options["preload_content"] is False
    assert answer.closed


def test_a_watch_that_breaks_has_told_what_came_before() -> None:
    answer = Answer(chunks=(LINES,), breaks=urllib3.exceptions.ReadTimeoutError(None, "", "silent"))  # type: ignore[arg-type]
    events = connected(answer)[0].watch("/x", {})
    assert [next(events) for _ in EVENTS] == EVENTS
    with pytest.raises(RetryLater, match="watch /x broke"):
        next(events)
    assert answer.closed


@pytest.mark.parametrize(
    "line", [b"half a line", b"[]", b'{"type":"ADDED"}', b'{"type":"ADDED","object":[]}', b'{"object":{}}'], ids=str
)
def test_a_line_that_is_no_event_breaks_the_watch(line: bytes) -> None:
    with pytest.raises(RetryLater):
        list(connected(Answer(chunks=(line + b"\n",)))[0].watch("/x", {}))


def test_a_watch_that_is_refused_says_why() -> None:
    answer = Answer(b'{"message":"pods is forbidden"}', 403)
    with pytest.raises(Rejected, match="pods is forbidden"):
        list(connected(answer)[0].watch("/x", {}))
    assert answer.closed


def test_a_connection_leaves_tries_to_the_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    def outside(**_: object) -> None:
        raise kubernetes.config.ConfigException("not in a cluster")

    monkeypatch.setattr(kubernetes.config, "load_incluster_config", outside)

    def here(*, client_configuration: kubernetes.client.Configuration) -> None:
        client_configuration.host = "https://api"

    monkeypatch.setattr(kubernetes.config, "load_kube_config", here)
    configuration = Client.connect(connections=3)._api.configuration
    assert configuration.connection_pool_maxsize == 3
    assert (configuration.retries.total, configuration.retries.redirect) == (0, 0)
    assert configuration.retries.raise_on_status is False
    monkeypatch.setattr(kubernetes.config, "load_kube_config", outside)
    with pytest.raises(ClusterUnreachable, match="not in a cluster"):
        Client.connect()
