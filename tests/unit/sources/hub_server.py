"""A Hugging Face Hub of one repository on this machine's loopback, and what was asked of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@dataclass
class Hub:
    """What the Hub holds and how it answers.

    Attributes:
        repository: the id it knows.
        files: name to content.
        refusal: answer every request with this status and ``X-Error-Code``, or None.
        token: only requests with this token are answered, or None.
        requests: method, path and Range of each request so far.
    """

    repository: str
    files: dict[str, bytes]
    refusal: tuple[int, str] | None = None
    token: str | None = None
    address: str = ""
    requests: list[tuple[str, str, str | None]] = field(default_factory=list)
    bytes_sent: int = 0

    @contextmanager
    def running(self) -> Iterator[Hub]:
        """The server, listening until the block ends."""
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments: Any) -> None: ...

            def do_HEAD(self) -> None:
                self.answer()

            def do_GET(self) -> None:
                self.answer()

            def answer(self) -> None:
                hub.requests.append((self.command, self.path, self.headers.get("Range")))
                status, headers, body = hub.response(self.path, self.headers)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    hub.bytes_sent += len(body)
                    self.wfile.write(body)

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()

    def response(self, path: str, headers: Any) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a path of the Hub's API."""
        if self.refusal:
            status, code = self.refusal
            return status, {"X-Error-Code": code, "X-Error-Message": code}, b"{}"
        if self.token and headers.get("Authorization") != f"Bearer {self.token}":
            return 401, {"X-Error-Code": "GatedRepo"}, b"{}"
        known = (f"/api/models/{self.repository}", f"/api/models/{self.repository}/revision/{COMMIT}")
        if path in known or path == f"{known[0]}/revision/main":
            siblings = [{"rfilename": name} for name in self.files]
            return 200, {}, json.dumps({"id": self.repository, "sha": COMMIT, "siblings": siblings}).encode()
        prefix = f"/{self.repository}/resolve/{COMMIT}/"
        content = self.files.get(path.removeprefix(prefix)) if path.startswith(prefix) else None
        if content is None:
            missing_repository = not path.startswith((f"/{self.repository}/", known[0]))
            return 404, {"X-Error-Code": "RepoNotFound" if missing_repository else "RevisionNotFound"}, b"{}"
        answer = {"ETag": f'"{hash(content):x}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        wanted = headers.get("Range")
        if wanted:
            first, last = (int(part) for part in wanted.removeprefix("bytes=").split("-"))
            return 206, answer, content[first : last + 1]
        return 200, answer, content
