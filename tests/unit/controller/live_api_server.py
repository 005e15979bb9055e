"""An API server in a thread that keeps resource versions: lists, watches, applies, refuses outdated writes.

What it does not do: validation, defaults, fields' owners, garbage collection, RBAC (but see ``refused``).
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import kubernetes.client
import urllib3

from vlm_operator.controller.client import Client

Object = dict[str, Any]


class LiveApiServer:
    """Objects by path; every change is an event.

    Attributes:
        refused: answered to requests below a path, by the path's beginning: (code, reason).
        garbage: how many further requests are answered with what is no JSON.
        requests: (method, path, query) of every request.
        compacted: watches from before this version are answered with 410.
    """

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}
        self.refused: dict[str, tuple[int, str]] = {}
        self.garbage = 0
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.compacted = 0
        self._versions = itertools.count(1)
        self._version = 0
        self._history: list[tuple[int, str, str, Object]] = []
        self._changed = threading.Condition()
        self._connections = 0  # watches that were opened before are broken when this grows

    # --- what a test does -------------------------------------------------------------------------------------------

    def put(self, path: str, item: Object) -> Object:
        """Create or change an object, as somebody else does."""
        with self._changed:
            return self._store(path, item)

    def remove(self, path: str) -> None:
        """Delete an object."""
        with self._changed:
            item = self.objects.pop(path)
            self._event("DELETED", path, item)

    def break_watches(self, *, compacted: bool = False) -> None:
        """End every watch without a word; with ``compacted`` what has happened until now is forgotten."""
        with self._changed:
            self._connections += 1
            if compacted:
                self.compacted = self._version + 1
                self._version = next(self._versions)
            self._changed.notify_all()

    def writes(self) -> list[tuple[str, str]]:
        """(method, path) of every request that is no read."""
        return [(method, path) for method, path, _ in self.requests if method not in {"GET", "WATCH"}]

    # --- answers ----------------------------------------------------------------------------------------------------

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        self.requests.append((method, path, query))
        if self.garbage:
            self.garbage -= 1
            return 200, "<html>a proxy's page</html>"
        for beginning, (code, reason) in self.refused.items():
            if path.startswith(beginning):
                return code, {"kind": "Status", "code": code, "reason": reason, "message": f"{path}: {reason}"}
        with self._changed:
            return getattr(self, f"_{method.lower()}")(path, query, body)  # type: ignore[no-any-return]

    def _get(self, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if path in self.objects:
            return 200, self.objects[path]
        if path.rsplit("/", 1)[-1] not in _PLURALS:
            return 404, {"reason": "NotFound", "message": f"{path} not found"}
        items = [item for at, item in self.objects.items() if _is_below(at, path) and _selected(item, query)]
        return 200, {"kind": "List", "metadata": {"resourceVersion": str(self._version)}, "items": items}

    def _post(self, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        path = f"{path}/{body['metadata']['name']}"
        if path in self.objects:
            return 409, {"reason": "AlreadyExists"}
        return 201, self._store(path, body)

    def _put(self, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        return self._patch(path, query, body)

    def _patch(self, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        status = path.endswith("/status")
        path = path.removesuffix("/status")
        before = self.objects.get(path)
        if status and before is None:
            return 404, {"reason": "NotFound"}
        wanted = body["metadata"].get("resourceVersion")
        if before is not None and wanted and wanted != before["metadata"]["resourceVersion"]:
            return 409, {"reason": "Conflict"}
        return 200, self._store(path, {"status": body["status"]} if status else body)

    def _delete(self, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        if path not in self.objects:
            return 404, {"reason": "NotFound"}
        item = self.objects.pop(path)
        self._event("DELETED", path, item)
        return 200, item

    def _store(self, path: str, item: Object) -> Object:
        before = self.objects.get(path, {})
        metadata = {"uid": f"uid-{next(self._versions)}", **before.get("metadata", {}), **item.get("metadata", {})}
        metadata.setdefault("creationTimestamp", "2026-11-30T10:00:00Z")
        metadata.setdefault("generation", 1)
        if "spec" in item and before and item["spec"] != before.get("spec"):
            metadata["generation"] = before["metadata"]["generation"] + 1
        stored = {**before, **item, "metadata": metadata}
        self._version = next(self._versions)
        metadata["resourceVersion"] = str(self._version)
        self.objects[path] = stored
        self._event("MODIFIED" if before else "ADDED", path, stored)
        return stored

    def _event(self, sort: str, path: str, item: Object) -> None:
        if sort == "DELETED":
            self._version = next(self._versions)
            item = {**item, "metadata": {**item["metadata"], "resourceVersion": str(self._version)}}
        self._history.append((self._version, sort, path, item))
        self._changed.notify_all()

    def watch(self, path: str, query: dict[str, str]) -> Iterator[Object]:
        """Events since a version, and those to come."""
        self.requests.append(("WATCH", path, query))
        since, position = int(query["resourceVersion"]), 0
        with self._changed:
            mine = self._connections
            if since < self.compacted:
                yield {"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}}
                return
        while True:
            with self._changed:
                if len(self._history) <= position:
                    self._changed.wait(5)
                if self._connections != mine:
                    return
                news, position = self._history[position:], len(self._history)
            for version, sort, at, item in news:
                if version > since and _is_below(at, path) and _selected(item, query):
                    yield {"type": sort, "object": item}


_PLURALS = {
    "deployments",
    "leaderworkersets",
    "persistentvolumeclaims",
    "services",
    "pods",
    "nodes",
    "vlmdeployments",
    "startupobservations",
    "leases",
    "events",
    "enginefacts",
    "gpufitreports",
    "gpunodes",
    "jobs",
    "configmaps",
    "resourceclaimtemplates",
    "resourceclaims",
    "resourceslices",
    "deviceclasses",
}


def _is_below(path: str, collection: str) -> bool:
    plural = collection.rsplit("/", 1)[-1]
    root = collection.removesuffix(f"/{plural}")
    return path.startswith(f"{root}/") and path.rsplit("/", 2)[-2] == plural


def _selected(item: Object, query: dict[str, str]) -> bool:
    label = query.get("labelSelector", "").partition("=")[0]
    return not label or label in (item["metadata"].get("labels") or {})


@contextmanager
def serving_live(server: LiveApiServer) -> Iterator[Client]:
    """A client of this server, over HTTP."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            parts = urlsplit(self.path)
            query = dict(parse_qsl(parts.query))
            if query.get("watch"):
                self._stream(parts.path, query)
                return
            code, answer = server.answer(self.command, parts.path, query, body)
            content = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _stream(self, path: str, query: dict[str, str]) -> None:
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                for event in server.watch(path, query):
                    line = json.dumps(event).encode() + b"\n"
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(line), line))
                self.wfile.write(b"0\r\n\r\n")
            except OSError:
                self.close_connection = True

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _handle  # noqa: N815 - the names http.server calls

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

    http = Server(("127.0.0.1", 0), Handler)
    threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True).start()
    configuration = kubernetes.client.Configuration(host=f"http://127.0.0.1:{http.server_port}")
    configuration.retries = urllib3.Retry(total=0, redirect=0, raise_on_status=False)
    configuration.connection_pool_maxsize = 32
    try:
        yield Client(kubernetes.client.ApiClient(configuration))
    finally:
        server.break_watches()
        http.shutdown()
        http.server_close()


def until(holds: Any, seconds: float = 10) -> None:
    """Wait until it holds.

    Raises:
        AssertionError: it did not, in that time.
    """
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)
