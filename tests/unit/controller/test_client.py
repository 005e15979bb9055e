"""How the client proves who it is: a token is used for some seconds, and replaced at once where it is refused."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import kubernetes.client
import pytest
import urllib3

from vlm_operator.controller import client as client_module
from vlm_operator.controller.api_errors import ApiError
from vlm_operator.controller.client import Client


class TokenServer(ThreadingHTTPServer):
    """Answers 401 to a token that has expired; remembers the tokens that came."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.expired: set[str] = set()
        self.came: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    server: TokenServer

    def do_GET(self) -> None:
        token = self.headers.get("Authorization", "")
        self.server.came.append(token)
        content = b'{"kind": "Status"}'
        self.send_response(401 if token in self.server.expired else 200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def server() -> Iterator[TokenServer]:
    with TokenServer() as made:
        threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield made
        made.shutdown()


@pytest.fixture
def tokens(server: TokenServer) -> list[str]:
    """Tokens that will be handed out, the newest last."""
    return ["Bearer first"]


@pytest.fixture
def client(server: TokenServer, tokens: list[str]) -> Client:
    def renew(configuration: kubernetes.client.Configuration) -> None:
        configuration.api_key["authorization"] = tokens[-1]

    configuration = kubernetes.client.Configuration()
    configuration.host = f"http://127.0.0.1:{server.server_port}"
    renew(configuration)
    configuration.refresh_api_key_hook = renew
    configuration.retries = urllib3.Retry(total=0, redirect=0, raise_on_status=False)
    return Client(kubernetes.client.ApiClient(configuration))


def test_a_token_that_is_no_longer_taken_is_replaced_with_the_next_request(
    server: TokenServer, tokens: list[str], client: Client
) -> None:
    client.get("/api/v1/nodes")
    server.expired.add("Bearer first")
    tokens.append("Bearer second")
    with pytest.raises(ApiError):
        client.get("/api/v1/nodes")
    client.get("/api/v1/nodes")
    assert server.came == ["Bearer first", "Bearer first", "Bearer second"]


def test_a_token_is_asked_for_again_after_some_seconds(
    server: TokenServer, tokens: list[str], client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.get("/api/v1/nodes")
    tokens.append("Bearer second")
    client.get("/api/v1/nodes")
    assert server.came[-1] == "Bearer first"
    monkeypatch.setattr(client_module, "AUTHORIZATION_SECONDS", -1.0)
    client.get("/api/v1/nodes")
    assert server.came[-1] == "Bearer second"
