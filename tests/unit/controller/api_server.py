"""An API server of a few lines: answers what it is told to, and remembers what was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import kubernetes.client
import urllib3

from vlm_operator.controller.client import NO_VERSION, Client


@dataclass
class Request:
    method: str
    path: str
    query: dict[str, str]
    body: Any
    content_type: str


@dataclass
class FakeApiServer:
    """Objects by path. ``failures`` are answered first, one a request."""

    objects: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: list[tuple[int, dict[str, Any], dict[str, str]]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    texts: dict[str, list[str]] = field(default_factory=dict)

    def answer(self, request: Request) -> tuple[int, Any, dict[str, str]]:
        self.requests.append(request)
        if self.failures:
            return self.failures.pop(0)
        if request.path in self.texts:
            return 200, self.texts[request.path].pop(0), {}
        if request.method == "GET":
            found = self.objects.get(request.path)
            if found is not None:
                return 200, found, {}
            below = [item for path, item in self.objects.items() if path.startswith(f"{request.path}/")]
            if below or request.query.get("labelSelector"):
                return 200, {"kind": "List", "apiVersion": "v1", "items": below}, {}
            return 404, {"reason": "NotFound", "message": "not found"}, {}
        if request.method == "DELETE":
            return (200, self.objects.pop(request.path), {}) if request.path in self.objects else (404, {}, {})
        if request.body["metadata"].get("resourceVersion") == NO_VERSION and request.path in self.objects:
            return 409, {"reason": "Conflict", "message": "the object has been modified"}, {}
        self.objects[request.path] = {**(request.body or {}), "metadata": {"uid": "u", **request.body["metadata"]}}
        stored = self.objects[request.path]
        stored["metadata"].setdefault("resourceVersion", "1")
        return 200, stored, {}

    @property
    def writes(self) -> list[Request]:
        return [request for request in self.requests if request.method != "GET"]


@contextmanager
def serving(server: FakeApiServer) -> Iterator[Client]:
    """A client of this server, over HTTP."""

    class Handler(BaseHTTPRequestHandler):
        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            parts = urlsplit(self.path)
            kind = self.headers.get("Content-Type", "")
            code, answer, headers = server.answer(
                Request(self.command, parts.path, dict(parse_qsl(parts.query)), body, kind)
            )
            content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(code)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_DELETE = _handle  # noqa: N815 - the names http.server calls

        def log_message(self, *_: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    configuration = kubernetes.client.Configuration(host=f"http://127.0.0.1:{http.server_port}")
    configuration.retries = urllib3.Retry(total=0, redirect=0, raise_on_status=False)
    try:
        yield Client(kubernetes.client.ApiClient(configuration))
    finally:
        http.shutdown()
        http.server_close()
