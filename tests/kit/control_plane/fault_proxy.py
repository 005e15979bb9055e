"""``FaultProxy``: stands between the operator and the API server and answers some requests wrongly, or not at all."""

from __future__ import annotations

import json
import random
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

STATUS_FAULTS: Final = {
    "409": (409, {"reason": "Conflict", "message": "the object has been modified"}),
    "429": (429, {"reason": "TooManyRequests", "details": {"retryAfterSeconds": 1}}),
    "500": (500, {"reason": "InternalError"}),
    "503": (503, {"reason": "ServiceUnavailable"}),
}
FAULTS: Final = (*STATUS_FAULTS, "410", "reset", "lost answer", "hang", "garbage")
"""``lost answer``: the API server carries the request out, and the operator does not hear of it."""

HANG_SECONDS: Final = 3.0


class FaultProxy:
    """A plain HTTP proxy to one API server.

    Attributes:
        rate: part of the requests that are answered wrongly, from 0 to 1.
        made: faults by kind.
    """

    def __init__(self, kubeconfig: Path, seed: int) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        address = urlsplit(cluster["server"])
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 443
        self._tls = ssl.create_default_context()
        self._tls.check_hostname, self._tls.verify_mode = False, ssl.CERT_NONE  # this machine's own test cluster
        self._config = config
        self._dice = random.Random(seed)
        self._lock = threading.Lock()
        self.rate = 0.0
        self.made: Counter[str] = Counter()

    @contextmanager
    def serving(self, folder: Path) -> Iterator[Path]:
        """A kubeconfig whose server is this proxy."""
        server = _Server(("127.0.0.1", 0), self._handler())
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self._config["clusters"][0]["cluster"] = {"server": f"http://127.0.0.1:{server.server_port}"}
        path = folder / "fault-proxy.kubeconfig"
        path.write_text(json.dumps(self._config))
        path.chmod(0o600)
        try:
            yield path
        finally:
            server.shutdown()
            server.server_close()

    def _fault(self) -> str | None:
        with self._lock:
            if self._dice.random() >= self.rate:
                return None
            kind = self._dice.choice(FAULTS)
            self.made[kind] += 1
            return kind

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length) if length else None
                fault = proxy._fault()
                if fault == "hang":
                    time.sleep(HANG_SECONDS)
                if fault in {"reset", "hang"}:
                    self._reset()
                elif fault == "garbage":
                    self._answer(200, b"<html>a proxy's page</html>")
                elif fault in STATUS_FAULTS:
                    code, status = STATUS_FAULTS[fault]
                    self._answer(code, json.dumps({"kind": "Status", "code": code, **status}).encode())
                elif fault == "410":
                    self._gone()
                else:
                    self._forward(body, lost=fault == "lost answer")

            def _gone(self) -> None:
                status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
                if "watch=true" in self.path:
                    self._answer(200, json.dumps({"type": "ERROR", "object": status}).encode() + b"\n")
                else:
                    self._answer(410, json.dumps(status).encode())

            def _forward(self, body: bytes | None, *, lost: bool) -> None:
                upstream = HTTPSConnection(proxy._host, proxy._port, context=proxy._tls, timeout=400)
                headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
                try:
                    upstream.request(self.command, self.path, body=body, headers=headers)
                    answer = upstream.getresponse()
                    if lost and "watch=true" not in self.path:
                        answer.read()
                        self._reset()
                    elif answer.headers.get("Content-Length") is None:
                        self._stream(answer, lost=lost)
                    else:
                        self._answer(answer.status, answer.read(), answer.headers.get("Content-Type", ""))
                except (OSError, HTTPException):
                    self._reset()
                finally:
                    upstream.close()

            def _stream(self, answer: Any, *, lost: bool) -> None:
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                began = time.monotonic()
                while chunk := answer.read1(65536):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
                    if lost and time.monotonic() - began > 1:  # in the middle of a line, if it so happens
                        self._reset()
                        return
                self.wfile.write(b"0\r\n\r\n")

            def _answer(self, code: int, body: bytes, kind: str = "application/json") -> None:
                self.send_response(code)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def _reset(self) -> None:
                self.close_connection = True
                try:
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    self.connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    return

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _any  # noqa: N815 - the names http.server calls

            def log_message(self, *_: object) -> None:
                pass

        return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is what this is about."""


_HOP: Final = {"host", "connection", "content-length", "transfer-encoding"}
